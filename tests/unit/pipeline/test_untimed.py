"""Requests without times: the same bytes may be the same thing happening again, so that each copy is stored by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from llm_observatory import codec, metrics
from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import ShuttingDown, StorageUnavailable
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import TRACES
from tests.plugins.load import trace_request
from tests.unit.pipeline.test_ingest import running, soon


@pytest.fixture(autouse=True)
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[EncodedRequest]:
    """What was encoded, all of it untimed."""
    made: list[EncodedRequest] = []
    encode = codec.encode

    def untimed(*arguments: Any) -> EncodedRequest:
        made.append(replace(encode(*arguments), untimed=True))
        return made[-1]

    monkeypatch.setattr(codec, "encode", untimed)
    return made


def duplicates() -> float:
    return float(metrics.DUPLICATE_REQUESTS.labels("traces")._value.get())


async def test_copies_that_came_at_once_are_each_stored() -> None:
    """They join the first one's flight before anybody knows what is in it."""
    _, payload = trace_request(5)
    before, admitted = duplicates(), []
    async with running() as run:
        until = asyncio.get_running_loop().time() + 10
        exports = [
            run.ingest.export(TRACES, "default", payload, until, lambda number=number: admitted.append(number))  # type: ignore[misc]
            for number in range(4)
        ]
        assert await asyncio.gather(*exports) == [ExportResult(b"", 5, 0)] * 4
        assert len(run.store.untimed) == 4
    assert sorted(admitted) == [0, 1, 2, 3]
    assert duplicates() == before


async def test_a_copy_that_comes_later_waits_for_nobody(encoded: list[EncodedRequest]) -> None:
    _, payload = trace_request(5)
    async with running() as run:
        run.store.gate.clear()
        first = asyncio.create_task(run.export(payload))
        await run.store.begun.wait()
        second = asyncio.create_task(run.export(payload))
        await soon(lambda: len(encoded) == 2)
        run.store.gate.set()
        assert [await first, await second] == [ExportResult(b"", 5, 0)] * 2
        assert len(run.store.untimed) == 2


async def test_copies_share_a_failure_and_can_come_back() -> None:
    _, payload = trace_request(5)
    async with running() as run:

        def bug(_: object) -> None:
            run.store.on_write = lambda _: None
            raise ZeroDivisionError

        run.store.on_write = bug
        results = await asyncio.gather(*(run.export(payload) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, Exception) for result in results)
        assert await run.export(payload) == ExportResult(b"", 5, 0)


async def test_the_drain_waits_for_them_and_lets_no_copy_take_off() -> None:
    _, payload = trace_request(5)
    async with running() as run:
        run.store.gate.clear()
        exports = [asyncio.create_task(run.export(payload)) for _ in range(2)]
        await run.store.begun.wait()
        draining = asyncio.create_task(run.ingest.drain(asyncio.get_running_loop().time() + 5))
        await asyncio.wait([draining], timeout=0.05)
        assert not draining.done()
        run.store.gate.set()
        await draining
        results = await asyncio.gather(*exports, return_exceptions=True)
        assert results[0] == ExportResult(b"", 5, 0)
        assert isinstance(results[1], ShuttingDown)
        assert len(run.store.untimed) == 1


async def test_the_retry_of_what_was_never_answered_gets_its_answer() -> None:
    _, payload = trace_request(5)
    async with running() as run:
        run.store.gate.clear()
        first = asyncio.create_task(run.export(payload))
        await run.store.begun.wait()
        first.cancel()
        await asyncio.wait([first])
        retry = asyncio.create_task(run.export(payload))
        await asyncio.wait([retry], timeout=0.02)
        run.store.gate.set()
        assert await retry == ExportResult(b"", 0, 0)
        assert len(run.store.untimed) == 1
        # Whoever sends it now does not retry any more.
        assert await run.export(payload) == ExportResult(b"", 5, 0)
        assert len(run.store.untimed) == 2


async def test_the_retry_may_come_after_it_was_stored() -> None:
    _, payload = trace_request(5)
    async with running() as run:
        run.store.gate.clear()
        with pytest.raises(StorageUnavailable):
            await run.export(payload, hold=-0.5)
        run.store.gate.set()
        await soon(lambda: len(run.store.untimed) == 1)
        assert await run.export(payload) == ExportResult(b"", 0, 0)
        assert len(run.store.untimed) == 1


async def test_a_copy_whose_caller_left_before_it_was_stored_is_no_retry_of_the_first() -> None:
    _, payload = trace_request(5)
    async with running() as run:
        run.store.gate.clear()
        until = asyncio.get_running_loop().time() + 10
        exports = [asyncio.create_task(run.ingest.export(TRACES, "default", payload, until, lambda: None)) for _ in range(2)]
        await asyncio.sleep(0)
        exports[1].cancel()
        run.store.gate.set()
        assert await exports[0] == ExportResult(b"", 5, 0)
        assert await run.export(payload) == ExportResult(b"", 5, 0)
        assert len(run.store.untimed) == 2
