"""What the server says: first through a pipe, then into rotated files whose number is kept bounded."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import IO

import structlog

from llm_observatory.storage.embedded.conf import LOG_SUFFIX

_log = structlog.get_logger(__name__)

LOG_FILES_KEPT = 8
_PRUNE_EVERY_SECONDS = 60.0
_TAIL_LINES = 20
_TAIL_BYTES = 8192


class Output:
    """Reads the server's first words until it has opened its log, and deletes its oldest log files while we live.

    PostgreSQL rotates by size and day but deletes nothing. A pipe and not a file takes the first words: on a full disk they
    could not be written, and the log collector complains there for as long as its own file cannot be written.
    """

    def __init__(self, folder: Path, pipe: IO[bytes] | None = None) -> None:
        self._folder = folder
        self._first: deque[str] = deque(maxlen=_TAIL_LINES)
        self._closed = threading.Event()
        self._reader = (
            threading.Thread(target=self._read, args=(pipe,), daemon=True, name="embedded-postgres-output") if pipe else None
        )
        if self._reader is not None:
            self._reader.start()
        threading.Thread(target=self._prune, daemon=True, name="embedded-postgres-log").start()

    def close(self) -> None:
        """Stop deleting; the reader ends with the server."""
        self._closed.set()

    def tail(self) -> str:
        """The last lines the server said; called when it has ended."""
        if self._reader is not None:
            self._reader.join(timeout=1.0)
        newest = max(log_files(self._folder), default=None)
        lines = list(self._first)
        if newest is not None:
            with newest.open("rb") as file:
                file.seek(max(0, newest.stat().st_size - _TAIL_BYTES))
                lines += file.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(lines)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self._first.append(line.decode("utf-8", "replace").rstrip())

    def _prune(self) -> None:
        while not self._closed.is_set():
            try:
                prune(self._folder)
            except OSError as exc:
                _log.warning("cannot delete old database log files", folder=str(self._folder), error=str(exc))
            self._closed.wait(_PRUNE_EVERY_SECONDS)


def log_files(folder: Path) -> list[Path]:
    """The server's log files; their names sort by age."""
    return sorted(folder.glob(f"postgresql-*{LOG_SUFFIX}"))


def prune(folder: Path) -> None:
    """Delete all but the newest log files."""
    for file in log_files(folder)[:-LOG_FILES_KEPT]:
        file.unlink(missing_ok=True)
