"""The shape of every statement about traces, as it was last looked at.

`WRITE_STATEMENTS=1` writes it anew: look at the difference.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue, NumberBounds
from llm_observatory.api.v1.trace_query_service_pb2 import (
    GetTraceMetricsRequest,
    SearchTracesRequest,
    TraceMetricsGroup,
    TraceOrder,
)
from llm_observatory.query.time_range import DAY, HOUR, TimeRange
from llm_observatory.query.traces import numbers, order, selection
from llm_observatory.query.traces.attributes import Asked
from llm_observatory.query.traces.order import SpanKey
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.search import Search
from llm_observatory.query.traces.sums import pieces
from llm_observatory.query.values import Values
from tests.plugins import statements

TENANT, TRACE_ID = "default", bytes(range(16))
WITHIN = TimeRange(20_000 * DAY, 20_000 * DAY + 2 * HOUR)
AFTER = SpanKey(None, WITHIN.start + 1, TRACE_ID, b"12345678")
_THEN = datetime(2025, 1, 1, tzinfo=UTC)
ANSWERS: dict[str, list[Any]] = {"FROM trace_index": [(_THEN, _THEN)], "SELECT min(": [(_THEN,)]}
"""A trace is somewhere, calls were at some time; nothing else is found."""

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
        found.append(await statements.section(name, lambda recorder: ask(TraceRepository(recorder)), ANSWERS))

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
    await section("summaries", lambda repository: repository.summaries(slowest, [AFTER]))
    await section("costs", lambda repository: repository.costs(slowest, [AFTER]))
    await section("whole spans", lambda repository: repository.spans(slowest, [AFTER]))
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
    statements.held_against("traces", await written())


async def test_every_statement_but_one_is_bounded_in_time() -> None:
    for statement in (await written()).split("\n\n"):
        for table in ("llm_traces", "llm_content", "trace_metrics_hourly", "trace_metrics_daily"):
            if f"FROM {table}" in statement or f'FROM "{table}"' in statement:
                assert "timestamp >= " in statement or "bucket >= " in statement, statement
        assert "now()" not in statement
