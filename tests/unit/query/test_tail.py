"""Following log records without a database: when a client is too slow, what is new, where it is looked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory import codec, tables
from llm_observatory.codec.rows import Fields
from llm_observatory.errors import TooMuch
from llm_observatory.query.logs import pieces
from llm_observatory.query.logs.order import LogKey, key_of_row
from llm_observatory.query.logs.pieces import MAX_GAP, WIDE, ends_first
from llm_observatory.query.logs.repository import Announced, LogRepository, Period
from llm_observatory.query.logs.tail import LONGEST_PAUSE, Tail
from llm_observatory.query.time_range import moment, nanoseconds
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import Statement
from llm_observatory.storage.read import Parameters
from tests.plugins.statements import Recorder
from tests.plugins.stored import fields_of
from tests.unit.codec.logs import request

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
NOTHING = timedelta()
TERMS = codec.Terms(None, 2**62, 1024**2)


class Database(Recorder):
    """A feed and its records; `now` is the clock of all."""

    def __init__(self) -> None:
        super().__init__({})
        self.now = START
        self.feed: list[Announced] = []
        self.stored: dict[LogKey, Fields] = {}
        self.looked_at: list[Period] = []
        self.hangs = False

    def commit(self, *ages: timedelta) -> None:
        """A request of records that are so old."""
        times = [self.now - age for age in ages]
        payload = request(*(LogRecord(time_unix_nano=nanoseconds(at)) for at in times))
        received, digest = nanoseconds(self.now) // 1000, codec.digest("logs", "default", payload)
        encoded = codec.encode("logs", "default", payload, digest, received, TERMS)
        self.stored |= {key_of_row(row): row for row in fields_of(encoded, tables.LLM_LOGS)}
        self.feed.append(Announced(digest, len(times), self.now, min(times), max(times), self.now))

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        written, asked = self._remember(statement, parameters), dict[str, Any](parameters)
        if "FROM log_feed" in written:
            since = asked["since"] - asked["seconds"] * SECOND
            return [tuple(one) for one in self.feed if one.written_at >= since]
        if "FROM llm_logs" not in written:
            return [(self.now,)]
        if self.hangs:
            await asyncio.Event().wait()
        self.looked_at.append(Period(asked["first"], asked["last"]))
        return [
            (moment(key.time), key.time % 1000, UUID(bytes=key.log_id), True)
            for key in self.stored
            if asked["first"] <= moment(key.time) <= asked["last"] and key.log_id[6:] in asked["suffixes"]
        ]

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        written, asked = self._remember(statement, parameters), dict[str, Any](parameters)
        return [row for key, row in self.stored.items() if "FROM llm_logs" in written and key.log_id.hex() in asked["ids"]]


class Following:
    """A tail that has begun."""

    def __init__(self, database: Database, seconds: float) -> None:
        self.database = database
        repository = LogRepository(database)
        self.tail = Tail(repository, "default", [], Values(), seconds, clock=lambda: nanoseconds(database.now) / 1e9)

    async def look(self, after: timedelta = SECOND / 2) -> list[timedelta]:
        """How old what is new is, in the order in which it comes."""
        self.database.now += after
        return [
            self.database.now - moment(found.time_unix_nano) async for message in self.tail.look() for found in message.logs
        ]


async def following(database: Database, seconds: float = 10) -> Following:
    made = Following(database, seconds)
    await made.tail.begin()
    return made


async def test_a_quiet_time_is_no_slow_client() -> None:
    database = Database()
    database.commit(NOTHING)
    follows = await following(database)
    for _ in range(2 * 60 * 2):
        assert await follows.look(SECOND * 3) == []
    database.commit(NOTHING)
    assert await follows.look() == [SECOND / 2]
    assert await follows.look() == []


async def test_a_client_that_reads_slowly_is_told_so_while_nothing_is_lost() -> None:
    database = Database()
    follows = await following(database)
    for _ in range(3):
        database.commit(NOTHING)
        assert await follows.look(LONGEST_PAUSE) == [LONGEST_PAUSE]
    with pytest.raises(TooMuch, match="the client reads more slowly than records come in"):
        await follows.look(LONGEST_PAUSE + SECOND)


async def test_what_was_committed_before_is_never_new() -> None:
    """Also what the feed shows only once it is asked for the half minute before its newest."""
    database = Database()
    database.commit(NOTHING)
    database.now += 15 * SECOND
    database.commit(NOTHING)
    database.now += 20 * SECOND
    follows = await following(database)
    assert await follows.look() == []
    assert await follows.look() == []


async def test_what_is_committed_late_is_new_after_any_time() -> None:
    database = Database()
    follows = await following(database)
    database.commit(NOTHING)
    late = database.feed.pop()
    for _ in range(12):
        assert await follows.look(SECOND * 2) == []
    database.feed.append(late)
    assert len(await follows.look()) == 1


async def test_records_of_a_request_that_lie_far_apart_are_looked_for_at_its_ends() -> None:
    database = Database()
    follows = await following(database)
    database.commit(29 * DAY, SECOND, NOTHING, 29 * DAY - SECOND)
    database.commit(MINUTE / 2)
    database.now += SECOND
    assert await follows.look(NOTHING) == [MINUTE / 2 + SECOND, 29 * DAY + SECOND, 29 * DAY, 2 * SECOND, SECOND]
    assert len(database.looked_at) == 3
    assert all(when.last - when.first <= MAX_GAP for when in database.looked_at)


async def test_what_lies_between_the_ends_is_found_too() -> None:
    database = Database()
    follows = await following(database)
    ages = [29 * DAY, 20 * DAY, 3 * DAY, NOTHING]
    database.commit(*ages)
    assert await follows.look(NOTHING) == ages


async def test_what_is_not_found_in_time_is_said_and_not_left_out() -> None:
    database = Database()
    follows = await following(database, 0.01)
    database.commit(29 * DAY, NOTHING)
    database.hangs = True
    with pytest.raises(TooMuch, match=r"between 2026-01-31T12:00:00.000\+00:00 and 2026-03-01T12:00:00.000\+00:00"):
        await follows.look()


async def test_a_look_has_a_time_limit() -> None:
    database = Database()
    follows = await following(database, 0.01)
    database.commit(NOTHING)
    database.hangs = True
    with pytest.raises(TimeoutError):
        await follows.look()


async def test_requests_near_each_other_are_looked_for_at_once_and_many_of_them_by_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = Database()
    follows = await following(database)
    for age in range(5):
        database.commit(age * SECOND)
    assert len(await follows.look()) == 5
    assert len(database.looked_at) == 1
    monkeypatch.setattr(pieces, "RECORDS_AT_ONCE", 2)
    for age in range(5):
        database.commit(age * SECOND)
    assert len(await follows.look()) == 5
    assert len(database.looked_at) == 1 + 3


async def test_requests_in_a_row_make_no_statement_of_more_than_a_minute() -> None:
    database = Database()
    follows = await following(database)
    for age in range(30):
        database.commit(age * MAX_GAP, (age + 1) * MAX_GAP)
    assert len(await follows.look()) == 60
    assert max(when.last - when.first for when in database.looked_at) <= WIDE
    assert len(database.looked_at) < 10


@given(st.integers(0, 10**15))
def test_the_ends_come_first_and_nothing_is_left_out_or_twice(microseconds: int) -> None:
    whole = Period(START, START + timedelta(microseconds=microseconds))
    found = list(ends_first(whole))
    assert found[0].last == whole.last
    assert len(found) < 60
    in_order = sorted(found)
    assert (in_order[0].first, in_order[-1].last) == whole
    assert all(after.first - before.last == timedelta(microseconds=1) for before, after in pairwise(in_order))
