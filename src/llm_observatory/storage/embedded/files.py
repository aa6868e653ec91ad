"""Small files of the data folder: replaced as a whole, never through a link, readable by their owner only.

The folder may belong to an unprivileged account while we are root, so its contents are not trusted to be what we left there.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from llm_observatory.storage.embedded.account import Account


def read_text(path: Path) -> str | None:
    """The text of a regular file, None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def replace_text(path: Path, text: str, account: Account) -> None:
    """Make `text` the content of `path`, or leave what was there. An equal file is not touched (the disk may be full)."""
    if read_text(path) == text:
        return
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            account.own(descriptor)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def make_folder(path: Path, account: Account) -> None:
    """Make one folder of the account, mode 0700."""
    path.mkdir(mode=0o700, exist_ok=True)
    account.own(path)


def sync_folder(path: Path) -> None:
    """Make a rename in `path` outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
