"""Answers of unary methods kept for a while, whole and as bytes; of several questions that are the same one is asked.

Behind `Answering`: errors are never kept, and each caller has its own deadline. A cached answer is as old as its life at most:
five seconds where the range reaches now, ten minutes where it is over; a record that comes late does not show before.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any

import grpc
from google.protobuf.message import Message

from llm_observatory import __version__, metrics
from llm_observatory.query.answering import PREFIX, Context
from llm_observatory.query.normal import normal, time_range, written
from llm_observatory.query.store import Store
from llm_observatory.serving.tenant import ASKING_TENANT

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OPEN_SECONDS, CLOSED_SECONDS = 5, 600
SETTLED_NANO = 120 * 10**9
"""How long ago a range must have ended to be over: clients send in batches, and later again what was refused."""
LARGEST_BYTES = 1024**2
"""Of an answer, before compression, which takes 3 ms of the event loop then; a larger one is not kept."""

_FORMAT = b"\x01"
_CHECK_BYTES = 8
_KEY_PREFIX = "llm-observatory:answer:"

Behaviour = Callable[[Any, Context], Awaitable[Any]]


class Caching(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """`place` tells databases apart that share a store."""

    def __init__(self, store: Store, place: str, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._place = place
        self._clock = clock
        self._flights: dict[str, _Flight] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler: Any = await continuation(details)  # the stubs know only behaviours of the thread-based server
        if handler is None or not details.method.startswith(PREFIX) or handler.response_streaming:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._cached(details.method, handler.unary_unary, handler.response_serializer),
            request_deserializer=handler.request_deserializer,
            response_serializer=None,
        )

    def _cached(self, method: str, behaviour: Behaviour, serialize: Callable[[Any], bytes]) -> Behaviour:
        name = method.rsplit("/", 1)[-1]

        async def answer(request: Any, context: Context) -> bytes:
            question = normal(request)
            key = self._key(method, question)
            packed = await self._store.get(key)
            kept = None if packed is None else unpack(key, packed)
            if kept is not None:
                metrics.QUERY_CACHE_HITS.labels(name).inc()
                return kept
            if packed is not None:
                metrics.QUERY_CACHE_ERRORS.labels("rubbish").inc()
            metrics.QUERY_CACHE_MISSES.labels(name).inc()

            async def ask() -> bytes:
                made = serialize(await behaviour(request, context))
                if len(made) <= LARGEST_BYTES:
                    self._store.put(key, pack(key, made), life(question, self._clock()))
                return made

            return await self._together(key, ask)

        return answer

    async def _together(self, key: str, ask: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer of the flight that is under way for `key`, or of a new one; it ends early when nobody waits any more."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(ask)
            flight.task.add_done_callback(lambda _: self._landed(key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._landed(key, flight)
                flight.task.cancel()

    def _landed(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _key(self, method: str, question: Message) -> str:
        parts = (__version__, self._place, ASKING_TENANT.get(), method)
        digest = blake2b("\0".join(parts).encode() + b"\0" + written(question), digest_size=20)
        return _KEY_PREFIX + digest.hexdigest()


class _Flight:
    """One question that is being asked, and how many wait for it."""

    def __init__(self, ask: Callable[[], Awaitable[bytes]]) -> None:
        self.waiting = 0
        self.task = asyncio.ensure_future(ask())
        # Where all have left nobody takes its error.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())


def life(question: Message, now: int) -> int:
    """How many seconds the answer is kept."""
    within = time_range(question)
    end = 0 if within is None else within.end_time_unix_nano
    return CLOSED_SECONDS if 0 < end <= now - SETTLED_NANO else OPEN_SECONDS


def pack(key: str, answer: bytes) -> bytes:
    """Format, check, the answer compressed. The check is of the key too: what lies under another's key is rubbish."""
    return _FORMAT + _check(key, answer) + zstd.compress(answer, 1)


def unpack(key: str, packed: bytes) -> bytes | None:
    """The answer; None for what this version has not packed under this key."""
    head = len(_FORMAT) + _CHECK_BYTES
    if not packed.startswith(_FORMAT) or len(packed) > 2 * LARGEST_BYTES:
        return None
    try:
        decompressor = zstd.ZstdDecompressor()
        # What inflates beyond what is ever kept is not made.
        answer = decompressor.decompress(packed[head:], max_length=LARGEST_BYTES + 1)
    except zstd.ZstdError:
        return None
    return answer if decompressor.eof and packed[len(_FORMAT) : head] == _check(key, answer) else None


def _check(key: str, answer: bytes) -> bytes:
    return blake2b(answer, key=key.encode()[-64:], digest_size=_CHECK_BYTES).digest()
