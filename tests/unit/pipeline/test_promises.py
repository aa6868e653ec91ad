"""Where the work of a request is done, what of it is counted, and what stopping and halving do in awkward moments."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace

import pytest

from llm_observatory import codec
from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import DataRejected, RequestTooLarge, ShuttingDown, StorageUnavailable
from llm_observatory.pipeline.admission import Admission
from llm_observatory.pipeline.commit import Committer
from llm_observatory.pipeline.ingest import Ingest
from llm_observatory.pipeline.lane import Lane
from llm_observatory.pipeline.signal import TRACES
from llm_observatory.storage.write import Outcome, Stored, WriteRequest
from tests.plugins.load import trace_request
from tests.plugins.memory_store import MemoryStore
from tests.unit.pipeline.test_commit import committer, outcomes, submissions
from tests.unit.pipeline.test_ingest import LIMITS, POLICY, running, soon

LARGE = 3 * codec.Native.INLINE_MAX_BYTES


def large_request() -> bytes:
    """A payload of a few encoding steps."""
    payload = trace_request(40, extra=LARGE // 30)[1]
    assert len(payload) > LARGE
    return payload


class Traced:
    """The codec's doorway, noting in which thread each part of it ran, and for which payload."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[str] = []
        self.payloads: list[int] = []
        digest, count, encode, stepwise = codec.digest, codec.count_items, codec.encode, codec.encode_stepwise

        def traced_digest(signal: str, tenant: str, payload: bytes) -> bytes:
            self.note(payload)
            return digest(signal, tenant, payload)

        def traced_count(signal: str, payload: bytes, limit: int) -> int:
            self.note(payload)
            return count(signal, payload, limit)

        def traced_encode(
            signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: codec.Terms
        ) -> EncodedRequest:
            self.note(payload)
            return encode(signal, tenant, payload, digest, now, terms)

        def traced_steps(
            signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: codec.Terms
        ) -> Generator[None, None, EncodedRequest]:
            steps = stepwise(signal, tenant, payload, digest, now, terms)
            while True:
                self.note(payload)
                try:
                    next(steps)
                except StopIteration as done:
                    encoded: EncodedRequest = done.value
                    return encoded
                yield

        monkeypatch.setattr(codec, "digest", traced_digest)
        monkeypatch.setattr(codec, "count_items", traced_count)
        monkeypatch.setattr(codec, "encode", traced_encode)
        monkeypatch.setattr(codec, "encode_stepwise", traced_steps)

    def note(self, payload: bytes) -> None:
        self.threads.append(threading.current_thread().name)
        self.payloads.append(id(payload))


async def test_a_small_request_is_worked_on_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as run:
        traced = Traced(monkeypatch)
        await run.export(trace_request(1)[1])
    assert set(traced.threads) == {threading.current_thread().name}


@pytest.mark.reference_codec  # a step of the native one is a whole request: 60 MiB take it a fraction of a second
async def test_large_requests_share_one_thread_in_turns(monkeypatch: pytest.MonkeyPatch, implementation: str) -> None:
    payloads = [large_request() for _ in range(2)]
    async with running(inflight_bytes=100_000_000) as run:
        traced = Traced(monkeypatch)
        await asyncio.gather(*map(run.export, payloads))
    assert len(set(traced.threads)) == 1
    assert threading.current_thread().name not in traced.threads
    first, second = map(id, payloads)
    steps = traced.payloads
    begins = max(steps.index(first), steps.index(second))
    turns = sum(one != other for one, other in itertools.pairwise(steps[begins:]))
    assert turns > 2, "one waited for the other's last step"


@pytest.mark.parametrize("extra", [0, 10_000], ids=["inline", "thread"])
async def test_records_are_counted_before_any_is_parsed(monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    async with running(replace(LIMITS, max_items_per_request=10)) as run:
        traced = Traced(monkeypatch)
        with pytest.raises(RequestTooLarge):
            await run.export(trace_request(11, extra=extra)[1])
    assert len(traced.threads) == 2, "digest and count; no step of encoding"


@pytest.mark.parametrize("fails", [False, True], ids=["committed", "refused"])
async def test_payload_and_rows_are_counted_until_the_commit_and_then_given_back(fails: bool) -> None:
    admission, store = Admission(10_000_000, ["traces"]), MemoryStore()
    lane, late_lane = Lane("trace", 1_000), Lane("late", 1_000)
    payload = trace_request(5)[1]
    seen: list[int] = []

    def look(group: Sequence[WriteRequest]) -> None:
        seen.append(admission.used - len(payload) - group[0].encoded.size)
        if fails:
            raise ZeroDivisionError

    store.on_write = look
    async with asyncio.TaskGroup() as tasks:
        ingest = Ingest(LIMITS, admission, {"traces": lane}, late_lane, tasks)
        commit = Committer(store, POLICY, lambda _: pytest.fail("nothing is judged here"), lambda _: None).commit
        tasks.create_task(lane.commit_loop(commit))
        until = asyncio.get_running_loop().time() + 5
        export = ingest.export(TRACES, "default", payload, until, lambda: None)
        if fails:
            with pytest.raises(StorageUnavailable):
                await export
        else:
            assert (await export).accepted == 5
        assert seen == [0]
        assert admission.used == 0
        await ingest.drain(until)


class StrictStore(MemoryStore):
    """As the real session: a group has at least one request."""

    async def write(self, group: Sequence[WriteRequest]) -> list[Outcome]:
        assert group, "asked to write nothing"
        return await super().write(group)


async def test_the_guilty_is_found_among_those_that_are_left() -> None:
    store = StrictStore()
    store.poison = {b"guilty"}
    store.failures = [StorageUnavailable("gone")]
    group = [*submissions(b"left", hold=0.0), *submissions(b"good", b"guilty")]
    await committer(store).commit(group)
    left, good, guilty = await outcomes(group)
    assert isinstance(left, StorageUnavailable)
    assert good == Stored(b"")
    assert isinstance(guilty, Stored)
    assert guilty.refused


async def test_a_request_that_turns_out_guilty_after_it_was_busy_is_buried_alone() -> None:
    store = StrictStore()
    store.busy = {b"guilty"}

    def other_process_gives_up(_: object) -> None:
        if len(store.groups) == 2:
            store.busy.clear()
            store.poison = {b"guilty"}

    store.on_write = other_process_gives_up
    group = submissions(b"good", b"guilty")
    await committer(store).commit(group)
    good, guilty = await outcomes(group)
    assert good == Stored(b"")
    assert isinstance(guilty, Stored)
    assert guilty.refused


async def test_a_request_that_is_being_digested_when_the_drain_begins_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on, digest = threading.Event(), threading.Event(), codec.digest

    def slow(signal: str, tenant: str, payload: bytes) -> bytes:
        begun.set()
        go_on.wait(5)
        return digest(signal, tenant, payload)

    monkeypatch.setattr(codec, "digest", slow)
    async with running() as run:
        exports = [asyncio.create_task(run.export(large_request())) for _ in range(2)]
        await soon(begun.is_set)
        draining = asyncio.create_task(run.ingest.drain(asyncio.get_running_loop().time() + 0.05))
        await asyncio.wait([draining], timeout=0.2)
        go_on.set()
        await draining
        results = await asyncio.gather(*exports, return_exceptions=True)
    assert [type(result) for result in results] == [ShuttingDown, ShuttingDown]
    assert run.store.committed == {}


async def test_a_refusal_of_values_never_reaches_a_caller_as_such() -> None:
    """INTERNAL would make the client throw its data away."""
    async with running() as run:
        run.store.failures = [DataRejected("refused", "22P05")]
        result = await run.export(trace_request(2)[1])
    assert (result.accepted, result.rejected) == (0, 2)
