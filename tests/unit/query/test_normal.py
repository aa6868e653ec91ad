"""Requests that ask the same are equal; those that do not are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.api.v1 import log_query_service_pb2 as logs
from llm_observatory.api.v1 import trace_query_service_pb2 as traces
from llm_observatory.api.v1 import usage_query_service_pb2 as usage
from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue, AttributeValues, TimeRange
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import page
from llm_observatory.query.normal import SETS, normal, written

HOUR = 3600 * 10**9
EQUALS = AttributeFilter(key="a", equals=AttributeValue(int_value=1))
EXISTS = AttributeFilter(key="b", exists=True)


def any_of(*values: str) -> AttributeFilter:
    made = AttributeFilter(key="c")
    getattr(made, "in").CopyFrom(AttributeValues(values=[AttributeValue(string_value=value) for value in values]))
    return made


SAME: list[tuple[Message, Message]] = [
    (traces.SearchTracesRequest(service_names=["b", "a", "b"]), traces.SearchTracesRequest(service_names=["a", "b"])),
    (
        traces.SearchTracesRequest(kinds=[Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL]),
        traces.SearchTracesRequest(kinds=[Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT]),
    ),
    (traces.SearchTracesRequest(attributes=[EQUALS, EXISTS]), traces.SearchTracesRequest(attributes=[EXISTS, EQUALS])),
    (traces.SearchTracesRequest(attributes=[any_of("x", "y")]), traces.SearchTracesRequest(attributes=[any_of("y", "x")])),
    (traces.SearchTracesRequest(), traces.SearchTracesRequest(order=traces.TRACE_ORDER_NEWEST)),
    (
        logs.SearchLogsRequest(time_range=TimeRange(end_time_unix_nano=5 * HOUR)),
        logs.SearchLogsRequest(time_range=TimeRange(start_time_unix_nano=4 * HOUR, end_time_unix_nano=5 * HOUR)),
    ),
    (
        logs.SearchLogsRequest(selection=logs.LogSelection(service_names=["b", "a"])),
        logs.SearchLogsRequest(selection=logs.LogSelection(service_names=["a", "b"])),
    ),
]

DIFFERENT: list[tuple[Message, Message]] = [
    (
        usage.GetUsageRequest(group_by=[usage.USAGE_GROUP_MODEL, usage.USAGE_GROUP_USER]),
        usage.GetUsageRequest(group_by=[usage.USAGE_GROUP_USER, usage.USAGE_GROUP_MODEL]),
    ),
    (traces.SearchTracesRequest(service_names=["a"]), traces.SearchTracesRequest(span_names=["a"])),
    (
        traces.SearchTracesRequest(attributes=[AttributeFilter(key="a", equals=AttributeValue(int_value=1))]),
        traces.SearchTracesRequest(attributes=[AttributeFilter(key="a", equals=AttributeValue(double_value=1))]),
    ),
    (traces.SearchTracesRequest(attributes=[any_of("x")]), traces.SearchTracesRequest(attributes=[any_of("x", "y")])),
    (traces.SearchTracesRequest(page_token="a"), traces.SearchTracesRequest()),
]


@pytest.mark.parametrize("pair", SAME, ids=range(len(SAME)))
def test_the_same_question(pair: tuple[Message, Message]) -> None:
    one, other = pair
    assert written(normal(one)) == written(normal(other))
    assert written(one) != written(other)


@pytest.mark.parametrize("pair", DIFFERENT, ids=range(len(DIFFERENT)))
def test_another_question(pair: tuple[Message, Message]) -> None:
    one, other = pair
    assert written(normal(one)) != written(normal(other))


def test_the_request_itself_is_left_alone() -> None:
    request = traces.SearchTracesRequest(service_names=["b", "a"])
    normal(request)
    assert request == traces.SearchTracesRequest(service_names=["b", "a"])


@pytest.mark.parametrize("other", [["a", "b"], ["b", "a", "a"]])
def test_a_token_goes_with_every_spelling_of_its_question(other: list[str]) -> None:
    token = page.token(traces.SearchTracesRequest(service_names=["b", "a"]), [1])
    assert page.key(traces.SearchTracesRequest(service_names=other, page_token=token), 1) == [1]
    with pytest.raises(InvalidQuery):
        page.key(traces.SearchTracesRequest(service_names=["a"], page_token=token), 1)


def test_sets_are_fields_that_there_are() -> None:
    repeated = set()

    def look(descriptor: object, seen: set[str]) -> None:
        for field in descriptor.fields:  # type: ignore[attr-defined]
            if field.is_repeated:
                repeated.add(field.name)
            if field.message_type is not None and field.message_type.full_name not in seen:
                look(field.message_type, seen | {field.message_type.full_name})

    requests: list[Callable[[], object]] = [traces.SearchTracesRequest, traces.GetTraceMetricsRequest, usage.GetUsageRequest]
    for request in requests:
        look(request.DESCRIPTOR, set())  # type: ignore[attr-defined]
    assert repeated >= SETS
