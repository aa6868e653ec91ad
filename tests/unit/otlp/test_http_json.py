"""JSON beside the event loop: one body at a time, whoever has left, and none that becomes more than a request may be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from llm_observatory.errors import InvalidPayload, Overloaded, RequestTooLarge
from llm_observatory.otlp.http_json import INLINE_MAX_BYTES, JsonReader
from tests.contract.otlp.waiting import until

LIMIT, MAX_ITEMS = 1024 * 1024, 1000
LARGE = b" " * (INLINE_MAX_BYTES + 1)


def later() -> float:
    """A loop time that no test waits for."""
    return asyncio.get_running_loop().time() + 10


class Slow:
    """In the place of reading: each body takes until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[bytes] = []

    def __call__(self, _signal: str, body: bytes, _max_items: int, _is_over: object = None) -> bytes:
        self.begun.append(body)
        self.go.wait(10)
        return b"read"


@pytest.fixture
async def reader() -> AsyncIterator[JsonReader]:
    made = JsonReader(LIMIT, MAX_ITEMS)
    yield made
    made.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    monkeypatch.setattr("llm_observatory.otlp.json.to_protobuf", made)
    return made


async def test_a_body_that_is_given_up_waits_for_no_thread(reader: JsonReader, slow: Slow) -> None:
    first, second, third = (
        asyncio.create_task(reader.to_protobuf("traces", LARGE + mark, later())) for mark in (b"1", b"2", b"3")
    )
    await until(lambda: len(slow.begun) == 1)
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    # The first is being read, for nobody; the second is gone, and the third is not handed over.
    assert reader._thread._work_queue.qsize() == 0
    slow.go.set()
    assert await third == b"read"
    assert slow.begun == [LARGE + b"1", LARGE + b"3"]


async def test_small_bodies_wait_for_no_large_one(reader: JsonReader, slow: Slow) -> None:
    large = asyncio.create_task(reader.to_protobuf("traces", LARGE, later()))
    await until(lambda: len(slow.begun) == 1)
    slow.go.set()
    assert await reader.to_protobuf("traces", b"{}", later()) == b"read"
    assert await large == b"read"


async def test_a_fault_is_raised_and_the_next_is_read(reader: JsonReader) -> None:
    for _ in range(3):
        with pytest.raises(InvalidPayload):
            await reader.to_protobuf("traces", LARGE, later())
    assert await reader.to_protobuf("traces", LARGE + b"{}", later()) == b""


async def test_what_is_larger_as_protobuf_than_a_request_may_be() -> None:
    reader = JsonReader(1024, MAX_ITEMS)
    around = b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[%s]}]}}]}]}]}'
    assert len(await reader.to_protobuf("metrics", around % b",".join([b"0"] * 100), later())) > 800
    with pytest.raises(RequestTooLarge, match="as protobuf"):
        await reader.to_protobuf("metrics", around % b",".join([b"0"] * 128), later())


async def test_a_body_waits_for_its_turn_no_longer_than_the_hold(reader: JsonReader, slow: Slow) -> None:
    first = asyncio.create_task(reader.to_protobuf("traces", LARGE, later()))
    await until(lambda: len(slow.begun) == 1)
    with pytest.raises(Overloaded):
        await reader.to_protobuf("traces", LARGE, asyncio.get_running_loop().time() + 0.02)
    slow.go.set()
    assert await first == b"read"
    assert await reader.to_protobuf("traces", LARGE, later()) == b"read"


async def test_bodies_that_wait_are_bounded_by_their_bytes(reader: JsonReader, slow: Slow) -> None:
    half = b" " * (LIMIT // 2)
    tasks = [asyncio.create_task(reader.to_protobuf("traces", half, later())) for _ in range(4)]
    await until(lambda: len(slow.begun) == 1)
    with pytest.raises(Overloaded):  # one is read, two wait
        await tasks[3]
    slow.go.set()
    assert await asyncio.gather(*tasks[:3]) == [b"read"] * 3


DENSE = b'{"x":0' + b',"a":1' * 300_000 + b"}"


async def test_what_is_made_to_be_slow_is_given_up(reader: JsonReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.http_json.BUDGET_SECONDS", -1.0)
    with pytest.raises(RequestTooLarge, match="too long"):
        await reader.to_protobuf("traces", DENSE, later())


async def test_closing_gives_up_what_is_read(reader: JsonReader) -> None:
    reading = asyncio.create_task(reader.to_protobuf("traces", DENSE, later()))
    await until(reader._turn.locked)
    reader.close()
    with pytest.raises(RequestTooLarge):
        await reading
