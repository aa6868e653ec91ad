"""ListServices, ListOperations and GetTraceMetrics: from rollups and from rows, and the same from both."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.api.v1.selection_pb2 import TimeRange
from llm_observatory.api.v1.trace_query_service_pb2 import (
    TRACE_METRICS_GROUP_KIND,
    TRACE_METRICS_GROUP_SERVICE,
    TRACE_METRICS_GROUP_SPAN_NAME,
    GetTraceMetricsRequest,
    ListOperationsRequest,
    ListServicesRequest,
    TraceMetricsGroup,
)
from llm_observatory.query.time_range import DAY
from llm_observatory.query.time_range import TimeRange as Within
from llm_observatory.query.traces import numbers
from llm_observatory.query.traces.sums import Piece, pieces
from tests.plugins.query import Query
from tests.plugins.traces import HOUR, MS, SECOND, T0, at_now, request, span, stub_of

BEGIN = T0 // DAY * DAY - 2 * DAY
"""A whole day, two days before yesterday."""
SERVICES = ("shop", "db", "")


@pytest.fixture
async def stub(query: Query) -> Any:
    return stub_of(await query.serve(at_now(query.reader)))


def made(seed: int, number: int) -> dict[str, list[Span]]:
    """Spans over three days by service; some without an end, some that failed."""
    draw = random.Random(seed)
    found: dict[str, list[Span]] = {name: [] for name in SERVICES}
    for place in range(number):
        found[draw.choice(SERVICES)].append(
            span(
                place,
                name=draw.choice(("chat", "embed")),
                kind=draw.choice((1, 2, 3)),
                parent_span_id=draw.choice((b"", b"parent00")),
                start_time_unix_nano=BEGIN + draw.choice((0, 1, HOUR, draw.randrange(3 * DAY), DAY, 2 * DAY - 1)),
                took=draw.choice((None, 0, 17, draw.randrange(10 * SECOND))),
                status=Status(code=draw.choice((Status.STATUS_CODE_UNSET, Status.STATUS_CODE_OK, Status.STATUS_CODE_ERROR))),
            )
        )
    return found


async def store(query: Query, spans: dict[str, list[Span]]) -> list[tuple[str, Span]]:
    await query.store(*(request(*of_service, service_name=name) for name, of_service in spans.items()))
    return [(name, each) for name, of_service in spans.items() for each in of_service]


def between(start: int, end: int) -> TimeRange:
    return TimeRange(start_time_unix_nano=start, end_time_unix_nano=end)


RANGES = [
    (BEGIN, BEGIN + 3 * DAY),
    (BEGIN + 1, BEGIN + 3 * DAY - 1),
    (BEGIN + 17 * MS + 3, BEGIN + 2 * DAY + 5 * HOUR + 999),
    (BEGIN + HOUR, BEGIN + 7 * HOUR),
    (BEGIN + 1, BEGIN + 1000),
]


async def test_services_and_operations_are_counted_to_the_nanosecond(query: Query, stub: Any) -> None:
    spans = await store(query, made(1, 300))
    for start, end in RANGES:
        within = between(start, end)
        inside = [(name, each) for name, each in spans if start <= each.start_time_unix_nano < end]
        failed = Counter(name for name, each in inside if each.status.code == 2)
        hours = {name: max(each.start_time_unix_nano for n, each in inside if n == name) // HOUR * HOUR for name, _ in inside}
        services = (await stub.ListServices(ListServicesRequest(time_range=within))).services
        assert [(s.service_name, s.span_count, s.error_count, s.last_hour_unix_nano) for s in services] == [
            (name, count, failed[name], hours[name]) for name, count in sorted(Counter(name for name, _ in inside).items())
        ]
        operations = (await stub.ListOperations(ListOperationsRequest(time_range=within))).operations
        counted = Counter((name, each.name, each.kind, not each.parent_span_id or each.kind == 2) for name, each in inside)
        assert {(o.service_name, o.span_name, o.kind, o.is_entry): o.span_count for o in operations} == counted
        assert sum(o.error_count for o in operations) == failed.total()
        assert [o.span_count for o in operations] == sorted(counted.values(), reverse=True)
        of_db = (await stub.ListOperations(ListOperationsRequest(time_range=within, service_name="db"))).operations
        assert sum(o.span_count for o in of_db) == sum(name == "db" for name, _ in inside)


GROUPS: tuple[list[TraceMetricsGroup.ValueType], ...] = (
    [],
    [TRACE_METRICS_GROUP_SERVICE],
    [TRACE_METRICS_GROUP_SPAN_NAME, TRACE_METRICS_GROUP_KIND],
)


async def test_rollups_and_rows_say_the_same(query: Query, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(query, made(2, 300))
    steps = (0, HOUR, 5 * HOUR, DAY, 2 * DAY)
    asked = [
        GetTraceMetricsRequest(time_range=between(*within), step_nano=step, group_by=GROUPS[(place + turn) % len(GROUPS)])
        for turn, within in enumerate(RANGES)
        for place, step in enumerate(steps)
    ]
    rolled = [await stub.GetTraceMetrics(each) for each in asked]
    assert [each.from_rollups for each in rolled] == [True] * 20 + [False] * 5
    monkeypatch.setattr(numbers, "pieces", lambda within, *_: [Piece(within, None)])
    rows = [await stub.GetTraceMetrics(each) for each in asked]
    assert not any(each.from_rollups for each in rows)
    assert [by_group(each) for each in rolled] == [by_group(each) for each in rows]


def by_group(answer: Any) -> dict[tuple[Any, ...], Any]:
    return {(s.service_name, s.span_name, s.kind): [MessageToDict(point) for point in s.points] for s in answer.series}


async def test_numbers_are_those_of_the_spans(query: Query, stub: Any) -> None:
    took = [1, 2, 3, 4, 100]
    bad = Status(code=Status.STATUS_CODE_ERROR)
    spans = [span(n, start_time_unix_nano=T0 + n * 10 * SECOND, took=each * MS) for n, each in enumerate(took)]
    await query.store(
        request(*spans, span(9, took=None, status=bad), span(10, start_time_unix_nano=T0 + 35 * SECOND, took=None))
    )
    asked = GetTraceMetricsRequest(time_range=between(T0, T0 + HOUR), step_nano=30 * SECOND)
    answer = await stub.GetTraceMetrics(asked)
    first, second = answer.series[0].points
    assert (first.start_time_unix_nano, first.span_count, first.error_count) == (T0, 4, 1)
    assert (first.duration_ms_mean, first.duration_ms_max) == (2.0, 3.0)
    assert first.duration_ms_p50 == pytest.approx(2.0, rel=0.0218)
    assert (second.start_time_unix_nano, second.span_count) == (T0 + 30 * SECOND, 3)
    assert second.duration_ms_p99 == pytest.approx(100.0, rel=0.0218)
    asked.step_nano = 5 * SECOND
    points = (await stub.GetTraceMetrics(asked)).series[0].points
    assert [(point.start_time_unix_nano - T0) // SECOND for point in points] == [0, 10, 20, 30, 35, 40]
    assert not points[4].HasField("duration_ms_mean")
    assert not points[4].HasField("duration_ms_p50")


async def test_conditions_restrict_rollups_and_rows_alike(query: Query, stub: Any) -> None:
    spans = await store(query, made(3, 200))
    conditions: list[tuple[dict[str, Any], Any]] = [
        ({"service_names": ["db", ""]}, lambda name, each: name in ("db", "")),
        ({"service_names": ["shop"]}, lambda name, each: name == "shop"),
        ({"span_names": ["chat"], "kinds": [1, 3]}, lambda name, each: each.name == "chat" and each.kind in (1, 3)),
        ({"entry_spans_only": True}, lambda name, each: not each.parent_span_id or each.kind == 2),
    ]
    for start, end in RANGES[2:3]:
        for asked, holds in conditions:
            answer = await stub.GetTraceMetrics(GetTraceMetricsRequest(time_range=between(start, end), **asked))
            expected = sum(start <= each.start_time_unix_nano < end and holds(name, each) for name, each in spans)
            assert (answer.series[0].points[0].span_count, asked) == (expected, asked)


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"step_nano": -1}, "step_nano: is negative"),
        ({"step_nano": SECOND, "time_range": between(T0, T0 + HOUR)}, "step_nano: makes more than 2000 buckets"),
        ({"step_nano": 90 * 60 * SECOND, "time_range": between(BEGIN, BEGIN + 2 * DAY)}, "time_range: is longer than 24 hours"),
        ({"time_range": between(T0 - 401 * DAY, T0)}, "time_range: is longer than 400 days"),
        ({"group_by": [0]}, "group_by[0]: is 0"),
    ],
)
async def test_what_makes_no_sense_is_named(stub: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.GetTraceMetrics(GetTraceMetricsRequest(**asked))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in (raised.value.details() or "")


async def test_more_services_than_there_may_be_are_refused(query: Query, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await query.store(*(request(span(n), service_name=f"s{n}") for n in range(3)))
    monkeypatch.setattr(numbers, "MAX_SERVICES", 2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ListServices(ListServicesRequest(time_range=between(T0, T0 + HOUR)))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "more than 2 services" in (raised.value.details() or "")


def test_a_range_is_cut_without_gap_or_overlap() -> None:
    draw = random.Random(5)
    for _ in range(500):
        start = draw.randrange(10 * DAY)
        end = start + draw.choice((1, 999, HOUR, draw.randrange(1, 5 * DAY)))
        cut = pieces(Within(start, end), "daily", "hourly")
        edges = [edge for piece in cut for edge in piece.within]
        assert (edges[0], edges[-1]) == (start, end)
        assert edges[1:-1:2] == edges[2:-1:2]
        for piece in cut:
            length = {"daily": DAY, "hourly": HOUR, None: 1}[piece.grain]
            assert piece.within.start % length == piece.within.end % length == 0
        assert sum(piece.within.end - piece.within.start for piece in cut if piece.grain is None) < 2 * HOUR
