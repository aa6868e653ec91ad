"""What a receiver may rely on, whatever ingest is behind it.

`IngestContract` is stated over a `Bench`: an ingest and the few handles that a statement needs. A new implementation is
one more parameter of `ingest_under_test`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from llm_observatory.errors import DataRejected, Overloaded, ShuttingDown, StorageUnavailable
from llm_observatory.otlp.receive import Ingest
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import TRACES
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.scripted_ingest import ScriptedIngest


class Bench(Protocol):
    """An ingest in the hands of a test."""

    ingest: Ingest

    def hold_commits(self) -> None:
        """Transactions do not end from now on."""

    def release_commits(self) -> None:
        """They do again."""

    def fill(self) -> None:
        """No room: neither for new calls nor for the bytes of a body."""

    def make_room(self) -> None:
        """There is room again."""

    def fail_next(self, error: Exception) -> None:
        """The next transaction fails with `error`."""

    async def drain(self) -> None:
        """Take nothing new; return when nothing is in flight."""

    async def stored(self) -> list[bytes]:
        """The payloads whose rows are durable."""


class ScriptedBench:
    """The fake."""

    def __init__(self) -> None:
        self.scripted = ScriptedIngest()
        self.ingest: Ingest = self.scripted

    def hold_commits(self) -> None:
        self.scripted.commit.clear()

    def release_commits(self) -> None:
        self.scripted.commit.set()

    def fill(self) -> None:
        self.scripted.door.clear()
        self.scripted.room.clear()

    def make_room(self) -> None:
        self.scripted.door.set()
        self.scripted.room.set()

    def fail_next(self, error: Exception) -> None:
        self.scripted.failures.append(error)

    async def drain(self) -> None:
        await self.scripted.drain()

    async def stored(self) -> list[bytes]:
        return list(self.scripted.committed)


@pytest.fixture(params=["scripted"])
async def ingest_under_test(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench = {"scripted": ScriptedBench}[request.param]()
    yield bench
    bench.make_room()
    bench.release_commits()
    await bench.drain()


class Caller:
    """One export call and what it was told."""

    def __init__(self, bench: Bench, payload: bytes, hold: float = 4.0) -> None:
        self.admissions = 0
        hold_until = asyncio.get_running_loop().time() + hold
        self.call: asyncio.Task[ExportResult] = asyncio.create_task(
            bench.ingest.export(TRACES, "default", payload, hold_until, self._admitted)
        )

    def _admitted(self) -> None:
        self.admissions += 1


def soon(seconds: float = 0.1) -> float:
    """A hold that is over after `seconds`."""
    return asyncio.get_running_loop().time() + seconds


class IngestContract:
    """Holds for each ingest."""

    async def test_an_answer_comes_only_after_the_commit(self, ingest_under_test: Bench) -> None:
        ingest_under_test.hold_commits()
        payload = trace_request()
        caller = Caller(ingest_under_test, payload)
        await until(lambda: caller.admissions == 1)
        await asyncio.wait([caller.call], timeout=0.1)
        assert not caller.call.done()
        ingest_under_test.release_commits()
        result = await caller.call
        assert (result.answer, result.accepted, result.rejected) == (b"", 1, 0)
        assert await ingest_under_test.stored() == [payload]

    async def test_a_caller_is_told_of_its_admission_once(self, ingest_under_test: Bench) -> None:
        callers = [Caller(ingest_under_test, trace_request(mark=str(number))) for number in range(5)]
        await asyncio.gather(*(caller.call for caller in callers))
        assert [caller.admissions for caller in callers] == [1] * 5

    async def test_a_body_waits_for_room_and_then_is_stored(self, ingest_under_test: Bench) -> None:
        ingest_under_test.fill()
        caller = Caller(ingest_under_test, trace_request())
        await asyncio.wait([caller.call], timeout=0.1)
        assert (caller.admissions, caller.call.done()) == (0, False)
        ingest_under_test.make_room()
        await caller.call
        assert caller.admissions == 1

    async def test_without_room_the_hold_ends_in_overloaded(self, ingest_under_test: Bench) -> None:
        ingest_under_test.fill()
        with pytest.raises(Overloaded):
            await ingest_under_test.ingest.admit(TRACES, soon())
        caller = Caller(ingest_under_test, trace_request(), hold=0.1)
        with pytest.raises(Overloaded):
            await caller.call
        assert caller.admissions == 0
        ingest_under_test.make_room()
        await ingest_under_test.ingest.admit(TRACES, soon())
        assert await ingest_under_test.stored() == []

    async def test_admit_is_immediate_with_room(self, ingest_under_test: Bench) -> None:
        await ingest_under_test.ingest.admit(TRACES, asyncio.get_running_loop().time())

    async def test_a_caller_that_leaves_does_not_stop_the_commit(self, ingest_under_test: Bench) -> None:
        ingest_under_test.hold_commits()
        payload = trace_request()
        caller = Caller(ingest_under_test, payload)
        await until(lambda: caller.admissions == 1)
        caller.call.cancel()
        await asyncio.wait([caller.call])
        assert caller.call.cancelled()
        ingest_under_test.release_commits()
        await ingest_under_test.drain()
        assert await ingest_under_test.stored() == [payload]

    async def test_leaving_before_admission_stores_it_or_not_as_admitted(self, ingest_under_test: Bench) -> None:
        ingest_under_test.fill()
        caller = Caller(ingest_under_test, trace_request())
        await asyncio.wait([caller.call], timeout=0.05)
        caller.call.cancel()
        await asyncio.wait([caller.call])
        ingest_under_test.make_room()
        await ingest_under_test.drain()
        assert caller.admissions == len(await ingest_under_test.stored())

    @pytest.mark.parametrize("error", [StorageUnavailable("gone"), DataRejected("no"), Overloaded()], ids=repr)
    async def test_a_failure_reaches_its_caller_alone(self, ingest_under_test: Bench, error: Exception) -> None:
        ingest_under_test.fail_next(error)
        failing = Caller(ingest_under_test, trace_request(mark="first"))
        with pytest.raises(type(error)):
            await failing.call
        payload = trace_request(mark="second")
        await Caller(ingest_under_test, payload).call
        assert await ingest_under_test.stored() == [payload]

    async def test_draining_lets_nothing_in_and_what_is_in_through(self, ingest_under_test: Bench) -> None:
        ingest_under_test.hold_commits()
        payload = trace_request()
        caller = Caller(ingest_under_test, payload)
        await until(lambda: caller.admissions == 1)
        draining = asyncio.create_task(ingest_under_test.drain())
        await asyncio.wait([draining], timeout=0.05)
        assert not draining.done()
        with pytest.raises(ShuttingDown):
            await ingest_under_test.ingest.admit(TRACES, soon())
        with pytest.raises(ShuttingDown):
            await Caller(ingest_under_test, trace_request(mark="late")).call
        ingest_under_test.release_commits()
        await caller.call
        await draining
        assert await ingest_under_test.stored() == [payload]


class TestIngest(IngestContract):
    """The contract, over every parameter of `ingest_under_test`."""
