"""Whether Redis answers, when it is configured. It is optional: without it the service is degraded, never unhealthy."""

from __future__ import annotations

import time

import redis.asyncio
from redis.exceptions import RedisError

from llm_observatory.app.health import Part
from llm_observatory.settings import Settings

TIMEOUT_SECONDS = 1.0


class RedisProbe:
    """One connection, one PING at a time."""

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, max_connections=1
        )

    @classmethod
    def of(cls, settings: Settings) -> RedisProbe | None:
        """A probe if Redis is configured."""
        if settings.redis_url is None:
            return None
        return cls(settings.redis_url.get_secret_value(), min(TIMEOUT_SECONDS, settings.redis_timeout_secs))

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
