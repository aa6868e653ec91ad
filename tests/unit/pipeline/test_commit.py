"""Committer: what becomes of a group when the database is away, busy, or refuses."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llm_observatory.errors import MissingPartition, SchemaMismatch, ShuttingDown, StorageError, StorageUnavailable
from llm_observatory.pipeline.commit import Committer, RetryPolicy
from llm_observatory.pipeline.submission import Submission
from llm_observatory.storage.write import Stored
from tests.plugins.memory_store import MemoryStore, write_request

POLICY = RetryPolicy(max_attempts=3, initial_delay=0.001, max_delay=0.002, multiplier=2.0)
PROBES = {signal: write_request(f"probe of {signal}".encode(), signal=signal) for signal in ("traces", "logs")}
GONE = StorageUnavailable("gone")
DEADLOCK = "40P01"


refusals: list[StorageError] = []


def submissions(*digests: bytes, hold: float = 10.0) -> list[Submission]:
    until = asyncio.get_running_loop().time() + hold
    return [Submission(write_request(digest, rows=2), b"payload of " + digest, until) for digest in digests]


def committer(store: MemoryStore) -> Committer:
    return Committer(store, POLICY, lambda signal: PROBES[signal], refusals.append)


async def outcomes(group: list[Submission]) -> list[Stored | BaseException]:
    return await asyncio.gather(*(entry.ack for entry in group), return_exceptions=True)


async def test_one_transaction_for_a_healthy_group() -> None:
    store, group = MemoryStore(), submissions(b"a", b"b", b"c")
    await committer(store).commit(group)
    assert await outcomes(group) == [Stored(b"")] * 3
    assert store.groups == [[b"a", b"b", b"c"]]


async def test_a_database_that_comes_back_inside_the_hold_is_waited_for_longer_than_max_attempts() -> None:
    store, group = MemoryStore(), submissions(b"a")
    store.failures = [GONE] * 10
    await committer(store).commit(group)
    assert await outcomes(group) == [Stored(b"")]


async def test_errors_of_a_server_that_answers_are_tried_max_attempts_times() -> None:
    store, group = MemoryStore(), submissions(b"a")
    store.failures = [StorageUnavailable("deadlock", DEADLOCK)] * 10
    await committer(store).commit(group)
    [outcome] = await outcomes(group)
    assert isinstance(outcome, StorageUnavailable)
    assert len(store.groups) == POLICY.max_attempts


async def test_a_request_leaves_when_its_hold_has_passed_and_the_others_stay() -> None:
    store = MemoryStore()
    [short] = submissions(b"short", hold=0.0)
    [long] = submissions(b"long")
    store.failures = [GONE] * 2
    await committer(store).commit([short, long])
    short_outcome, long_outcome = await outcomes([short, long])
    assert isinstance(short_outcome, StorageUnavailable)
    assert long_outcome == Stored(b"")
    assert store.groups == [[b"short", b"long"], [b"long"], [b"long"]]


async def test_a_missing_partition_is_tried_again_and_nothing_is_refused_for_it() -> None:
    store, group = MemoryStore(), submissions(b"a", b"b")
    store.failures = [MissingPartition("no partition", "23514")]
    await committer(store).commit(group)
    assert await outcomes(group) == [Stored(b"")] * 2


@pytest.mark.parametrize("guilty", [b"a", b"c", b"h"])
async def test_the_guilty_request_is_found_and_the_others_commit(guilty: bytes) -> None:
    store = MemoryStore()
    names = [bytes([letter]) for letter in b"abcdefgh"]
    group = submissions(*names)
    store.poison = {guilty}
    await committer(store).commit(group)
    for entry, outcome in zip(group, await outcomes(group), strict=True):
        assert isinstance(outcome, Stored)
        assert outcome.refused == (entry.write.digest == guilty)
    assert list(store.buried) == [guilty]
    assert "22P05" in store.buried[guilty]


async def test_the_answer_of_a_buried_request_rejects_all_of_it_and_a_retry_gets_the_same() -> None:
    store = MemoryStore()
    store.poison = {b"bad"}
    first, retry = submissions(b"bad"), submissions(b"bad")
    await committer(store).commit(first)
    await committer(store).commit(retry)
    [[stored], [again]] = [await outcomes(first), await outcomes(retry)]
    assert isinstance(stored, Stored)
    assert isinstance(again, Stored)
    assert stored.answer == again.answer
    assert ExportTraceServiceResponse.FromString(stored.answer).partial_success.rejected_spans == 2
    assert again.duplicate


async def test_a_group_that_is_refused_alike_is_our_fault() -> None:
    store, group = MemoryStore(), submissions(b"a", b"b", b"c")
    store.poison = {b"a", b"b", b"c"}
    await committer(store).commit(group)
    assert all(isinstance(outcome, StorageUnavailable) for outcome in await outcomes(group))
    assert store.buried == {}


async def test_a_lone_request_is_judged_by_the_probe() -> None:
    store = MemoryStore()
    store.poison = {b"a", b"probe of traces"}
    group = submissions(b"a")
    await committer(store).commit(group)
    [outcome] = await outcomes(group)
    assert isinstance(outcome, StorageUnavailable)
    assert store.buried == {}


@pytest.mark.parametrize("broken, buried", [("logs", {}), ("traces", {b"log": "SQLSTATE 22P05: None"})])
async def test_the_probe_is_of_the_signal_that_was_refused(broken: str, buried: dict[bytes, str]) -> None:
    store, until = MemoryStore(), asyncio.get_running_loop().time() + 10
    store.poison = {b"log", f"probe of {broken}".encode()}
    refused = Submission(write_request(b"log", signal="logs"), b"payload", until)
    [stored] = submissions(b"span")
    await committer(store).commit([refused, stored])
    outcome, neighbour = await outcomes([refused, stored])
    assert neighbour == Stored(b"")
    assert isinstance(outcome, StorageUnavailable) == (broken == "logs")
    assert store.buried == buried


async def test_what_another_process_is_storing_is_waited_for_while_the_rest_commits() -> None:
    store, group = MemoryStore(), submissions(b"a", b"b")
    store.busy = {b"b"}

    def other_process_commits(_: object) -> None:
        if len(store.groups) == 2:
            store.busy.clear()
            store.committed[b"b"] = b"its answer"

    store.on_write = other_process_commits
    await committer(store).commit(group)
    assert await outcomes(group) == [Stored(b""), Stored(b"its answer", duplicate=True)]
    assert store.groups == [[b"a", b"b"], [b"b"]]


async def test_what_stays_busy_is_refused_and_the_rest_is_stored() -> None:
    store, group = MemoryStore(), submissions(b"a", b"b")
    store.busy = {b"b"}
    await committer(store).commit(group)
    first, second = await outcomes(group)
    assert first == Stored(b"")
    assert isinstance(second, StorageUnavailable)


async def test_a_schema_that_does_not_fit_is_retryable_for_the_client_and_keeps_its_kind() -> None:
    store, group = MemoryStore(), submissions(b"a")
    store.failures = [SchemaMismatch("no table", "42P01")] * 10
    await committer(store).commit(group)
    [outcome] = await outcomes(group)
    assert isinstance(outcome, SchemaMismatch)
    assert refusals[-1] is outcome


async def test_a_group_abandoned_while_it_waits_for_the_next_try_is_not_written_again() -> None:
    store, group = MemoryStore(), submissions(b"a")
    store.failures = [GONE]
    store.on_write = lambda _: group[0].fail(ShuttingDown())
    await committer(store).commit(group)
    assert store.groups == [[b"a"]]


async def test_an_unexpected_exception_fails_the_acks_as_retryable() -> None:
    store, group = MemoryStore(), submissions(b"a", b"b")

    def bug(_: object) -> None:
        raise ZeroDivisionError

    store.on_write = bug
    await committer(store).commit(group)
    assert all(isinstance(outcome, StorageUnavailable) for outcome in await outcomes(group))
