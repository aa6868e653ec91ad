"""An ingest that does what a test tells it, and otherwise what every ingest does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from llm_observatory.errors import Overloaded, ShuttingDown
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import SIGNALS, Signal


class ScriptedIngest:
    """Gates are open until a test clears them: `door` (admit), `room` (admission of the bytes), `commit`.

    The first two hold up the signals in `held_up`, at first all.

    `failures` are raised by the next exports, in order, where a commit would be; `answer` is what the others return.
    """

    def __init__(self) -> None:
        self.door, self.room, self.commit = asyncio.Event(), asyncio.Event(), asyncio.Event()
        for gate in (self.door, self.room, self.commit):
            gate.set()
        self.held_up = set(SIGNALS)
        self.failures: deque[Exception] = deque()
        self.answer = ExportResult(b"", 1, 0)
        self.admit_error: Exception | None = None
        self.draining = False
        self.at_door = 0
        self.unadmitted = 0
        self.most_unadmitted = 0
        self.exports = 0
        self.tenants: set[str] = set()
        self.committed: list[bytes] = []
        self.exported: list[tuple[Signal, bytes]] = []
        self._flights: set[asyncio.Task[ExportResult]] = set()

    async def admit(self, signal: Signal, hold_until: float) -> None:
        self._refuse_when_draining()
        if self.admit_error is not None:
            raise self.admit_error
        self.at_door += 1
        try:
            if signal in self.held_up:
                await _pass(self.door, hold_until)
        finally:
            self.at_door -= 1

    async def export(
        self, signal: Signal, tenant: str, payload: bytes, hold_until: float, on_admitted: Callable[[], None]
    ) -> ExportResult:
        self._refuse_when_draining()
        self.tenants.add(tenant)
        flight = asyncio.create_task(self._fly(signal, payload, hold_until, on_admitted))
        self._flights.add(flight)
        flight.add_done_callback(self._landed)
        del payload, on_admitted
        return await asyncio.shield(flight)

    async def drain(self) -> None:
        """Take nothing new and wait for what is in flight."""
        self.draining = True
        if self._flights:
            await asyncio.wait(self._flights)

    async def _fly(self, signal: Signal, payload: bytes, hold_until: float, on_admitted: Callable[[], None]) -> ExportResult:
        self.exports += 1
        self.exported.append((signal, payload))
        self.unadmitted += 1
        self.most_unadmitted = max(self.most_unadmitted, self.unadmitted)
        try:
            if signal in self.held_up:
                await _pass(self.room, hold_until)
        finally:
            self.unadmitted -= 1
        on_admitted()
        await self.commit.wait()
        if self.failures:
            raise self.failures.popleft()
        self.committed.append(payload)
        return self.answer

    def _landed(self, flight: asyncio.Task[ExportResult]) -> None:
        self._flights.discard(flight)
        # Nobody may be there to hear of a failure: the caller was cancelled.
        if not flight.cancelled():
            flight.exception()

    def _refuse_when_draining(self) -> None:
        if self.draining:
            raise ShuttingDown


async def _pass(gate: asyncio.Event, hold_until: float) -> None:
    try:
        async with asyncio.timeout_at(hold_until):
            await gate.wait()
    except TimeoutError:
        raise Overloaded from None
