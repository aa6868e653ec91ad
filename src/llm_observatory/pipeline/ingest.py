"""The way of one request: digest, single flight, admission by bytes, encoding, its lane, its ack.

`export` returns only after COMMIT. What happens to a request does not depend on the caller: once started, a flight ends
in a commit or a failure even if every client that asked for it has left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import structlog

from llm_observatory import codec, metrics
from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import ObservatoryError, RequestTooLarge, ShuttingDown, StorageUnavailable
from llm_observatory.pipeline.admission import Admission
from llm_observatory.pipeline.flight import ExportResult, Flight, Landed
from llm_observatory.pipeline.lane import Lane
from llm_observatory.pipeline.left_behind import LeftBehind
from llm_observatory.pipeline.signal import Signal
from llm_observatory.pipeline.submission import Submission
from llm_observatory.storage.write import Stored, WriteRequest
from llm_observatory.tables.rules import REFUSED_BY_DATABASE

log = structlog.get_logger(__name__)

LANE_HOLD_MIN_SECONDS = 1.0
"""What an encoded request may wait for a committer at least, whatever is left of its hold."""

ANSWER_SECONDS = 0.5
WORK_BYTES_PER_SECOND = 4 * 1024 * 1024
"""A caller is answered this long after its hold, and as much later as its bytes take to encode and commit at this rate. The
flight goes on: the same bytes sent again join it, or find its digest in the ledger or, without times, among what was left
behind."""

CHARGED_PER_PAYLOAD_BYTE = 2.0
"""Room asked for at the door for one payload byte: the payload itself and its rows (measured 0.9-1.1 x on LLM spans)."""


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Limits of one process: records a request, what is accepted, the age (microseconds) from which data is late."""

    max_items_per_request: int
    terms: codec.Terms
    late_after_us: int


@dataclass(frozen=True, slots=True)
class _Request:
    """One request in flight."""

    signal: Signal
    tenant: str
    payload: bytes
    digest: bytes
    hold_until: float
    on_admitted: Callable[[], None]


class Ingest:
    """Everything between a receiver and the lanes. Each request in flight is a task of `tasks`."""

    def __init__(
        self,
        limits: IngestLimits,
        admission: Admission,
        lanes: Mapping[str, Lane],
        late_lane: Lane,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.limits = limits
        """May be replaced at any time; requests that are being encoded keep what they began with."""
        self._tasks = tasks
        self._lanes = lanes
        self._late_lane = late_lane
        self._admission = admission
        self._flights: dict[bytes, Flight] = {}
        """Those that a copy may join, by digest."""
        self._left_behind = LeftBehind()
        self._airborne: set[Flight] = set()
        self._encode_thread: Executor = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._draining = False

    async def admit(self, signal: Signal, hold_until: float) -> None:
        """Wait until there is room for a request of `signal`, before its body is read. Raises Overloaded or ShuttingDown."""
        self._refuse_when_draining()
        await self._admission.wait_for_room(signal.name, hold_until)

    async def export(
        self, signal: Signal, tenant: str, payload: bytes, hold_until: float, on_admitted: Callable[[], None]
    ) -> ExportResult:
        """Store one request; returns after COMMIT with the answer its sender gets.

        `on_admitted` is called once, when the payload's bytes are counted and the caller's own room for it is free.
        Cancelling the caller cancels nothing here. Raises IngestError and StorageError.
        """
        self._refuse_when_draining()
        digest = await self._digest(signal, tenant, payload)
        self._refuse_when_draining()
        until = hold_until + ANSWER_SECONDS + len(payload) / WORK_BYTES_PER_SECOND
        while (flight := self._flights.get(digest) or self._left_behind.get(digest)) is not None:
            del payload  # the flight has its own; a hundred copies that wait for it must not be kept
            on_admitted()
            try:
                landed = await _landing(flight, until)
            finally:
                del flight  # see _landing
            if self._left_behind.answered(digest) or landed.again is None:
                metrics.DUPLICATE_REQUESTS.labels(signal.name).inc()
                return replace(landed.result, accepted=0, rejected=0)
            self._refuse_when_draining()
            payload, on_admitted = landed.again, _admitted_before
        request = _Request(signal, tenant, payload, digest, hold_until, on_admitted)
        del payload
        landing = self._own_landing(self._take_off(request), digest, until)
        del request
        return (await landing).result

    async def drain(self, deadline: float) -> None:
        """Take nothing new, commit what is here; what is unresolved at the loop time `deadline` fails as ShuttingDown."""
        self._draining = True
        if self._airborne:
            await asyncio.wait(self._airborne, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        for lane in (*self._lanes.values(), self._late_lane):
            lane.close()
            lane.abandon()
        for flight in tuple(self._airborne):
            flight.cancel()

    def close(self) -> None:
        """End the encode thread, when no caller is left."""
        self._encode_thread.shutdown(wait=False, cancel_futures=True)

    def _refuse_when_draining(self) -> None:
        if self._draining:
            raise ShuttingDown

    def _take_off(self, request: _Request) -> Flight:
        flight = self._flights[request.digest] = self._tasks.create_task(self._flight(request))
        self._airborne.add(flight)
        flight.add_done_callback(self._airborne.discard)
        return flight

    async def _own_landing(self, flight: Flight, digest: bytes, until: float) -> Landed:
        """Wait for the flight of our own request; remember it if it has to go on without us."""
        try:
            return await _landing(flight, until)
        except (StorageUnavailable, asyncio.CancelledError):
            if not flight.done():
                self._left_behind.add(digest, flight)
            raise
        finally:
            del flight  # see _landing

    def _keep_apart(self, digest: bytes) -> None:
        """Let no copy join the running flight of `digest` from now on."""
        if self._flights.get(digest) is asyncio.current_task():
            del self._flights[digest]

    async def _flight(self, request: _Request) -> Landed | ObservatoryError:
        """`_fly`, with the failure as its result: the task group must not fall over one request."""
        try:
            return await self._fly(request)
        except ObservatoryError as error:
            return error.bare()
        except Exception:
            # Unknown is not the client's fault: it keeps its data and comes back.
            log.exception("request failed unexpectedly", signal=request.signal.name, digest=request.digest.hex())
            return StorageUnavailable()
        finally:
            self._keep_apart(request.digest)

    async def _digest(self, signal: Signal, tenant: str, payload: bytes) -> bytes:
        if len(payload) <= codec.inline_max_bytes():
            return codec.digest(signal.name, tenant, payload)
        return await asyncio.get_running_loop().run_in_executor(self._encode_thread, codec.digest, signal.name, tenant, payload)

    async def _fly(self, request: _Request) -> Landed:
        size = len(request.payload)
        room = await self._admission.acquire(request.signal.name, int(size * CHARGED_PER_PAYLOAD_BYTE), request.hold_until)
        request.on_admitted()
        try:
            began = asyncio.get_running_loop().time()
            received_at = time.time_ns() // 1000
            encoded = await self._encode(request, received_at)
            room.resize(size + encoded.size)
            if encoded.untimed:
                self._keep_apart(request.digest)
            stored = Stored(codec.answer(request.signal.name, encoded))
            if encoded.accepted:
                stored = await self._store(request, encoded, stored.answer, received_at, began)
            return Landed(_result(request.signal, encoded, stored), request.payload if encoded.untimed else None)
        finally:
            room.release()

    async def _store(self, request: _Request, encoded: EncodedRequest, answer: bytes, received_at: int, began: float) -> Stored:
        write = WriteRequest(request.tenant, request.signal.name, request.digest, answer, received_at, encoded)
        # The hold bounds waiting, not work: 60 MiB take the reference longer to encode than any hold is. And what was
        # let in at the last moment must not be thrown away when the work is done.
        now = asyncio.get_running_loop().time()
        hold_until = max(request.hold_until + now - began, now + LANE_HOLD_MIN_SECONDS)
        submission = Submission(write, request.payload, hold_until)
        late = encoded.min_time is not None and encoded.min_time < received_at - self.limits.late_after_us
        (self._late_lane if late else self._lanes[request.signal.name]).put(submission)
        try:
            return await submission.ack
        finally:
            del submission  # its error and this frame would hold each other, and with them the request

    async def _encode(self, request: _Request, now: int) -> EncodedRequest:
        limits, signal, payload = self.limits, request.signal.name, request.payload
        # What is small and all framing goes to the thread, too: 60 KiB of empty scopes take the reference half a second.
        if len(payload) <= codec.inline_max_bytes() and codec.is_light(signal, payload):
            _check_items(codec.count_items(signal, payload, limits.max_items_per_request), limits)
            return codec.encode(signal, request.tenant, payload, request.digest, now, limits.terms)
        run = partial(asyncio.get_running_loop().run_in_executor, self._encode_thread)
        _check_items(await run(codec.count_items, signal, payload, limits.max_items_per_request), limits)
        steps = codec.encode_stepwise(signal, request.tenant, payload, request.digest, now, limits.terms)
        # One step a turn: a large request shares the thread with the others.
        while (encoded := await run(_step, steps)) is None:
            pass
        return encoded


def _check_items(items: int, limits: IngestLimits) -> None:
    limit = limits.max_items_per_request
    if items > limit:
        message = f"the request holds more than {limit} records (MAX_ITEMS_PER_REQUEST)"
        raise RequestTooLarge(message)


def _result(signal: Signal, encoded: EncodedRequest, stored: Stored) -> ExportResult:
    """What came of it; what was rejected, repaired or odd is counted here, where it is known to be no duplicate's."""
    if stored.duplicate:
        metrics.DUPLICATE_REQUESTS.labels(signal.name).inc()
        return ExportResult(stored.answer, 0, 0)
    for rule, count in encoded.rejected_by_rule.items():
        metrics.REJECTED.labels(signal.name, rule).inc(count)
    for rule, count in encoded.repaired.items():
        metrics.REPAIRED.labels(signal.name, rule).inc(count)
    for rule, count in encoded.odd.items():
        metrics.ODD.labels(signal.name, rule).inc(count)
    if stored.refused:
        metrics.REJECTED.labels(signal.name, REFUSED_BY_DATABASE).inc(encoded.accepted)
        return ExportResult(stored.answer, 0, encoded.accepted + encoded.rejected_count)
    return ExportResult(stored.answer, encoded.accepted, encoded.rejected_count)


def _step(steps: Generator[None, None, EncodedRequest]) -> EncodedRequest | None:
    """Encode some more; the result when that was the end."""
    try:
        next(steps)
    except StopIteration as done:
        encoded: EncodedRequest = done.value
        return encoded
    return None


def _admitted_before() -> None:
    """For a copy that said so when it joined another's flight."""


async def _landing(flight: Flight, until: float) -> Landed:
    """Wait for a flight without owning it. Raises what it failed with, and StorageUnavailable when it takes too long."""
    await asyncio.wait((flight,), timeout=max(0.0, until - asyncio.get_running_loop().time()))
    if flight.cancelled():
        raise ShuttingDown
    if not flight.done():
        message = "not stored in time, try again"
        raise StorageUnavailable(message)
    result = flight.result()
    if isinstance(result, ObservatoryError):
        try:
            raise result.bare()  # that of a group is each of its callers'
        finally:
            del result, flight  # an error and the frame that raised it hold each other, and the frames above hold the call
    return result
