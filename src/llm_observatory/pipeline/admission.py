"""Admission by bytes: what was let in and is not yet committed never exceeds a limit by more than one request."""

from __future__ import annotations

import asyncio
from collections import deque

from llm_observatory import metrics
from llm_observatory.errors import Overloaded


class ByteMeter:
    """A first-come-first-served counter of bytes.

    A request larger than the whole limit is let in when nothing else is: it can be served, alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes let in and not given back."""
        return self._used

    @property
    def full(self) -> bool:
        """Whether a newcomer would have to wait."""
        return bool(self._waiting) or self._used >= self._limit

    async def acquire(self, size: int, until: float) -> None:
        """Wait for room for `size` bytes, no longer than the loop time `until`. Raises Overloaded."""
        if not self._waiting and self._fits(size):
            self._change(size)
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, granted))
        try:
            async with asyncio.timeout_at(until):
                await granted
        except TimeoutError:
            if not self._withdrawn(granted):
                raise Overloaded from None
        except asyncio.CancelledError:
            if self._withdrawn(granted):
                self.release(size)
            raise

    async def wait_for_room(self, until: float) -> None:
        """Wait until a newcomer would not have to wait, no longer than `until`. Raises Overloaded."""
        if self.full:
            await self.acquire(1, until)
            self.release(1)

    def grow(self, size: int) -> None:
        """Count `size` more bytes of something let in already; negative to give some back."""
        self._change(size)
        if size < 0:
            self._admit()

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        self.grow(-size)

    def _fits(self, size: int) -> bool:
        return self._used + size <= self._limit or self._used == 0

    def _change(self, size: int) -> None:
        self._used += size
        metrics.INFLIGHT_BYTES.set(self._used)

    def _withdrawn(self, granted: asyncio.Future[None]) -> bool:
        """Leave the queue. True when room had been given in the same moment: it is the caller's now."""
        if granted.done() and not granted.cancelled():
            return True
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not granted)
        self._admit()
        return False

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, granted = self._waiting.popleft()
            if not granted.done():
                self._change(size)
                granted.set_result(None)
