"""JSON of a request as protobuf, beside the event loop, one large body at a time.

A body that waits for its turn, or is being read, holds no read slot: JSON can be made to take seconds, which must stop nobody
else.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from llm_observatory.errors import Overloaded, RequestTooLarge
from llm_observatory.otlp import json

INLINE_MAX_BYTES = 8 * 1024
"""Up to this size it is read on the event loop, larger in a thread of its own: it takes about 25 ns a byte, hostile 700."""

PEAK_PER_BYTE = 14
"""What reading a large body takes at its peak beside it, by byte of it, if it is made for that: 13 where it is numbers of one
digit, of which each becomes eight bytes; 9 where one emoji makes four bytes of every character; spans take 2."""

PEAK_PER_DENSE_BYTE, DENSE_BYTES = 28, 10 * 1024 * 1024
"""The same in one record of empty attributes, which is made whole up to about this size (`json/reading.py`)."""


BUDGET_SECONDS, BUDGET_SECONDS_PER_MIB = 1.0, 0.1
"""CPU time that one body may take to be read: spans take 0.03 s a MiB, and others wait. What is denser is made to be slow."""


def peak_bytes(limit: int) -> int:
    """What reading one body of at most `limit` bytes takes beside it, and those that wait."""
    return max(PEAK_PER_BYTE * limit, PEAK_PER_DENSE_BYTE * min(limit, DENSE_BYTES)) + limit


class JsonReader:
    """The thread and its turn. `limit` is that of a request in bytes, and of all that wait; `max_items` that of its records."""

    def __init__(self, limit: int, max_items: int) -> None:
        self._limit = limit
        self._max_items = max_items
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="json")
        self._turn = asyncio.Semaphore()
        self._waiting_bytes = 0
        self._closed = False

    async def to_protobuf(self, signal: str, body: bytes, hold_until: float) -> bytes:
        """The request as protobuf. Raises InvalidPayload, RequestTooLarge, and Overloaded where its turn does not come."""
        if len(body) <= INLINE_MAX_BYTES:
            return self._within(json.to_protobuf(signal, body, self._max_items))
        await self._wait_for_turn(len(body), hold_until)
        loop = asyncio.get_running_loop()
        work = self._thread.submit(self._read, signal, body)

        def done(_work: Future[bytes]) -> None:
            # A body that waits for the thread when its client has gone would be kept until the one before it is read.
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._turn.release)

        work.add_done_callback(done)
        return self._within(await asyncio.wrap_future(work))

    def close(self) -> None:
        """End the thread, when no request is left; what it still reads is given up."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _wait_for_turn(self, size: int, hold_until: float) -> None:
        # Its slot is free for others: bodies that wait here are bounded by their bytes.
        if self._waiting_bytes and self._waiting_bytes + size > self._limit:
            raise Overloaded
        self._waiting_bytes += size
        try:
            async with asyncio.timeout_at(hold_until):
                await self._turn.acquire()
        except TimeoutError:
            raise Overloaded from None
        finally:
            self._waiting_bytes -= size

    def _read(self, signal: str, body: bytes) -> bytes:
        latest = time.thread_time() + BUDGET_SECONDS + BUDGET_SECONDS_PER_MIB * len(body) / 2**20
        return json.to_protobuf(signal, body, self._max_items, lambda: self._closed or time.thread_time() > latest)

    def _within(self, payload: bytes) -> bytes:
        # A number of one digit becomes eight bytes.
        if len(payload) > self._limit:
            raise RequestTooLarge(f"the body, as protobuf, is larger than {self._limit} bytes (OTLP_MAX_REQUEST_BYTES)")
        return payload
