"""The entrance while records are refused for maintenance: no body is read, also not of a call that waited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_observatory.errors import UnderMaintenance
from llm_observatory.otlp.entrance import Arrival, Entrance
from llm_observatory.otlp.refusal import refusal_of
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import TRACES, Signal


class Full:
    """An ingest that has room when it is told so."""

    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.asked = asyncio.Event()

    async def admit(self, _signal: Signal, _hold_until: float) -> None:
        self.asked.set()
        await self.room.wait()

    async def export(
        self, _signal: Signal, _tenant: str, _payload: bytes, _hold_until: float, on_admitted: Callable[[], None]
    ) -> ExportResult:
        on_admitted()
        return ExportResult(b"stored", 1, 0)


def arrival(read: list[bool]) -> Arrival:
    async def body() -> bytes:
        read.append(True)
        return b"x"

    return Arrival(TRACES, "default", "one", "grpc", None, body)


async def test_a_call_that_waited_for_room_is_refused_too() -> None:
    ingest, read, reason = Full(), list[bool](), list[str]()
    entrance = Entrance(ingest, 1, maintenance=lambda: reason[0] if reason else None)
    waiting = asyncio.create_task(entrance.export(arrival(read)))
    await ingest.asked.wait()
    reason.append("new disks")
    ingest.room.set()
    with pytest.raises(UnderMaintenance, match="new disks"):
        await waiting
    with pytest.raises(UnderMaintenance):
        await entrance.export(arrival(read))
    assert (read, entrance.waiting, entrance.reading, entrance.in_flight) == ([], 0, 0, 0)
    reason.clear()
    assert await entrance.export(arrival(read)) == b"stored"


def test_what_a_client_is_told() -> None:
    refusal = refusal_of(UnderMaintenance("new disks"))
    assert (refusal.code.name, refusal.retry_after) == ("UNAVAILABLE", 1.0)
    assert refusal.message == "the service takes no records during maintenance: new disks"
