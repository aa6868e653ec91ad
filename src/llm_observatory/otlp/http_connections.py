"""How many HTTP connections there are, and which one has to go when there are too many."""

from __future__ import annotations

import time
from typing import Protocol

import structlog

from llm_observatory import metrics

log = structlog.get_logger(__name__)

SAY_EVERY_SECONDS = 60.0
MAX_HTTP_CONNECTIONS = 10_000


class Connection(Protocol):
    """What is known here of one."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served, and none is coming."""

    def leave(self) -> None:
        """Close it at once."""


class Connections:
    """All connections of a server, the oldest first; no more than `most`.

    A newcomer has the place of the oldest that idles: whoever comes again finds his way in, and who only holds a connection
    keeps nobody out. Where none idles the newcomer goes: a closed connection is what every client tries again after.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[Connection, None] = {}
        self._say_at = 0.0

    def opened(self, connection: Connection) -> None:
        """One more; one less, too, when there are too many."""
        self._open[connection] = None
        if len(self._open) > self._most:
            self._make_room(connection)
        metrics.HTTP_CONNECTIONS.set(len(self._open))

    def closed(self, connection: Connection) -> None:
        """One less."""
        self._open.pop(connection, None)
        metrics.HTTP_CONNECTIONS.set(len(self._open))

    def _make_room(self, newcomer: Connection) -> None:
        idle = next((one for one in self._open if one is not newcomer and one.is_idle), newcomer)
        self._open.pop(idle)
        idle.leave()
        if time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + SAY_EVERY_SECONDS
            log.warning("too many HTTP connections: those that idle are closed", most=self._most)
