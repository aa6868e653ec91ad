"""Admission by bytes, that keeps signals apart: what is let in and not yet committed stays below a limit and one request.

Of the limit each signal has a reserve, the rest is shared. What fits into the reserve of its signal is let in at once,
whatever waits; all else takes its turn at the shared part. So a flood of one signal, or one request that fills the shared
part, leaves the others their reserves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from llm_observatory import metrics
from llm_observatory.pipeline.granted import granted

RESERVE_DIVISOR = 8
"""Each signal's reserve is this part of the limit: 8 MiB of 64, requests of 4 MiB."""

DOOR_DIVISOR = 2
"""A request whose size is not known yet counts as this part of its signal's reserve."""


def reserved_bytes(limit: int, signals: int) -> int:
    """What of `limit` is not shared."""
    return signals * (limit // RESERVE_DIVISOR)


class Admission:
    """Bytes let in, by signal.

    The shared part is first come, first served. A request larger than all of it is let in when nothing else is in it: it
    is served alone, while the others go on in their reserves. It waits for that in its turn, and what comes after it
    waits behind it, so that it is served for certain.
    """

    def __init__(self, limit: int, signals: Iterable[str]) -> None:
        self._reserves = {signal: _Reserve(limit // RESERVE_DIVISOR) for signal in signals}
        self._shared = _Part(limit - reserved_bytes(limit, len(self._reserves)))
        self._queue: dict[_Waiter, None] = {}
        """Who waits for the shared part, in the order of coming."""
        metrics.INFLIGHT_BYTES.set_function(lambda: self.used)
        metrics.INFLIGHT_LIMIT_BYTES.set(limit)

    @property
    def used(self) -> int:
        """Bytes let in and not given back."""
        return self._shared.used + sum(reserve.used for reserve in self._reserves.values())

    def full(self, signal: str) -> bool:
        """Whether a newcomer of `signal`, of unknown size, would have to wait."""
        newcomer = _Waiter(self._reserves[signal], None)
        return not newcomer.fits_reserve and (bool(self._queue) or not newcomer.fits(self._shared))

    async def acquire(self, signal: str, size: int, until: float) -> Room:
        """Wait for room for `size` bytes, no longer than the loop time `until`. Raises Overloaded."""
        return await self._enter(_Waiter(self._reserves[signal], size), until)

    async def wait_for_room(self, signal: str, until: float) -> None:
        """Wait until a newcomer would not have to wait, no longer than `until`. Raises Overloaded."""
        (await self._enter(_Waiter(self._reserves[signal], None), until)).release()

    async def _enter(self, waiter: _Waiter, until: float) -> Room:
        if waiter.fits_reserve:
            return self._let_in(waiter, waiter.reserve)
        if not self._queue and waiter.fits(self._shared):
            return self._let_in(waiter, self._shared)
        self._queue[waiter] = waiter.line[waiter] = None
        waiter.granted = asyncio.get_running_loop().create_future()
        return await granted(waiter.granted, until, lambda: self._give_up(waiter))

    def _let_in(self, waiter: _Waiter, part: _Part) -> Room:
        part.used += waiter.size
        return Room(self, part, waiter.size)

    def _give_up(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._leave(waiter)
            self._admit(self._shared)

    def _leave(self, waiter: _Waiter) -> None:
        del self._queue[waiter], waiter.line[waiter]

    def change(self, part: _Part, size: int) -> None:
        """Count `size` bytes more of a part, less if negative: only its rooms call this."""
        part.used += size
        if size < 0:
            self._admit(part)

    def _admit(self, part: _Part) -> None:
        """Let in whom there is room for, now that there is more of `part`."""
        if isinstance(part, _Reserve):
            for waiter in part.fitting():
                self._grant(waiter, part)
        while self._queue and (first := next(iter(self._queue))).fits(self._shared):
            self._grant(first, self._shared)

    def _grant(self, waiter: _Waiter, part: _Part) -> None:
        self._leave(waiter)
        if waiter.granted is not None and not waiter.granted.done():
            waiter.granted.set_result(self._let_in(waiter, part))


class Room:
    """The bytes of one request, counted until it is released."""

    def __init__(self, admission: Admission, part: _Part, size: int) -> None:
        self._admission, self._part, self._size = admission, part, size
        self._released = False

    @property
    def shared(self) -> bool:
        """Whether they are of the shared part."""
        return not isinstance(self._part, _Reserve)

    def resize(self, size: int) -> None:
        """Count `size` bytes instead: what is let in already may pass the limit, and then holds back the next."""
        if not self._released:
            change, self._size = size - self._size, size
            self._admission.change(self._part, change)

    def release(self) -> None:
        """Give them back. A second call does nothing."""
        self.resize(0)
        self._released = True


class _Part:
    """A part of the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class _Reserve(_Part):
    """The part of one signal, and those of it that wait, in the order of coming."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.requests: dict[_Waiter, None] = {}
        self.newcomers: dict[_Waiter, None] = {}
        """Apart, for there may be a thousand."""

    def fitting(self) -> Iterator[_Waiter]:
        """Those there is room for, one after the other; the caller lets each in."""
        yield from (waiter for waiter in tuple(self.requests) if waiter.fits_reserve)
        while self.newcomers and (first := next(iter(self.newcomers))).fits_reserve:
            yield first


class _Waiter:
    """Who wants to be let in: a request of `size` bytes, or a newcomer (None), of which nothing is counted yet."""

    def __init__(self, reserve: _Reserve, size: int | None) -> None:
        self.reserve = reserve
        self.line = reserve.newcomers if size is None else reserve.requests
        self.size = size or 0
        self.known = size is not None
        self.granted: asyncio.Future[Room] | None = None

    @property
    def fits_reserve(self) -> bool:
        size = self.size if self.known else self.reserve.limit // DOOR_DIVISOR
        return self.reserve.used + size <= self.reserve.limit

    def fits(self, shared: _Part) -> bool:
        if not self.known:
            return shared.used < shared.limit
        return shared.used + self.size <= shared.limit or shared.used == 0
