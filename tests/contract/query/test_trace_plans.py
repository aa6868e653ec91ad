"""How hot statements are answered: by the index they are made for, without opening partitions that cannot hold anything.

Of few rows a planner reads all; with `enable_seqscan` off it shows what it takes of many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from llm_observatory.api.v1.trace_query_service_pb2 import SearchTracesRequest
from llm_observatory.codec.rows import Fields
from llm_observatory.query.time_range import DAY, TimeRange
from llm_observatory.query.traces import order, selection
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.search import Search
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Statement
from llm_observatory.storage.read import Parameters, PoolReader
from tests.plugins.query import TENANT, Query
from tests.plugins.traces import HOUR, SECOND, T0, request, span, trace_id

DAYS = 5
TODAY = TimeRange(T0, T0 + HOUR)
WEEK = TimeRange(T0 - 7 * DAY, T0 + HOUR)

Scan = tuple[str, str]
"""Relation, and the index that it is read by, '' for none."""


class Explaining(PoolReader):
    """Explains what it reads."""

    def __init__(self, query: Query) -> None:
        super().__init__(lambda: query.pool)
        self._database = query.database
        self.plans: list[list[Scan]] = []

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        self._explain(statement, parameters)
        return await super().rows(statement, parameters)

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        self._explain(statement, parameters)
        return await super().fields(statement, parameters)

    def _explain(self, statement: Statement, parameters: Parameters) -> None:
        with psycopg.connect(self._database, autocommit=True) as connection:
            connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
            explain = SQL("EXPLAIN (FORMAT JSON) {}").format(statement)
            [(plan,)] = connection.execute(explain, dict(parameters)).fetchall()
            self.plans.append(list(_scans(plan if isinstance(plan, list) else json.loads(plan))))


def _scans(plan: Any) -> Iterator[Scan]:
    if isinstance(plan, list):
        for each in plan:
            yield from _scans(each)
    elif isinstance(plan, dict):
        if "Relation Name" in plan and "telemetry" not in plan["Relation Name"]:
            yield plan["Relation Name"], plan.get("Index Name", "")
        for each in plan.values():
            yield from _scans(each)


@pytest.fixture
async def explaining(query: Query) -> Explaining:
    await query.store(
        *(request(*(span(n, start_time_unix_nano=T0 - day * DAY + n, trace=day + 1) for n in range(9))) for day in range(DAYS))
    )
    many = [
        span(n, span_id=n.to_bytes(8, "big"), start_time_unix_nano=T0 + n * SECOND, trace=n % 600 + 10) for n in range(1, 3000)
    ]
    await query.store(*(request(*many[n::15], service_name=f"s{n}") for n in range(15)))
    with psycopg.connect(query.database, autocommit=True) as connection:
        connection.execute("ANALYZE llm_traces, trace_index")
    return Explaining(query)


async def searched(explaining: Explaining, within: TimeRange, limit: int = 5, **asked: Any) -> list[Scan]:
    """The scans of the search itself."""
    values = Values()
    asking = SearchTracesRequest(**asked)
    search = Search(TENANT, [within], selection.conditions(asking, values), values, order.order_of(asking.order))
    assert len(await TraceRepository(explaining).search(search, None, limit)) == limit
    return explaining.plans[0]


@pytest.mark.parametrize(
    "asked, index",
    [
        ({}, "tenant_timestamp|traces_timestamp"),
        ({"status_codes": [0]}, "tenant_timestamp|traces_timestamp"),
        ({"service_names": ["s1"]}, "tenant_service_name_timestamp|service_timestamp"),
    ],
    ids=["all", "status", "service"],
)
async def test_the_newest_are_read_by_the_index_of_time(explaining: Explaining, asked: dict[str, Any], index: str) -> None:
    [(_, used)] = await searched(explaining, TODAY, **asked)
    assert re.search(index, used), used


async def test_no_day_is_opened_that_the_range_leaves_out(explaining: Explaining) -> None:
    assert len(await searched(explaining, TODAY, order=2)) == 1
    explaining.plans.clear()
    assert len(await searched(explaining, WEEK, limit=3020, order=2)) == DAYS


async def test_what_is_said_of_found_spans_is_read_where_they_are(explaining: Explaining) -> None:
    values = Values()
    repository = TraceRepository(explaining)
    search = Search(TENANT, [TODAY], [], values, order.NEWEST)
    keys = await repository.search(search, None, 3)
    explaining.plans.clear()
    assert len(await repository.summaries(search, keys)) == 3
    [[(_, used)]] = explaining.plans
    assert used


async def test_a_trace_is_found_by_its_index_and_read_in_its_day_only(query: Query, explaining: Explaining) -> None:
    from llm_observatory.query.traces import repository

    bounds = await explaining.rows(repository._BOUNDS, {"tenant": TENANT, "trace_id": trace_id(20).hex()})
    assert all(re.search("trace_id", used) for _, used in explaining.plans[0])
    assert len(explaining.plans[0]) >= DAYS
    [(first, last)] = bounds
    parameters = {"tenant": TENANT, "trace_id": trace_id(20).hex(), "first": first, "last": last}
    assert len(await explaining.fields(repository._SPANS, parameters)) == 5
    [(_, used)] = explaining.plans[1]
    assert re.search("trace_id", used), used
