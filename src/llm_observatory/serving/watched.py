"""Files that are read again when they change: certificates are renewed and tokens given out while the service runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from llm_observatory.errors import ConfigError

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""How often the files are looked at, at most: a look is a `stat` each."""

_Stamp = tuple[int, int, int]


class Watched(Generic[T]):
    """What `read` makes of `files`.

    It raises ConfigError where they are faulty. At the start that is raised; later the value before is kept, which a log line
    says, once for each change of the files.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[], T], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = tuple(files)
        self._read = read
        self._clock = clock
        self._stamps = self._look()
        self._value = read()
        self._next_look = clock() + LOOK_SECONDS

    @property
    def value(self) -> T:
        """The value of now."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            stamps = self._look()
            if stamps != self._stamps:
                self._stamps = stamps
                self._read_again()
        return self._value

    def _read_again(self) -> None:
        names = [str(file) for file in self._files]
        try:
            self._value = self._read()
        except ConfigError as error:
            log.error("files have changed and are faulty: what was read before holds", files=names, faults=error.faults)  # noqa: TRY400 - no traceback
        else:
            log.info("files read again", files=names)

    def _look(self) -> list[_Stamp | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> _Stamp | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - follows links, as secrets of Kubernetes need it
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
