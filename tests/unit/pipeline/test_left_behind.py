"""Flights whose callers left: for how long and how many of them are kept."""

from __future__ import annotations

import asyncio

import pytest

from llm_observatory.pipeline import left_behind
from llm_observatory.pipeline.flight import ExportResult, Flight, Landed
from llm_observatory.pipeline.left_behind import LeftBehind


async def landed(behind: LeftBehind, digest: bytes, *, untimed: bool = True) -> None:
    """A flight that is left, and lands."""
    flight: Flight = asyncio.get_running_loop().create_future()
    behind.add(digest, flight)
    assert behind.get(digest) is flight
    flight.set_result(Landed(ExportResult(b"answer", 1, 0), b"payload" if untimed else None))
    await asyncio.sleep(0)


async def test_what_landed_is_kept_without_its_payload_and_answers_one_copy() -> None:
    behind = LeftBehind()
    await landed(behind, b"a")
    flight = behind.get(b"a")
    assert flight is not None
    assert flight.result() == Landed(ExportResult(b"answer", 1, 0), None)
    assert behind.answered(b"a")
    assert behind.get(b"a") is None
    assert not behind.answered(b"a")


async def test_what_the_ledger_knows_is_not_kept() -> None:
    behind = LeftBehind()
    await landed(behind, b"a", untimed=False)
    assert behind.get(b"a") is None


async def test_it_is_forgotten_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "KEPT_SECONDS", 0.01)
    behind = LeftBehind()
    await landed(behind, b"a")
    await asyncio.sleep(0.02)
    assert behind.get(b"a") is None
    await landed(behind, b"b")
    assert list(behind._flights) == [b"b"]


async def test_a_flood_of_them_leaves_as_many_as_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "KEPT_MAX", 10)
    behind = LeftBehind()
    timers = len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]
    for number in range(100):
        await landed(behind, b"%d" % number)
    assert len(behind._flights) == 10
    assert behind.get(b"99") is not None
    assert len(asyncio.get_running_loop()._scheduled) == timers  # type: ignore[attr-defined]
