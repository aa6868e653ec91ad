"""Where answers are kept: a Redis that is never waited for long, and whose loss costs nothing but speed."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from llm_observatory import metrics

log = structlog.get_logger(__name__)

GET_SECONDS = 0.05
"""How long a question waits for Redis before it goes to the database: what most questions take there."""
FAILURES_IN_A_ROW, LEFT_ALONE_SECONDS = 3, 5.0
"""After so many a Redis that is away or slow is left alone for so long."""
MAX_WRITES = 64
"""Answers on their way to Redis at a time; what comes beyond is not kept."""


class Store(Protocol):
    """Bytes by key, for a time. Never raises, never waits long."""

    async def get(self, key: str) -> bytes | None:
        """What is kept under `key`; None for nothing, and for whatever goes wrong."""
        ...

    def put(self, key: str, value: bytes, seconds: int) -> None:
        """Keep `value` for so long, in the background; perhaps not."""
        ...


class RedisStore:
    """Keeps in Redis. `timeout` is REDIS_TIMEOUT_SECS, `connections` REDIS_POOL_SIZE; `patience` is for a GET, in seconds."""

    def __init__(self, url: str, *, connections: int, timeout: float, patience: float = GET_SECONDS) -> None:
        self._client = redis.asyncio.Redis.from_pool(
            redis.asyncio.BlockingConnectionPool.from_url(
                url, max_connections=connections, timeout=timeout, socket_timeout=timeout, socket_connect_timeout=timeout
            )
        )
        self._get_seconds = min(patience, timeout)
        self._put_seconds = timeout
        self._failures = 0
        self._closed_until = 0.0
        self._writes: set[asyncio.Task[None]] = set()

    @property
    def left_alone(self) -> bool:
        """Whether it is not asked now, because it failed."""
        return time.monotonic() < self._closed_until

    async def get(self, key: str) -> bytes | None:
        """See Store."""
        if self.left_alone:
            return None
        try:
            async with asyncio.timeout(self._get_seconds):
                found = await self._client.get(key)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)
            return None
        self._failures = 0
        # Its stubs know of clients that decode.
        return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, seconds: int) -> None:
        """See Store."""
        if self.left_alone or len(self._writes) >= MAX_WRITES:
            return
        writing = asyncio.create_task(self._put(key, value, seconds), name="query-cache-put")
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Give up what is on its way, and all connections."""
        for writing in self._writes:
            writing.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _put(self, key: str, value: bytes, seconds: int) -> None:
        try:
            async with asyncio.timeout(self._put_seconds):
                await self._client.set(key, value, ex=seconds)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        metrics.QUERY_CACHE_ERRORS.labels("slow" if isinstance(error, TimeoutError) else "failed").inc()
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW and not self.left_alone:
            self._closed_until = time.monotonic() + LEFT_ALONE_SECONDS
            log.warning("redis is left alone: queries go to the database", seconds=LEFT_ALONE_SECONDS, reason=repr(error))
