"""What is answered is forgotten: nothing of it waits for the garbage collector, or a flood fills the memory meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator

import pytest

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import DataRejected, ObservatoryError, StorageUnavailable
from llm_observatory.pipeline.submission import Submission
from llm_observatory.storage.write import WriteRequest
from tests.plugins.load import trace_request
from tests.unit.pipeline.test_ingest import POLICY, Running, running, soon

OF_A_REQUEST = (EncodedRequest, Submission, WriteRequest)


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> list[object]:
    return [thing for thing in gc.get_objects() if isinstance(thing, OF_A_REQUEST)]


async def exported(run: Running) -> list[object]:
    """What is left of requests that are answered, one way or another."""
    before = {id(thing) for thing in held()}
    exports = [asyncio.create_task(run.export(trace_request(number)[1], hold=0.2)) for number in range(3, 6)]
    await soon(run.store.begun.is_set)
    for export in exports:
        with contextlib.suppress(ObservatoryError):
            await export
    del exports, export
    with contextlib.suppress(TimeoutError):  # a flight may go on without its caller for a second
        await soon(lambda: {id(thing) for thing in held()} <= before)
    return [thing for thing in held() if id(thing) not in before]


async def test_a_request_that_is_stored() -> None:
    async with running() as run:
        assert await exported(run) == []


async def test_a_request_that_is_tried_again_and_stored() -> None:
    async with running() as run:
        run.store.failures += [StorageUnavailable(), StorageUnavailable()]
        assert await exported(run) == []


async def test_a_request_whose_hold_passes() -> None:
    async with running() as run:
        run.store.failures += [StorageUnavailable() for _ in range(1000)]
        assert await exported(run) == []
        run.store.failures.clear()


class Caller:
    """What a handler holds while it waits, a body say."""


async def test_the_callers_of_a_group_that_fails_one_by_one() -> None:
    """Their errors are of one failure, and would tie all of them together."""
    callers: list[weakref.ref[Caller]] = []

    async def call(run: Running, spans: int) -> None:
        held_by_the_handler = Caller()
        callers.append(weakref.ref(held_by_the_handler))
        await run.export(trace_request(spans)[1], hold=5)

    async with running() as run:
        run.store.gate.clear()
        run.store.failures += [StorageUnavailable("deadlock", "40P01") for _ in range(1 + POLICY.max_attempts)]
        calls = [asyncio.create_task(call(run, spans)) for spans in range(1, 6)]
        await soon(run.store.begun.is_set)
        run.store.gate.set()
        done, _ = await asyncio.wait(calls)
        assert sum(isinstance(one.exception(), StorageUnavailable) for one in done) >= 1
        del calls, done
        with contextlib.suppress(TimeoutError):
            await soon(lambda: not any(caller() for caller in callers))
        assert [caller() for caller in callers if caller()] == []


async def test_a_request_that_the_database_refuses() -> None:
    async with running() as run:
        run.store.failures += [DataRejected("bad", "22021")]
        assert await exported(run) == []
