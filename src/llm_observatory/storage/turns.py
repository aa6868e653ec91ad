"""Hours that wait in a queue are worked off in turns: for a share of the time, and one that fails keeps no other waiting."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

_log = structlog.get_logger(__name__)

REST_SECONDS = 300.0
"""An hour that failed is not tried again for so long: a computation may take half an hour before it fails."""


class Hour(NamedTuple):
    """An hour of a tenant's records of a signal."""

    tenant: str
    signal: str
    hour: datetime


class Turns:
    """The turns of one queue. What was tried is remembered in memory: the queue says since when an hour waits, for alerts."""

    def __init__(self) -> None:
        self._tried: dict[Hour, float] = {}
        """When, by `time.monotonic`."""

    @property
    def tried(self) -> int:
        """How many hours may not have their turn yet."""
        return len(self._tried)

    async def work_off(
        self,
        connection: AsyncConnection,
        what: str,
        waiting: Sequence[Hour],
        work: Callable[[Hour], Awaitable[None]],
        *,
        deadline: float,
        done_rests: bool = False,
    ) -> StorageError | None:
        """Do `work` on the hours that wait, called `what` in the log: in their order, what was tried already last.

        One at least, and until `deadline`, by `time.monotonic`. `done_rests`: what succeeds rests, too, before its next turn.
        Returns the first failure, which is the caller's to raise. Raises StorageError when the connection is lost.
        """
        failure: StorageError | None = None
        turn = self._turn(waiting)
        for place, hour in enumerate(turn):
            if place and time.monotonic() > deadline:
                _log.info("behind, the next round goes on", what=what, done=place, left=len(turn) - place)
                break
            self._tried[hour] = time.monotonic()
            try:
                with translated():
                    await work(hour)
            except StorageError as error:
                if connection.closed:
                    raise
                _log.warning("left for later", what=what, **hour._asdict(), error=str(error), sqlstate=error.sqlstate)
                failure = failure or error
            else:
                if not done_rests:
                    del self._tried[hour]
        return failure

    def _turn(self, waiting: Sequence[Hour]) -> list[Hour]:
        rested, there = time.monotonic() - REST_SECONDS, set(waiting)
        self._tried = {hour: when for hour, when in self._tried.items() if when > rested or hour in there}
        due = [hour for hour in waiting if self._when(hour) <= rested]
        return sorted(due, key=self._when)

    def _when(self, hour: Hour) -> float:
        return self._tried.get(hour, -math.inf)
