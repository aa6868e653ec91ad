"""Turns: what was never tried first, what failed last and not too soon; one at least; a connection that is lost ends them."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from llm_observatory.errors import StorageError, StorageUnavailable
from llm_observatory.storage import turns
from llm_observatory.storage.turns import Hour, Turns

HOURS = [Hour("default", "traces", datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number)) for number in range(4)]


class Rounds:
    """Rounds of one queue: `fails` fail, all others succeed."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.fails: set[Hour] = set()
        self.connection: Any = SimpleNamespace(closed=False)

    async def round(self, *, seconds: float = math.inf, done_rests: bool = False) -> tuple[list[int], StorageError | None]:
        """The numbers of the hours that were tried, and what was returned."""
        tried: list[int] = []

        async def work(hour: Hour) -> None:
            tried.append(HOURS.index(hour))
            if hour in self.fails:
                raise StorageUnavailable(f"{hour.hour.hour}")

        deadline = time.monotonic() + seconds
        failure = await self.turns.work_off(self.connection, "hours", HOURS, work, deadline=deadline, done_rests=done_rests)
        return tried, failure


async def test_who_fails_keeps_no_other_waiting_and_rests() -> None:
    rounds = Rounds()
    rounds.fails = {HOURS[0], HOURS[2]}
    tried, failure = await rounds.round()
    assert tried == [0, 1, 2, 3]
    assert str(failure) == "0"
    assert await rounds.round() == ([1, 3], None)


async def test_who_failed_is_tried_behind_the_others_once_it_has_rested(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = Rounds()
    rounds.fails = {HOURS[0], HOURS[2]}
    await rounds.round()
    monkeypatch.setattr(turns, "REST_SECONDS", 0.0)
    rounds.fails = {HOURS[0]}
    assert (await rounds.round())[0] == [1, 3, 0, 2]
    assert (await rounds.round())[0] == [1, 2, 3, 0]


async def test_a_round_without_time_does_one_and_the_next_goes_on() -> None:
    rounds = Rounds()
    rounds.fails = {HOURS[0]}
    assert [(await rounds.round(seconds=-1))[0] for _ in range(2)] == [[0], [1]]


async def test_what_is_done_rests_where_it_should() -> None:
    rounds = Rounds()
    assert (await rounds.round(done_rests=True))[0] == [0, 1, 2, 3]
    assert rounds.turns.tried == 4
    assert (await rounds.round(done_rests=True))[0] == []


async def test_a_lost_connection_ends_it() -> None:
    rounds = Rounds()
    rounds.fails = {HOURS[1]}
    rounds.connection.closed = True
    with pytest.raises(StorageUnavailable):
        await rounds.round()
    rounds.connection.closed = False
    assert await rounds.round() == ([0, 2, 3], None)
