"""JSON beside the event loop: one body at a time, whoever has left, and none that becomes more than a request may be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from llm_observatory.errors import InvalidPayload, RequestTooLarge
from llm_observatory.otlp.http_json import INLINE_MAX_BYTES, JsonReader
from tests.contract.otlp.waiting import until

LIMIT, MAX_ITEMS = 1024 * 1024, 1000
LARGE = b" " * (INLINE_MAX_BYTES + 1)


class Slow:
    """In the place of reading: each body takes until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[bytes] = []

    def __call__(self, _signal: str, body: bytes, _max_items: int) -> bytes:
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
    first, second, third = (asyncio.create_task(reader.to_protobuf("traces", LARGE + mark)) for mark in (b"1", b"2", b"3"))
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
    large = asyncio.create_task(reader.to_protobuf("traces", LARGE))
    await until(lambda: len(slow.begun) == 1)
    slow.go.set()
    assert await reader.to_protobuf("traces", b"{}") == b"read"
    assert await large == b"read"


async def test_a_fault_is_raised_and_the_next_is_read(reader: JsonReader) -> None:
    for _ in range(3):
        with pytest.raises(InvalidPayload):
            await reader.to_protobuf("traces", LARGE)
    assert await reader.to_protobuf("traces", LARGE + b"{}") == b""


async def test_what_is_larger_as_protobuf_than_a_request_may_be() -> None:
    reader = JsonReader(1024, MAX_ITEMS)
    around = b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[%s]}]}}]}]}]}'
    assert len(await reader.to_protobuf("metrics", around % b",".join([b"0"] * 100))) > 800
    with pytest.raises(RequestTooLarge, match="as protobuf"):
        await reader.to_protobuf("metrics", around % b",".join([b"0"] * 128))
