"""Filters of hours, one a round: both kinds have their turns, and what fails or changes again and again takes nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from llm_observatory.errors import StorageError, StorageUnavailable
from llm_observatory.storage import search_filters, turns
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.search_filters import work
from llm_observatory.storage.turns import Hour, Turns

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
HOURS = [NOW.replace(minute=0) - timedelta(hours=back) for back in range(2, 8)]
"""The newest first."""
TRACES, LOGS = [[Hour("default", signal, hour) for hour in HOURS] for signal in ("traces", "logs")]


class Queue:
    """The filters that are asked for, and how a round goes about them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._turns = Turns()
        self.fails: set[Hour] = set()
        self.tried: list[Hour] = []

    async def ask(self, *hours: Hour) -> None:
        """As late records do it."""
        empty = "INSERT INTO search_filters VALUES (%s, %s, %s, '') ON CONFLICT (tenant, signal, hour) DO UPDATE SET bits = ''"
        for hour in hours:
            await self._connection.execute(empty, hour)

    async def round(self) -> list[Hour]:
        """The hours that it tried."""
        self.tried.clear()
        await search_filters.work_off(self._connection, NOW, NOW - timedelta(days=30), self._turns)
        return list(self.tried)


@pytest.fixture
async def queue(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    async with await connect(database) as connection:
        made, build = Queue(connection), work.build

        async def watched(connection: AsyncConnection, hour: Hour) -> bool:
            made.tried.append(hour)
            if hour in made.fails:
                raise StorageUnavailable("it takes too long")
            return await build(connection, hour)

        monkeypatch.setattr(work, "build", watched)
        yield made


async def test_both_kinds_have_their_turns_the_newest_hours_first(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BUDGET_SECONDS", -1.0)
    await queue.ask(*TRACES, *LOGS)
    tried = [hour for _ in range(6) for hour in await queue.round()]
    assert {hour.hour for hour in tried} == set(HOURS[:3])
    assert {hour.signal for hour in tried} == {"traces", "logs"}
    assert len(set(tried)) == 6


async def test_an_hour_that_changes_in_every_round_is_not_built_in_every_round(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor before others, when it has rested."""
    await queue.ask(TRACES[0])
    assert await queue.round() == [TRACES[0]]
    await queue.ask(TRACES[0])
    assert await queue.round() == []
    monkeypatch.setattr(turns, "REST_SECONDS", 0.0)
    await queue.ask(*LOGS[1:3])
    assert await queue.round() == [*LOGS[1:3], TRACES[0]]


async def test_an_hour_that_fails_keeps_no_other_waiting(queue: Queue) -> None:
    queue.fails = {LOGS[0], TRACES[1]}
    await queue.ask(*TRACES[:3], *LOGS[:3])
    with pytest.raises(StorageError, match="it takes too long"):
        await queue.round()
    assert set(queue.tried) == {*TRACES[:3], *LOGS[:3]}
    queue.fails = set()
    assert await queue.round() == []


async def test_those_that_rest_take_nobodys_place(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are as many as a round looks for, and change in every round."""
    monkeypatch.setattr(work, "HOURS_A_ROUND", 2)
    await queue.ask(*TRACES[:2])
    await queue.round()
    await queue.ask(*TRACES)
    assert await queue.round() == TRACES[2:4]
