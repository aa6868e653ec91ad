"""GetServiceGraph: calls between services, each once, found by ids."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.api.v1.selection_pb2 import TimeRange
from llm_observatory.api.v1.trace_query_service_pb2 import GetServiceGraphRequest, GetServiceGraphResponse
from llm_observatory.query.traces import graph
from tests.plugins.query import Query
from tests.plugins.traces import HOUR, MS, T0, at_now, request, span, stub_of

SERVER = Span.SPAN_KIND_SERVER


@pytest.fixture
async def stub(query: Query) -> Any:
    return stub_of(await query.serve(at_now(query.reader)))


async def edges(stub: Any, begin: int = T0, end: int = T0 + HOUR, **asked: Any) -> GetServiceGraphResponse:
    within = TimeRange(start_time_unix_nano=begin, end_time_unix_nano=end)
    answer: GetServiceGraphResponse = await stub.GetServiceGraph(GetServiceGraphRequest(time_range=within, **asked))
    return answer


def told(answer: GetServiceGraphResponse) -> list[tuple[str, str, int, int]]:
    return [(edge.client_service_name, edge.server_service_name, edge.call_count, edge.error_count) for edge in answer.edges]


def call(number: int, of: Span, **given: Any) -> Span:
    """A request that this span made, of the same trace."""
    return span(number, **({"kind": SERVER, "parent_span_id": of.span_id} | given))


async def test_calls_are_counted_once_between_services(query: Query, stub: Any) -> None:
    failed = Status(code=Status.STATUS_CODE_ERROR)
    web, inner = span(0), span(1, kind=Span.SPAN_KIND_INTERNAL, parent_span_id=span(0).span_id)
    shop = [call(10, web, took=10 * MS), call(11, inner, took=30 * MS, status=failed), call(12, web, took=20 * MS)]
    db = call(20, shop[0], took=None)
    elsewhere = call(30, web, trace=2)
    itself = call(40, web)
    await query.store(
        request(web, inner, itself, service_name="web"),
        request(*shop, elsewhere, service_name="shop"),
        request(shop[0], service_name="shop"),
        request(web, service_name="web"),
        request(db, service_name="db"),
    )
    answer = await edges(stub)
    assert told(answer) == [("web", "shop", 3, 1), ("shop", "db", 1, 0)]
    assert answer.sampled_spans == 6
    first, second = answer.edges
    assert (first.duration_ms_p50, first.duration_ms_p95, first.duration_ms_p99) == (20.0, 30.0, 30.0)
    assert not second.HasField("duration_ms_p50")
    assert told(await edges(stub, service_name="db")) == [("shop", "db", 1, 0)]
    assert told(await edges(stub, service_name="nobody")) == []


@pytest.mark.parametrize("first", [0, 1, 2])
async def test_of_a_call_that_was_sent_again_and_changed_the_longest_copy_counts(query: Query, stub: Any, first: int) -> None:
    failed = Status(code=Status.STATUS_CODE_ERROR)
    copies = [call(10, span(0), took=9 * MS, status=failed), call(10, span(0), took=8 * MS), call(10, span(0), took=None)]
    await query.store(request(span(0), service_name="web"), *map(request, copies[first:] + copies[:first]))
    answer = await edges(stub)
    assert told(answer) == [("web", "shop", 1, 1)]
    assert answer.edges[0].duration_ms_p50 == 9.0


async def test_the_parent_may_have_begun_up_to_an_hour_before_and_the_call_must_lie_in_the_range(
    query: Query, stub: Any
) -> None:
    near, far = span(0, start_time_unix_nano=T0 - HOUR // 2), span(1, start_time_unix_nano=T0 - 2 * HOUR)
    edge = call(12, near, start_time_unix_nano=T0 + 1)
    outside = call(13, near, start_time_unix_nano=T0)
    await query.store(
        request(near, far, service_name="web"),
        request(edge, outside, call(11, far, start_time_unix_nano=T0 + MS), service_name="shop"),
    )
    answer = await edges(stub, T0 + 1)
    assert told(answer) == [("web", "shop", 1, 0)]
    assert answer.sampled_spans == 2
    assert told(await edges(stub, T0)) == [("web", "shop", 2, 0)]


async def test_without_calls_there_is_nothing(stub: Any) -> None:
    assert await edges(stub) == GetServiceGraphResponse()


async def test_the_newest_calls_are_looked_at(query: Query, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "SAMPLED_SPANS", 2)
    web = span(0)
    await query.store(request(web, service_name="web"), request(*(call(n, web) for n in range(1, 6)), service_name="shop"))
    answer = await edges(stub)
    assert (told(answer), answer.sampled_spans) == ([("web", "shop", 2, 0)], 2)
