"""Ingest: one flight a digest, commits that outlive their callers, admission by bytes, the late lane, the drain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llm_observatory import codec, metrics
from llm_observatory.errors import InvalidPayload, Overloaded, RequestTooLarge, ShuttingDown, StorageUnavailable
from llm_observatory.pipeline.admission import Admission
from llm_observatory.pipeline.commit import Committer, RetryPolicy
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.ingest import Ingest, IngestLimits
from llm_observatory.pipeline.lane import Lane
from llm_observatory.pipeline.signal import TRACES
from llm_observatory.storage.write import Outcome, WriteRequest
from tests.plugins.load import llm_span, request_of, trace_request
from tests.plugins.memory_store import MemoryStore, write_request

DAY_US = 86_400_000_000
LIMITS = IngestLimits(
    max_items_per_request=1_000,
    terms=codec.Terms(30 * DAY_US, DAY_US, 1024),
    late_after_us=7 * DAY_US,
)
POLICY = RetryPolicy(3, 0.001, 0.002, 2.0)


class GatedStore(MemoryStore):
    """A MemoryStore that writes only while its gate is open, and tells when a write has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def write(self, group: Sequence[WriteRequest]) -> list[Outcome]:
        self.begun.set()
        await self.gate.wait()
        return await super().write(group)


@dataclass
class Running:
    ingest: Ingest
    store: GatedStore
    late_store: GatedStore

    async def export(self, payload: bytes, hold: float = 10.0) -> ExportResult:
        until = asyncio.get_running_loop().time() + hold
        return await self.ingest.export(TRACES, "default", payload, until, lambda: None)


@asynccontextmanager
async def running(limits: IngestLimits = LIMITS, inflight_bytes: int = 10_000_000) -> AsyncIterator[Running]:
    """Ingest with a lane and a late lane, a committer each."""
    lane, late_lane = Lane("trace", 1_000), Lane("late", 1_000)
    run = None
    async with asyncio.TaskGroup() as tasks:
        run = Running(
            Ingest(limits, Admission(inflight_bytes, ["traces"]), {"traces": lane}, late_lane, tasks),
            GatedStore(),
            GatedStore(),
        )
        for each, store in ((lane, run.store), (late_lane, run.late_store)):
            tasks.create_task(
                each.commit_loop(Committer(store, POLICY, lambda _: write_request(b"probe"), lambda _: None).commit)
            )
        yield run
        run.store.gate.set()
        run.late_store.gate.set()
        await run.ingest.drain(asyncio.get_running_loop().time() + 5)


async def soon(condition: Callable[[], bool]) -> None:
    """Let the others run until `condition` holds, two seconds at most."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110  # the state of several parties, no event of any
            await asyncio.sleep(0.001)


async def test_the_answer_comes_after_the_commit() -> None:
    async with running() as run:
        run.store.gate.clear()
        _, payload = trace_request(5)
        export = asyncio.create_task(run.export(payload))
        await run.store.begun.wait()
        assert not export.done()
        run.store.gate.set()
        assert await export == ExportResult(b"", 5, 0)


async def test_the_same_bytes_at_once_are_one_flight_and_later_a_duplicate() -> None:
    async with running() as run:
        _, payload = trace_request(5)
        run.store.gate.clear()
        exports = [asyncio.create_task(run.export(payload)) for _ in range(4)]
        await run.store.begun.wait()
        run.store.gate.set()
        results = await asyncio.gather(*exports)
        assert sorted(result.accepted for result in results) == [0, 0, 0, 5]
        assert len(run.store.groups) == 1
        assert await run.export(payload) == ExportResult(b"", 0, 0)


async def test_a_caller_that_leaves_changes_nothing() -> None:
    async with running() as run:
        _, payload = trace_request(5)
        run.store.gate.clear()
        export = asyncio.create_task(run.export(payload))
        await run.store.begun.wait()
        export.cancel()
        with pytest.raises(asyncio.CancelledError):
            await export
        run.store.gate.set()
        await soon(lambda: bool(run.store.committed))


async def test_one_callers_leaving_does_not_take_the_others_answer() -> None:
    async with running() as run:
        _, payload = trace_request(5)
        run.store.gate.clear()
        first, second = (asyncio.create_task(run.export(payload)) for _ in range(2))
        await run.store.begun.wait()
        first.cancel()
        run.store.gate.set()
        assert (await second).answer == b""


async def test_bad_records_are_rejected_by_themselves_and_a_request_of_only_bad_ones_needs_no_database() -> None:
    async with running() as run:
        good, bad = llm_span(b"\1" * 16, 1), llm_span(b"\1" * 16, 2)
        bad.span_id = b""
        result = await run.export(request_of(good, bad).SerializeToString())
        assert (result.accepted, result.rejected) == (1, 1)
        run.store.gate.clear()
        result = await run.export(request_of(bad).SerializeToString())
        assert (result.accepted, result.rejected) == (0, 1)
        assert ExportTraceServiceResponse.FromString(result.answer).partial_success.rejected_spans == 1


async def test_a_large_request_is_encoded_in_the_thread_to_the_same_rows() -> None:
    async with running() as run:
        _, payload = trace_request(400, extra=6_000)
        assert len(payload) > 4 * codec.inline_max_bytes()
        assert (await run.export(payload)).accepted == 400


async def test_the_codec_says_up_to_what_size_it_runs_on_the_loop(implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    digest = codec.digest

    def traced(signal: str, tenant: str, payload: bytes) -> bytes:
        threads.append(threading.current_thread().name)
        return digest(signal, tenant, payload)

    monkeypatch.setattr(codec, "digest", traced)
    async with running() as run:
        for extra in (0, codec.inline_max_bytes()):
            await run.export(trace_request(1, extra=extra)[1])
        assert codec.inline_max_bytes() == {"native": 512 * 1024, "reference": 24 * 1024}[implementation]
    assert [name.startswith("encode") for name in threads] == [False, True]


async def test_a_small_request_that_is_all_framing_leaves_the_loop_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    count = codec.count_items

    def traced(signal: str, payload: bytes, limit: int) -> int:
        threads.append(threading.current_thread().name)
        return count(signal, payload, limit)

    monkeypatch.setattr(codec, "count_items", traced)
    async with running(replace(LIMITS, max_items_per_request=100_000)) as run:
        empty_scopes = request_of()
        for _ in range(4_000):
            empty_scopes.resource_spans[0].scope_spans.add()
        assert empty_scopes.ByteSize() < codec.inline_max_bytes()
        await run.export(empty_scopes.SerializeToString())
        await run.export(trace_request(1)[1])
    assert [name.startswith("encode") for name in threads] == [True, False]


async def test_limits_are_named() -> None:
    async with running(replace(LIMITS, max_items_per_request=10)) as run:
        for extra in (0, 10_000):
            _, payload = trace_request(11, extra=extra)
            with pytest.raises(RequestTooLarge, match="MAX_ITEMS_PER_REQUEST"):
                await run.export(payload)


async def test_broken_bytes_are_invalid() -> None:
    async with running() as run:
        for size in (100, codec.inline_max_bytes() + 1):
            with pytest.raises(InvalidPayload):
                await run.export(b"\xff" * size)


async def test_what_finds_no_room_is_refused_and_room_comes_back() -> None:
    async with running(inflight_bytes=10_000) as run:
        run.store.gate.clear()
        large = asyncio.create_task(run.export(trace_request(30)[1]))
        await run.store.begun.wait()
        with pytest.raises(Overloaded):
            await run.export(trace_request(30)[1], hold=0.02)
        # Nobody knows yet how large a newcomer is: while the reserve of its signal is free it may come in.
        await run.ingest.admit(TRACES, asyncio.get_running_loop().time() + 0.02)
        until, admitted = asyncio.get_running_loop().time() + 10, asyncio.Event()
        small = asyncio.create_task(run.ingest.export(TRACES, "default", trace_request(1)[1], until, admitted.set))
        await admitted.wait()
        with pytest.raises(Overloaded):
            await run.ingest.admit(TRACES, asyncio.get_running_loop().time() + 0.02)
        run.store.gate.set()
        await large
        await small
        await run.ingest.admit(TRACES, asyncio.get_running_loop().time() + 0.02)
        assert (await run.export(trace_request(10)[1])).accepted == 10


async def test_on_admitted_is_called_once_by_every_way() -> None:
    async with running() as run:
        _, payload = trace_request(1)
        run.store.gate.clear()
        calls: list[int] = []
        until = asyncio.get_running_loop().time() + 10
        exports = [
            asyncio.create_task(run.ingest.export(TRACES, "default", payload, until, lambda n=n: calls.append(n)))  # type: ignore[misc]
            for n in range(3)
        ]
        await run.store.begun.wait()
        await soon(lambda: len(calls) == 3)
        run.store.gate.set()
        await asyncio.gather(*exports)
        assert sorted(calls) == [0, 1, 2]


async def test_a_stuck_late_lane_does_not_hold_up_today() -> None:
    async with running() as run:
        run.late_store.gate.clear()
        old = llm_span(b"\1" * 16, 1)
        old.start_time_unix_nano = time.time_ns() - 10 * DAY_US * 1_000
        late = asyncio.create_task(run.export(request_of(old).SerializeToString()))
        await run.late_store.begun.wait()
        assert (await run.export(trace_request(1)[1])).accepted == 1
        assert not late.done()
        run.late_store.gate.set()
        assert (await late).accepted == 1
        assert len(run.late_store.groups) == len(run.store.groups) == 1


async def test_drain_commits_what_is_there_and_takes_nothing_new() -> None:
    async with running() as run:
        run.store.gate.clear()
        inside = asyncio.create_task(run.export(trace_request(1)[1]))
        await run.store.begun.wait()
        draining = asyncio.create_task(run.ingest.drain(asyncio.get_running_loop().time() + 5))
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await run.export(trace_request(1)[1])
        run.store.gate.set()
        await draining
        assert (await inside).accepted == 1


async def test_what_the_drain_deadline_finds_unresolved_is_told_to_come_back() -> None:
    async with running() as run:
        run.store.gate.clear()
        inside = [asyncio.create_task(run.export(trace_request(1)[1])) for _ in range(3)]
        await run.store.begun.wait()
        await run.ingest.drain(asyncio.get_running_loop().time() + 0.02)
        for export in inside:
            with pytest.raises(ShuttingDown):
                await export
        run.store.gate.set()


async def test_an_unexpected_error_is_retryable_and_the_next_request_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as run:
        with monkeypatch.context() as patch:
            patch.setattr(codec, "answer", lambda *_: 1 // 0)
            with pytest.raises(StorageUnavailable):
                await run.export(trace_request(1)[1])
        assert (await run.export(trace_request(1)[1])).accepted == 1


async def test_what_is_odd_is_counted_and_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = codec.encode
    monkeypatch.setattr(codec, "encode", lambda *arguments: replace(encode(*arguments), odd={"end_before_start": 2}))
    counter = metrics.ODD.labels("traces", "end_before_start")
    before = counter._value.get()
    async with running() as run:
        payload = trace_request(3)[1]
        assert await run.export(payload) == ExportResult(b"", 3, 0)
        assert await run.export(payload) == ExportResult(b"", 0, 0)
    assert counter._value.get() - before == 2, "once: the second was a duplicate"
