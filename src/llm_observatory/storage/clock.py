"""The time of a long-running process, by a clock that may be set wrong: how far it is to be believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

_log = structlog.get_logger(__name__)

JUMP_SECONDS = 300.0
"""A clock that gained more than this on the monotonic one since the last look was set ahead, or the host slept."""
AWAY_SECONDS = 2 * 86_400.0
"""As far as a first look may be ahead of what the database remembers, which is a day old where nobody was away."""
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

    @property
    def seen(self) -> bool:
        """Whether it was looked at."""
        return self._last is not None

    def look(self, told: datetime, known: datetime | None = None) -> bool:
        """Whether the clock, which now says `told`, jumped ahead since the last look; the first time, since `known`."""
        last, self._last = self._last, (told, self._monotonic())
        most, words = JUMP_SECONDS, "the clock jumped ahead, nothing expires for an hour"
        if last is None:
            if known is None:
                return False
            last = (known, self._last[1])
            most, words = AWAY_SECONDS, "the clock is far ahead, or nobody worked for days: nothing expires for an hour"
        gained = (told - last[0]).total_seconds() - (self._last[1] - last[1])
        if gained <= most:
            return False
        _log.warning(words, seconds=round(gained))
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
