"""Whether Redis answers, when it is configured. It is optional: without it the service is degraded, never unhealthy."""

from __future__ import annotations

import time

import redis.asyncio
from pydantic import SecretStr
from redis.exceptions import RedisError

from llm_observatory.app.health import Part

TIMEOUT_SECONDS = 1.0


class RedisProbe:
    """One connection, one PING at a time."""

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, max_connections=1
        )

    @classmethod
    def of(cls, url: SecretStr, timeout: float) -> RedisProbe:
        """A probe of the Redis at `url`; it never waits longer than readiness may."""
        return cls(url.get_secret_value(), min(TIMEOUT_SECONDS, timeout))

    async def probe(self, part: Part) -> None:
        """PING and write down what came of it."""
        began = time.perf_counter()
        try:
            await self._client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            # Its messages name host and port, never the password.
            part.failed(f"redis does not answer: {error}" if str(error) else "redis does not answer")
        else:
            part.succeeded((time.perf_counter() - began) * 1000)

    async def close(self) -> None:
        """Give the connection back."""
        await self._client.aclose()
