"""The time of a long-running process, by a clock that may be set wrong: how far it is to be believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

_log = structlog.get_logger(__name__)

JUMP_SECONDS = 300.0
"""A clock that gained more than this on the monotonic one since the last look was set ahead, or the host slept."""
DOUBT_SECONDS = 3600.0
"""A clock that is set wrong is mostly set right again within the hour; after that it is believed."""


class Clock:
    """Compares what is told as the time with the monotonic clock, look by look."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: tuple[datetime, float] | None = None
        self._believed: tuple[datetime, float] | None = None
        """What was told before the jump, and when."""
        self._jumped_at = -math.inf

    def look(self, told: datetime) -> bool:
        """Whether the clock, which now says `told`, jumped ahead since the last look."""
        last, self._last = self._last, (told, self._monotonic())
        if last is None:
            return False
        gained = (told - last[0]).total_seconds() - (self._last[1] - last[1])
        if gained <= JUMP_SECONDS:
            return False
        _log.warning("the clock jumped ahead, nothing expires for an hour", seconds=round(gained))
        if not self.doubtful:
            self._believed = last
        self._jumped_at = self._last[1]
        return True

    @property
    def doubtful(self) -> bool:
        """Whether it jumped ahead within DOUBT_SECONDS: what seems to have expired since may be a minute old."""
        return self._monotonic() - self._jumped_at < DOUBT_SECONDS

    def believed(self, told: datetime) -> datetime:
        """`told`, or while that is in doubt the time before the jump and what has passed since by the monotonic clock."""
        if self._believed is None or not self.doubtful:
            return told
        before, then = self._believed
        return min(told, before + timedelta(seconds=self._monotonic() - then))
