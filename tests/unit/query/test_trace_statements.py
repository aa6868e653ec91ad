"""The shape of every statement about traces, as it was last looked at.

`WRITE_STATEMENTS=1` writes it anew: look at the difference.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue, NumberBounds
from llm_observatory.api.v1.trace_query_service_pb2 import (
    GetTraceMetricsRequest,
    SearchTracesRequest,
    TraceMetricsGroup,
    TraceOrder,
)
from llm_observatory.codec.rows import Fields
from llm_observatory.query.time_range import TimeRange
from llm_observatory.query.traces import numbers, order, selection
from llm_observatory.query.traces.attributes import Asked
from llm_observatory.query.traces.order import SpanKey
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.search import Search
from llm_observatory.query.traces.sums import DAY, HOUR, pieces
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import Statement
from llm_observatory.storage.read import Parameters, Reader

LOOKED_AT = Path(__file__).parent / "statements" / "traces.sql"
TENANT, TRACE_ID = "default", bytes(range(16))
WITHIN = TimeRange(20_000 * DAY, 20_000 * DAY + 2 * HOUR)
AFTER = SpanKey(None, WITHIN.start + 1, TRACE_ID, b"12345678")


class Recorder:
    """A Reader that only remembers what it was asked for."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        written = self._remember(statement, parameters)
        # A trace is somewhere, calls were at some time; nothing else is found.
        now = datetime(2025, 1, 1, tzinfo=UTC)
        return [(now, now)] if "FROM trace_index" in written else [(now,)] if written.startswith("SELECT min(") else []

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        self._remember(statement, parameters)
        return []

    async def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncGenerator[list[Fields], None]:
        self._remember(statement, parameters)
        nothing: list[list[Fields]] = []
        for rows_of_none in nothing:
            yield rows_of_none

    @asynccontextmanager
    async def on_one_connection(self) -> AsyncIterator[Reader]:
        yield self

    def _remember(self, statement: Statement, parameters: Parameters) -> str:
        written = "\n".join(line for line in statement.as_string(None).splitlines() if not line.startswith("--"))
        for name in parameters:
            assert not isinstance(parameters[name], type), name
        self.statements.append(written)
        return written


SEARCHES = {
    "the newest": SearchTracesRequest(),
    "the newest of a service": SearchTracesRequest(service_names=["shop"]),
    "every condition": SearchTracesRequest(
        service_names=["shop", "db"],
        span_names=["chat"],
        kinds=[Span.SPAN_KIND_SERVER],
        status_codes=[Status.STATUS_CODE_ERROR],
        min_duration_nano=1,
        max_duration_nano=2,
        entry_spans_only=True,
        attributes=[
            AttributeFilter(key="k", equals=AttributeValue(int_value=1)),
            AttributeFilter(key="user.id", exists=True),
            AttributeFilter(key="gen_ai.usage.input_tokens", number=NumberBounds(at_least=1)),
            AttributeFilter(key="gen_ai.request.model", prefix="gpt"),
        ],
        conversation_id="c",
        user_id="u",
        agent_name="a",
        model="m",
    ),
    "the slowest": SearchTracesRequest(order=TraceOrder.TRACE_ORDER_SLOWEST),
    "the costliest": SearchTracesRequest(order=TraceOrder.TRACE_ORDER_COSTLIEST),
}


async def written() -> str:
    found: list[str] = []

    async def section(name: str, ask: Any) -> None:
        recorder = Recorder()
        await ask(TraceRepository(recorder))
        assert recorder.statements
        found.extend(f"-- {name}\n{statement}\n" for statement in recorder.statements)

    async def whole(repository: TraceRepository) -> None:
        async for _ in repository.trace(TENANT, TRACE_ID, content=True):
            pass

    await section("a trace", whole)
    for name, asked in SEARCHES.items():
        values, by = Values(), order.order_of(asked.order)
        search = Search(TENANT, [WITHIN], selection.conditions(asked, values), values, by)
        after = AFTER._replace(value=1 if by.valued is not None else None)
        await section(f"spans: {name}", lambda repository, search=search: repository.search(search, None, 20))
        await section(f"spans: {name}, a page", lambda repository, search=search, a=after: repository.search(search, a, 20))
    day = TimeRange(WITHIN.start, WITHIN.start + DAY)
    slowest = Search(TENANT, [day], [], Values(), order.SLOWEST, in_rollups=True)
    await section("spans: the slowest of a day", lambda repository: repository.search(slowest, None, 20))
    await section("summaries", lambda repository: repository.summaries(TENANT, [AFTER]))
    await section("costs", lambda repository: repository.costs(TENANT, [AFTER]))
    await section("whole spans", lambda repository: repository.spans(TENANT, [AFTER]))
    await section("services", lambda repository: repository.services(TENANT, pieces(WITHIN, "hourly"), 10))
    for name, within, step in (
        ("hours", WITHIN, HOUR),
        ("days and edges", TimeRange(WITHIN.start - DAY - 1, WITHIN.end + 1), 0),
        ("rows", WITHIN, 60),
    ):
        request = GetTraceMetricsRequest(
            group_by=[TraceMetricsGroup.TRACE_METRICS_GROUP_SERVICE, TraceMetricsGroup.TRACE_METRICS_GROUP_KIND],
            step_nano=step,
            entry_spans_only=True,
        )
        request.time_range.start_time_unix_nano, request.time_range.end_time_unix_nano = within
        if step == 60:
            request.time_range.end_time_unix_nano = within.start + 600
        await section(f"numbers: {name}", lambda repository, request=request: numbers.metrics(repository, TENANT, request, 0))
    sampled = Asked(WITHIN, "shop", "k", 10)
    await section("operations", lambda repository: numbers.operations(repository, TENANT, WITHIN, "shop"))
    await section("attribute keys", lambda repository: repository.attribute_keys(TENANT, sampled))
    await section("attribute values", lambda repository: repository.attribute_values(TENANT, "k", 0, sampled))
    await section(
        "values of a column", lambda repository: repository.attribute_values(TENANT, "gen_ai.request.temperature", 1, sampled)
    )
    await section("service graph", lambda repository: repository.service_graph(TENANT, WITHIN, "shop"))
    return "\n".join(found)


async def test_statements_are_those_that_were_looked_at() -> None:
    now = await written()
    if os.environ.get("WRITE_STATEMENTS"):
        LOOKED_AT.write_text(now, encoding="utf-8")
    assert now == LOOKED_AT.read_text(encoding="utf-8")


async def test_every_statement_but_one_is_bounded_in_time() -> None:
    for statement in (await written()).split("\n\n"):
        for table in ("llm_traces", "llm_content", "trace_metrics_hourly", "trace_metrics_daily"):
            if f"FROM {table}" in statement or f'FROM "{table}"' in statement:
                assert "timestamp >= " in statement or "bucket >= " in statement, statement
        assert "now()" not in statement
