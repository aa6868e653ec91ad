"""JSON of a request as protobuf, beside the event loop, within bounds of memory.

Reading JSON takes 8 times its size for spans, but 75 times for `0,0,0` (`json/request.py`). So what makes values is counted
first, and one large body at a time is read: also one that nobody waits for any more goes on to its end.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from llm_observatory.errors import RequestTooLarge
from llm_observatory.otlp import json

INLINE_MAX_BYTES = 8 * 1024
"""Up to this size it is read on the event loop, larger in a thread of its own: it takes about 25 ns a byte, hostile 700."""

BYTES_PER_MARK = 10
"""As many commas and opening brackets are allowed as if each had so many bytes of the largest request. Spans have 16; only a
request that is almost as large as it may be can have too many. Each takes up to 273 bytes (attributes of a key alone)."""

PEAK_PER_BYTE = 28
"""What reading the largest request takes then at its peak, by byte of it."""


class JsonReader:
    """The thread and its turn. `limit` is that of a request, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="json")
        self._turn = asyncio.Semaphore()

    async def to_protobuf(self, signal: str, body: bytes) -> bytes:
        """The request as protobuf. Raises InvalidPayload and RequestTooLarge."""
        if len(body) <= INLINE_MAX_BYTES:
            return self._within(json.to_protobuf(signal, body))
        marks = body.count(b",") + body.count(b"[") + body.count(b"{")
        if marks > self._limit // BYTES_PER_MARK:
            raise self._too_large(f"of {marks} values and more in JSON")
        await self._turn.acquire()
        loop = asyncio.get_running_loop()
        work = self._thread.submit(json.to_protobuf, signal, body)

        def done(_work: Future[bytes]) -> None:
            # A body that waits for the thread when its client has gone would be kept until the one before it is read.
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._turn.release)

        work.add_done_callback(done)
        return self._within(await asyncio.wrap_future(work))

    def close(self) -> None:
        """End the thread, when no request is left."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _within(self, payload: bytes) -> bytes:
        # A number of one digit becomes eight bytes.
        if len(payload) > self._limit:
            raise self._too_large("as protobuf")
        return payload

    def _too_large(self, what: str) -> RequestTooLarge:
        return RequestTooLarge(f"the request {what} is beyond what {self._limit} bytes may hold (OTLP_MAX_REQUEST_BYTES)")
