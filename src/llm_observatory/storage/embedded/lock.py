"""One owner at a time: a kernel lock on a file of the data folder, gone with the process however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.trouble import ELSEWHERE


class FolderLock:
    """Held from `take` to `release`. The descriptor is not inherited by children, so the server never holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, account: Account) -> None:
        """Take the lock or raise EmbeddedServerError with the pid of who has it."""
        if self._descriptor is not None:
            return
        # Never unlinked: a second process could lock the old file while a third locks the new one.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            account.own(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise EmbeddedServerError(
                f"another llm-observatory, pid {holder}, is already serving from {self._path.parent}: stop it, or {ELSEWHERE}"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; harmless if not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
