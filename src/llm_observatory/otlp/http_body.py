"""The body of an HTTP request: taken whole and inflated within the limit, or thrown away within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from llm_observatory.errors import InvalidPayload, RequestTooLarge
from llm_observatory.otlp.inflate import Inflater

STEPS_A_TURN = 8
"""Steps of inflating, 128 KiB at most each, between which others may run."""

DISCARD_SECONDS = 5.0
"""How long the rest of a body that nobody wants is taken, so that its sender comes to read the answer."""

DISCARD_IDLE_SECONDS = 0.5
"""A sender that pauses for so long is stuck, and hears why at once."""

DISCARD_LIMITS = 2
"""And no more of it than so many times the limit of a request."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class UnreadableBody(InvalidPayload):
    """The client left in the middle, or sent what is no HTTP. Nobody hears of it."""


class Body:
    """The body of one request. `declared` is its Content-Length, None where it comes in chunks.

    `announced` is true where the client waits for `100 Continue` (RFC 9110, 10.1.1): it is told to go on when the body is
    first asked for.
    """

    def __init__(self, receive: Receive, declared: int | None, limit: int, *, announced: bool) -> None:
        self._receive = receive
        self._declared = declared
        self._limit = limit
        self._announced = announced
        self._over = declared == 0
        self.received = 0
        """Bytes so far, as they came."""

    async def read(self, inflater: Inflater | None) -> bytes:
        """All of it, inflated. Raises RequestTooLarge, InvalidPayload and UnreadableBody."""
        if self._declared is not None and self._declared > self._limit:
            raise self._too_large("the body")
        parts: list[bytes] = []
        size = steps = 0
        while not self._over:
            chunk = await self._take()
            if self.received > self._limit:
                raise self._too_large("the body")
            for part in (chunk,) if inflater is None else inflater.feed(chunk):
                size += len(part)
                if size > self._limit:
                    raise self._too_large("the body, decompressed,")
                parts.append(part)
                steps += 1
                if steps % STEPS_A_TURN == 0:
                    await asyncio.sleep(0)
        if inflater is not None:
            inflater.end()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def discard(self) -> bool:
        """Take the rest and throw it away, within bounds. Returns whether another request can come behind it.

        A client that sends all before it reads anything would see a reset connection instead of its answer.
        """
        if not self._announced:
            with suppress(TimeoutError, UnreadableBody):
                async with asyncio.timeout(DISCARD_SECONDS):
                    while not self._over and self.received <= DISCARD_LIMITS * self._limit:
                        async with asyncio.timeout(DISCARD_IDLE_SECONDS):
                            await self._take()
        return self._over

    async def _take(self) -> bytes:
        """Some more of it."""
        self._announced = False
        message = await self._receive()
        if message["type"] != "http.request":
            raise UnreadableBody("the request body ended before it was whole")
        self._over = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self.received += len(chunk)
        return chunk

    def _too_large(self, what: str) -> RequestTooLarge:
        return RequestTooLarge(f"{what} is larger than {self._limit} bytes (OTLP_MAX_REQUEST_BYTES)")
