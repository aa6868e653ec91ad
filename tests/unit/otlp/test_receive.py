"""What `receive` keeps of a request while it waits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import ClassVar, Self

import pytest

from llm_observatory.otlp.receive import KEEP_MAX_BYTES, receive
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import TRACES, Signal


class Body(bytes):
    """Bytes whose end is seen (a subclass of bytes takes no weak reference)."""

    alive: ClassVar[int] = 0

    def __new__(cls, size: int) -> Self:
        cls.alive += 1
        return super().__new__(cls, size)

    def __del__(self) -> None:
        type(self).alive -= 1


class Forgetful:
    """Gives the payload up and waits, as ingest does between encoding and COMMIT."""

    def __init__(self) -> None:
        self.waits, self.committed = asyncio.Event(), asyncio.Event()

    async def admit(self, signal: Signal, hold_until: float) -> None:
        raise AssertionError("only transports admit")

    async def export(
        self, signal: Signal, tenant: str, payload: bytes, hold_until: float, on_admitted: Callable[[], None]
    ) -> ExportResult:
        del payload
        on_admitted()
        self.waits.set()
        await self.committed.wait()
        return ExportResult(b"answer", 1, 0)


def ignore() -> None:
    """Nobody holds a slot here."""


@pytest.mark.parametrize("size, kept", [(KEEP_MAX_BYTES, True), (KEEP_MAX_BYTES + 1, False)])
async def test_a_large_body_is_gone_when_ingest_gives_it_up(size: int, kept: bool) -> None:
    ingest = Forgetful()
    received = asyncio.create_task(
        receive(ingest, TRACES, "default", Body(size), transport="grpc", hold_until=0.0, on_admitted=ignore)
    )
    await asyncio.wait_for(ingest.waits.wait(), 5)
    gc.collect()
    assert Body.alive == int(kept)
    ingest.committed.set()
    assert await received == b"answer"
