"""The Export method of one or more OTLP services over gRPC.

A call is entered before its body is read, so that it can be refused while the body is still with the client: a unary
handler is entered only when grpcio holds the whole message (100 requests of 60 MiB: 8.9 GB, this way a few hundred MiB).
The way of a call: tenant, admission, a read slot, `read()` under a deadline, ingest; the slot is given back when the
bytes of the body are admitted. Every refusal is a status of `status.py`; a body that did not come whole is never empty.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, cast

import grpc

from llm_observatory.errors import InvalidPayload, Overloaded, ShuttingDown
from llm_observatory.otlp.read_slots import Reader, ReadSlots, Slot
from llm_observatory.otlp.receive import Ingest, receive
from llm_observatory.otlp.status import ServicerContext, UnexpectedErrors, refuse
from llm_observatory.pipeline.signal import Signal

TRANSPORT = "grpc"
METHOD = "Export"

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

DEFAULT_TENANT = "default"

Authenticate = Callable[[ServicerContext], str]


class SlowBody(Overloaded):
    """The body was not here in time. UNAVAILABLE: Python clients then reconnect, which a stuck connection needs."""


class UnreadableBody(InvalidPayload):
    """No whole message came, and grpcio lets nobody here know why.

    The stream ended or the client left, or grpcio refused the body (too large, bad gzip) and told the client itself.
    """


def single_tenant(_context: ServicerContext) -> str:
    """Everybody is the tenant `default`."""
    return DEFAULT_TENANT


class GrpcReceiver:
    """The receiver of one process. All its services share the read slots."""

    def __init__(
        self,
        ingest: Ingest,
        signals: Iterable[Signal],
        read_slots: int,
        *,
        authenticate: Authenticate = single_tenant,
        read_deadline: float = READ_DEADLINE_SECONDS,
    ) -> None:
        self.signals = tuple(signals)
        self._ingest = ingest
        self._slots = ReadSlots(read_slots)
        self._authenticate = authenticate
        self._read_deadline = read_deadline
        self._draining = False
        self._unexpected = UnexpectedErrors()
        self._waiting: Counter[Signal] = Counter()
        self._unanswered = _Gauge()
        self._in_flight = _Gauge()

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

    def handlers(self) -> tuple[grpc.GenericRpcHandler[Any, Any], ...]:
        """What `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        return tuple(
            grpc.method_handlers_generic_handler(
                signal.grpc_service,
                # stream_unary is unary on the wire; without (de)serializers the messages are bytes.
                {METHOD: grpc.stream_unary_rpc_method_handler(cast("Any", self._behaviour(signal)))},
            )
            for signal in self.signals
        )

    def start_draining(self) -> None:
        """From now on every new call and every call without a slot is refused; bodies on their way get one more second."""
        self._draining = True
        self._slots.refuse_waiting(ShuttingDown)
        self._slots.end_reading(asyncio.get_running_loop().time() + DRAIN_READ_SECONDS)

    async def answered(self) -> None:
        """Return when there is an answer to every export call."""
        await self._unanswered.zero.wait()

    async def drained(self) -> None:
        """Return when no export call is left: their statuses are with the clients."""
        await self._in_flight.zero.wait()

    def _behaviour(self, signal: Signal) -> Callable[[object, ServicerContext], Any]:
        async def export(_messages: object, context: ServicerContext) -> bytes:
            self._in_flight.add(1)
            # After grpcio has sent the status: stopping the server when handlers are done would cut their answers off.
            context.add_done_callback(cast("Any", self._end))  # the stubs ask for a class, not a callable
            try:
                return await self._answer(signal, context)
            except Exception as error:  # noqa: BLE001 - nothing may reach the client as UNKNOWN
                return await refuse(context, signal, error, self._unexpected)

        return export

    def _end(self, _context: ServicerContext) -> None:
        self._in_flight.add(-1)

    async def _answer(self, signal: Signal, context: ServicerContext) -> bytes:
        self._unanswered.add(1)
        try:
            return await self._export(signal, context)
        finally:
            self._unanswered.add(-1)

    async def _export(self, signal: Signal, context: ServicerContext) -> bytes:
        tenant = self._authenticate(context)
        hold_until = _hold_until(context)
        slot = await self._enter(signal, context, hold_until)
        began = asyncio.get_running_loop().time()
        try:
            body = await self._read(context, slot)
        except BaseException:
            slot.release()
            raise
        # The hold bounds waiting; the time a large body takes to come is not.
        hold_until += asyncio.get_running_loop().time() - began
        received = receive(
            self._ingest, signal, tenant, body, transport=TRANSPORT, hold_until=hold_until, on_admitted=slot.release
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

    async def _enter(self, signal: Signal, context: ServicerContext, hold_until: float) -> Slot:
        """Wait for permission to read the body."""
        if self._draining:
            raise ShuttingDown
        if self.waiting >= MAX_WAITING_CALLS and self._waiting[signal] >= MAX_WAITING_CALLS // RESERVED_WAITING_DIVISOR:
            raise Overloaded
        self._waiting[signal] += 1
        try:
            await self._ingest.admit(signal, hold_until)
            if self._draining:
                raise ShuttingDown
            slot = await self._slots.acquire(Reader(context.peer(), signal.name), hold_until)
            try:
                # The room may be gone since: a body is not read to be refused. Of a hundred requests of 60 MiB that came
                # at once one in two minutes was stored without this, each behind dozens that were read in vain.
                await self._ingest.admit(signal, hold_until)
            except BaseException:
                slot.release()
                raise
            return slot
        finally:
            self._waiting[signal] -= 1

    async def _read(self, context: ServicerContext, slot: Slot) -> bytes:
        """The one message of the call. An empty message is b"", the end of the stream is an error."""
        try:
            async with slot.reading(self._read_deadline):
                message: object = await context.read()
        except TimeoutError:
            raise SlowBody("the request body did not arrive in time") from None
        if not isinstance(message, bytes):
            raise UnreadableBody("the request body ended before one whole message")
        return message


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


def _hold_until(context: ServicerContext) -> float:
    """The loop time until which the call may be held. A client without a deadline gives None, which the stubs deny."""
    remaining: float | None = context.time_remaining()
    hold = HOLD_MAX_SECONDS if remaining is None else min(HOLD_MAX_SECONDS, HOLD_SHARE * remaining)
    return asyncio.get_running_loop().time() + hold
