"""What the statements of usage read: partitions of the range only, and rows of a conversation by what is known of its hours."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg
import pytest

from llm_observatory.api.v1.usage_query_service_pb2 import UsageGroup
from llm_observatory.codec.rows import Fields
from llm_observatory.query.time_range import DAY, HOUR, TimeRange
from llm_observatory.query.usage import selection
from llm_observatory.query.usage.cover import cover
from llm_observatory.query.usage.repository import UsageRepository
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import Statement
from llm_observatory.storage.read import Parameters, Reader
from tests.contract.query.test_usage import START, call, spans
from tests.plugins.query import Query


class Asked:
    """A reader that finds nothing, but that something is to be corrected, and remembers what it was asked."""

    def __init__(self) -> None:
        self.statements: list[tuple[Statement, Parameters]] = []

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        self.statements.append((statement, parameters))
        return [(True,)] if "SELECT EXISTS" in statement.as_string(None) else []

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        self.statements.append((statement, parameters))
        return []

    def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncGenerator[list[Fields], None]:
        raise NotImplementedError

    def on_one_connection(self) -> AbstractAsyncContextManager[Reader]:
        raise NotImplementedError


def plan(query: Query, asked: Asked) -> str:
    """The plan of the last statement."""
    statement, parameters = asked.statements[-1]
    with psycopg.connect(query.database) as connection:
        text = statement.as_string(connection)
        found = connection.execute(b"EXPLAIN " + text.encode(), parameters).fetchall()
    return "\n".join(line for (line,) in found)


def partitions(text: str) -> int:
    """How many partitions or chunks of spans a plan reads."""
    return len(set(re.findall(r"on (llm_traces_p\d+|_hyper_\d+_\d+_chunk)", text)))


@pytest.fixture
async def stored(query: Query) -> Query:
    await query.store(spans(*(call(START + day * DAY, day + 1, conversation__id="c") for day in range(6))))
    return query


async def of_usage(asked: Asked, within: TimeRange, groups: Sequence[UsageGroup.ValueType]) -> None:
    by_rollups = UsageGroup.USAGE_GROUP_AGENT not in groups
    parts = cover(within, 0, by_rollups=by_rollups)
    await UsageRepository(asked).usage("default", parts, 0, selection.groups(groups), [], Values(), 10)


async def test_rows_are_read_of_the_days_of_the_range(stored: Query) -> None:
    asked = Asked()
    await of_usage(asked, TimeRange(START + DAY + 7, START + 2 * DAY), [UsageGroup.USAGE_GROUP_AGENT])
    assert partitions(plan(stored, asked)) == 1
    await UsageRepository(asked).conversations(
        "default", TimeRange(START + 2 * DAY, START + 4 * DAY), [], Values(), order="cost", after=None, limit=5
    )
    assert partitions(plan(stored, asked)) == 2
    await UsageRepository(asked).turns("default", "c", TimeRange(START + HOUR, START + 2 * HOUR), 5)
    assert partitions(plan(stored, asked)) == 1


async def test_every_statement_is_bounded_by_values_and_names_its_tenant() -> None:
    asked = Asked()
    within = TimeRange(START + 7, START + 3 * DAY + 7)
    await of_usage(asked, within, [UsageGroup.USAGE_GROUP_MODEL])
    await UsageRepository(asked).conversations("default", within, [], Values(), order="last_time", after=None, limit=5)
    await UsageRepository(asked).turns("default", "c", within, 5)
    for statement, parameters in asked.statements[1:3] + asked.statements[-1:]:
        text = statement.as_string(None)
        reads = len(re.findall(r"FROM \"?(?:llm_usage|usage_corrections|llm_traces)", text))
        assert reads >= 1
        assert (
            reads == text.count("WHERE tenant = %(tenant)s AND") == len(re.findall(r"(?:timestamp|bucket) < %\(v\d+\)s", text))
        )
        assert "now()" not in text
        assert "LIMIT %(limit)s" in text
        assert parameters["tenant"] == "default"
