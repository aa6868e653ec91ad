"""A client that is idle but for its keepalive, in a thread beside the tests."""

from __future__ import annotations

import asyncio
import threading

from tests.conformance.receiver import NAMES, Receiver
from tests.conformance.signals import TRACES, traces
from tests.plugins.wire import frame

PINGS, PING_SECONDS = 4, 10.5
"""The fourth ping is one too many for a server that allows one in five minutes and forgives two."""


class Pinger(threading.Thread):
    """Sends its pings, then one call."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__(daemon=True)
        self.answered = 0
        self.goaway = False
        self.status = "no call"
        self._receiver = receiver

    def run(self) -> None:
        """All of it."""
        asyncio.run(self._ping())

    async def _ping(self) -> None:
        async with self._receiver.frames() as client:
            for number in range(PINGS):
                await client.ping()
                await client.until(lambda: client.ping_acks == number + 1 or client.closed)  # noqa: B023 - awaited here
                self.answered = client.ping_acks
                if number < PINGS - 1:
                    await asyncio.sleep(PING_SECONDS)
            self.goaway = client.goaway is not None
            if not self.goaway:
                stream = await client.call(TRACES.method)
                await client.send(stream, frame(traces().SerializeToString()), end=True)
                self.status = NAMES[(await client.response(stream)).status or 0]
