"""The way in, the same for every transport: admission, a read slot, the body under a deadline, ingest, the answer.

A call is entered before its body is read, so that it can be refused while the body is still with the client: holding the
bodies of a hundred requests of 60 MiB takes 8.9 GB, this way a few hundred MiB. The slot is given back when the bytes of the
body are admitted. All transports of a process share one entrance: its slots, its waiting room, its end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llm_observatory import metrics
from llm_observatory.errors import ObservatoryError, Overloaded, ShuttingDown, UnderMaintenance
from llm_observatory.otlp.read_slots import Reader, ReadSlots, Slot
from llm_observatory.otlp.receive import RECEIVER, Ingest, receive
from llm_observatory.pipeline.signal import Signal

READ_DEADLINE_SECONDS = 5.0
DRAIN_READ_SECONDS = 1.0
"""What is left to bodies that are on their way when draining begins."""

HOLD_MAX_SECONDS = 4.0
HOLD_SHARE = 0.4
"""Hold a request at most so long before it is refused: a Collector gives up an attempt after 5 s, SDKs after 10 s in all,
and what is left must do for another try."""

MAX_WAITING_CALLS = 1000
"""Calls that wait for admission or a slot. Each costs up to one stream window of unread body and some 20 KiB of objects."""

RESERVED_WAITING_DIVISOR = 10
"""This part of them may wait of each signal however many of the others do."""


class SlowBody(Overloaded):
    """The body was not here in time. UNAVAILABLE: Python clients then reconnect, which a stuck connection needs."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call at the door: who sends what, how, and how its body is read.

    `remaining` is what is left of the client's deadline in seconds, None where it told none. `read` returns the body; it
    raises IngestError, and is cancelled when the body takes too long. `decode` makes protobuf of it when the
    slot is given back; it waits no longer than the loop time it is given.
    """

    signal: Signal
    tenant: str
    connection: str
    transport: str
    remaining: float | None
    read: Callable[[], Awaitable[bytes]]
    decode: Callable[[bytes, float], Awaitable[bytes]] | None = None


Maintenance = Callable[[], str | None]
"""For what maintenance records are refused now; None while they are taken in."""


def no_maintenance() -> str | None:
    """Records are taken in."""
    return None


class Entrance:
    """The entrance of one process. `maintenance` is asked for every call, before its body is read."""

    def __init__(
        self,
        ingest: Ingest,
        read_slots: int,
        *,
        read_deadline: float = READ_DEADLINE_SECONDS,
        maintenance: Maintenance = no_maintenance,
    ) -> None:
        self._ingest = ingest
        self._maintenance = maintenance
        self._slots = ReadSlots(read_slots)
        self._read_deadline = read_deadline
        self._draining = False
        self._waiting: Counter[Signal] = Counter()
        self._unanswered = _Gauge()
        self._in_flight = _Gauge()

    @property
    def draining(self) -> bool:
        """Whether everything new is refused."""
        return self._draining

    @property
    def in_flight(self) -> int:
        """Export calls whose status is not with the client yet."""
        return self._in_flight.value

    @property
    def unanswered(self) -> int:
        """Of them, those for which there is no answer yet. The others wait for their client to take it."""
        return self._unanswered.value

    @property
    def waiting(self) -> int:
        """Of these, those that wait for admission or a slot: their bodies are not read."""
        return self._waiting.total()

    @property
    def reading(self) -> int:
        """Read slots in use: bodies being read, or read and not admitted."""
        return self._slots.held

    def start_draining(self) -> None:
        """From now on every new call and every call without a slot is refused; bodies on their way get one more second."""
        if not self._draining:
            self._draining = True
            self._slots.refuse_waiting(ShuttingDown)
            self._slots.end_reading(asyncio.get_running_loop().time() + DRAIN_READ_SECONDS)

    async def bodies_are_in(self) -> None:
        """Return when no body is on its way any more: ingest has each, or it was refused."""
        await self._slots.idle.wait()

    async def answered(self) -> None:
        """Return when there is an answer to every export call."""
        await self._unanswered.zero.wait()

    async def drained(self) -> None:
        """Return when no export call is left: their statuses are with the clients."""
        await self._in_flight.zero.wait()

    def came(self) -> None:
        """A call has come; `gone` is called when its status is with the client, or the client is not there any more."""
        self._in_flight.add(1)

    def gone(self) -> None:
        """See `came`."""
        self._in_flight.add(-1)

    async def export(self, arrival: Arrival) -> bytes:
        """The bytes of the Export*ServiceResponse, after COMMIT. Raises IngestError, StorageError and what `read` raises."""
        self._unanswered.add(1)
        outcome = "refused"
        try:
            answer = await self._export(arrival)
            outcome = "success"
        except ObservatoryError:
            raise
        except Exception:
            outcome = "failure"
            raise
        else:
            return answer
        finally:
            self._unanswered.add(-1)
            metrics.RECEIVER_REQUESTS.inc(1, RECEIVER, arrival.transport, outcome)

    async def _export(self, arrival: Arrival) -> bytes:
        hold_until = _hold_until(arrival.remaining)
        slot = await self._enter(arrival, hold_until)
        began = asyncio.get_running_loop().time()
        try:
            body = await self._read(arrival, slot)
        except BaseException:
            slot.release()
            raise
        if arrival.decode is not None:
            # It bounds by itself what it keeps; it may take long, and others want the slot.
            slot.release()
            body = await arrival.decode(body, hold_until + asyncio.get_running_loop().time() - began)
        # The hold bounds waiting; the time a large body takes to come and to be decoded is not.
        hold_until += asyncio.get_running_loop().time() - began
        received = receive(
            self._ingest,
            arrival.signal,
            arrival.tenant,
            body,
            transport=arrival.transport,
            hold_until=hold_until,
            on_admitted=slot.release,
        )
        del body
        try:
            answer = await received
        except asyncio.CancelledError:
            # The client left. Ingest goes on without it and may hold the body, not admitted, for as long as it may wait.
            asyncio.get_running_loop().call_at(hold_until, slot.release)
            raise
        except BaseException:
            slot.release()
            raise
        slot.release()
        return answer

    async def _enter(self, arrival: Arrival, hold_until: float) -> Slot:
        """Wait for permission to read the body."""
        signal = arrival.signal
        self._demand_open()
        if self.waiting >= MAX_WAITING_CALLS and self._waiting[signal] >= MAX_WAITING_CALLS // RESERVED_WAITING_DIVISOR:
            raise Overloaded
        self._waiting[signal] += 1
        try:
            await self._ingest.admit(signal, hold_until)
            self._demand_open()
            slot = await self._slots.acquire(Reader(arrival.connection, signal.name), hold_until)
            try:
                # The room may be gone since: a body is not read to be refused. Of a hundred requests of 60 MiB that came
                # at once one in two minutes was stored without this, each behind dozens that were read in vain.
                await self._ingest.admit(signal, hold_until)
                self._demand_open()
            except BaseException:
                slot.release()
                raise
            return slot
        finally:
            self._waiting[signal] -= 1

    def _demand_open(self) -> None:
        """Raise ShuttingDown or UnderMaintenance unless calls are let in. Bodies on their way are taken as any."""
        if self._draining:
            raise ShuttingDown
        reason = self._maintenance()
        if reason is not None:
            raise UnderMaintenance(reason)

    async def _read(self, arrival: Arrival, slot: Slot) -> bytes:
        try:
            async with slot.reading(self._read_deadline):
                return await arrival.read()
        except TimeoutError:
            raise SlowBody("the request body did not arrive in time") from None


class _Gauge:
    """A number of calls, and an event for when there are none."""

    def __init__(self) -> None:
        self.value = 0
        self.zero = asyncio.Event()
        self.zero.set()

    def add(self, calls: int) -> None:
        self.value += calls
        if self.value:
            self.zero.clear()
        else:
            self.zero.set()


def _hold_until(remaining: float | None) -> float:
    """The loop time until which the call may be held."""
    hold = HOLD_MAX_SECONDS if remaining is None else min(HOLD_MAX_SECONDS, HOLD_SHARE * remaining)
    return asyncio.get_running_loop().time() + hold
