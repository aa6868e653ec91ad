"""What stands in the way of the embedded server, said with the folder concerned and the way out."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_observatory.errors import EmbeddedServerError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What PostgreSQL (under LC_ALL=C) prints of them; a short write has no errno and only the hint; SIGXFSZ leaves the last.
_FULL_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "Disc quota exceeded",
    "Check free disk space",
    "File too large",
    "File size limit",
)

ELSEWHERE = "set LLM_OBSERVATORY_DATA_DIR to another folder"


def full_disk(folder: Path, detail: str) -> EmbeddedServerError:
    """The error of a disk, quota or file size limit that leaves no room for the database."""
    try:
        free = f"{shutil.disk_usage(folder).free:,} bytes free"
    except OSError as exc:
        free = f"free bytes unknown: {exc.strerror}"
    return EmbeddedServerError(
        f"no room to write in {folder} ({free}): {detail}. Free some space or lift the quota or file size limit, or {ELSEWHERE}"
    )


def failure(folder: Path, what: str, output: str) -> EmbeddedServerError:
    """The error of a PostgreSQL program that failed with `output`."""
    lines = output.splitlines()
    full = next((at for at, line in enumerate(lines) if any(text in line for text in _FULL_TEXTS)), None)
    if full is not None:
        return full_disk(folder, f"{what}: {' '.join(lines[max(0, full - 1) : full + 1])}")  # a hint follows its message
    return EmbeddedServerError(f"{what}; its last words:\n{output.strip() or '(none)'}")


@contextmanager
def file_trouble(folder: Path) -> Iterator[None]:
    """Turn OSError into EmbeddedServerError."""
    try:
        yield
    except OSError as exc:
        detail = f"{exc.filename or folder}: {exc.strerror or exc}"
        if exc.errno in _FULL:
            raise full_disk(folder, detail) from exc
        raise EmbeddedServerError(f"the embedded PostgreSQL cannot use {folder}: {detail}") from exc
