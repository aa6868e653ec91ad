"""SearchTraces: every condition, three orders, pages that stay where they are."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue, NumberBounds, TimeRange
from llm_observatory.api.v1.trace_query_service_pb2 import (
    TRACE_ORDER_COSTLIEST,
    TRACE_ORDER_NEWEST,
    TRACE_ORDER_SLOWEST,
    SearchTracesRequest,
    TraceOrder,
)
from llm_observatory.query import page
from llm_observatory.query.records import MESSAGE_BYTES
from llm_observatory.query.time_range import resolve
from llm_observatory.query.traces import search as searching
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.slow import floor_ns
from llm_observatory.storage import touched
from llm_observatory.storage.connection import connect
from llm_observatory.storage.search_filters import work_off
from tests.plugins.otlp_messages import NOW
from tests.plugins.query import Query
from tests.plugins.traces import HOUR, MS, T0, at_now, request, span, stub_of, trace_id

ALL = TimeRange(start_time_unix_nano=T0, end_time_unix_nano=T0 + HOUR)


@pytest.fixture
async def stub(query: Query) -> Any:
    return stub_of(await query.serve(at_now(query.reader)))


async def search(stub: Any, **asked: Any) -> list[int]:
    """The numbers of the spans that are found."""
    answer = await stub.SearchTraces(SearchTracesRequest(**({"time_range": ALL} | asked)))
    return [found.summary.span_id[-1] - 1 for found in answer.spans]


async def pages(stub: Any, span: TimeRange = ALL, **asked: Any) -> list[list[int]]:
    """The numbers on each page."""
    found: list[list[int]] = []
    token = ""
    while not found or token:
        answer = await stub.SearchTraces(SearchTracesRequest(time_range=span, page_token=token, **asked))
        found.append([each.summary.span_id[-1] - 1 for each in answer.spans])
        token = answer.next_page_token
    return found


CONDITIONS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [6, 5, 4, 3, 2, 1, 0]),
    ({"service_names": ["shop"]}, [4, 3, 2, 1, 0]),
    ({"service_names": ["shop", "db"]}, [6, 4, 3, 2, 1, 0]),
    ({"service_names": [""]}, [5]),
    ({"span_names": ["chat", "nothing"]}, [6, 5, 4, 2, 0]),
    ({"kinds": [2, 5]}, [4, 3]),
    ({"kinds": [0]}, []),
    ({"status_codes": [2]}, [4, 1]),
    ({"min_duration_nano": 3 * MS}, [6, 5, 4, 3]),
    ({"max_duration_nano": 3 * MS, "min_duration_nano": 2 * MS}, [3, 2]),
    ({"min_duration_nano": 2**64 - 1}, []),
    ({"entry_spans_only": True}, [6, 5, 4, 3, 1, 0]),
    ({"conversation_id": "c1"}, [2]),
    ({"user_id": "u1"}, [2, 0]),
    ({"agent_name": "planner"}, [1]),
    ({"model": "gpt-5"}, [3, 0]),
    ({"model": "gpt-5-2026"}, [0]),
    ({"attributes": [AttributeFilter(key="n", number=NumberBounds(at_least=2, less_than=3))]}, [2]),
    ({"attributes": [AttributeFilter(key="user.id", exists=True), AttributeFilter(key="n", exists=True)]}, [2, 0]),
    ({"attributes": [AttributeFilter(key="zone", equals=AttributeValue(string_value="eu"))]}, [6]),
    ({"service_names": ["db"], "attributes": [AttributeFilter(key="zone", prefix="e")], "kinds": [3]}, [6]),
    ({"page_size": 2}, [6, 5]),
    ({"order": TRACE_ORDER_NEWEST}, [6, 5, 4, 3, 2, 1, 0]),
    ({"order": TRACE_ORDER_SLOWEST}, [6, 5, 4, 3, 2, 0]),
    ({"order": TRACE_ORDER_COSTLIEST}, [2, 0]),
    ({"order": TRACE_ORDER_SLOWEST, "service_names": ["shop"], "page_size": 1}, [4]),
]


async def test_every_condition_restricts(query: Query, stub: Any) -> None:
    failed = Status(code=Status.STATUS_CODE_ERROR)
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5"}
    await query.store(
        request(
            span(0, items=chat | {"n": 0, "user.id": "u1", "gen_ai.response.model": "gpt-5-2026", "gen_ai.usage.cost": 0.25}),
            span(1, name="plan", status=failed, took=None, items={"gen_ai.agent.name": "planner"}),
            span(
                2,
                parent_span_id=b"parent00",
                items={"n": 2, "gen_ai.operation.name": "chat", "user.id": "u1", "session.id": "c1", "gen_ai.usage.cost": 1.5},
            ),
            span(3, name="serve", kind=2, parent_span_id=b"parent00", items={"gen_ai.request.model": "gpt-5"}),
            span(4, kind=5, parent_span_id=b"parent00", status=failed, items={"gen_ai.usage.cost": 9.0}),
        ),
        request(span(5), service_name=""),
        request(span(6), service_name="db", resource={"zone": "eu"}),
    )
    answers = [(asked, await search(stub, **asked)) for asked, _ in CONDITIONS]
    assert answers == CONDITIONS


async def test_a_summary_says_what_a_list_shows(query: Query, stub: Any) -> None:
    items = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "a",
        "gen_ai.response.model": "b", "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 0,
        "gen_ai.usage.cost": 0.5, "gen_ai.conversation.id": "c", "user.id": "u",
        "gen_ai.agent.name": "g", "gen_ai.tool.name": "t", "error.type": "e",
    }  # fmt: skip
    start = T0 + 123
    bad = Status(code=Status.STATUS_CODE_ERROR, message="no")
    await query.store(request(span(7, start_time_unix_nano=start, status=bad, parent_span_id=b"12345678", items=items)))
    answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL))
    assert not answer.spans[0].HasField("span")
    assert {field.name: value for field, value in answer.spans[0].summary.ListFields()} == {
        "trace_id": trace_id(1), "span_id": (8).to_bytes(8, "big"), "parent_span_id": b"12345678", "service_name": "shop",
        "span_name": "chat", "kind": 3, "start_time_unix_nano": start, "duration_nano": 7 * MS, "status_code": 2,
        "status_message": "no", "provider": "openai", "operation": "chat", "request_model": "a", "response_model": "b",
        "input_tokens": 12, "output_tokens": 0, "cost_usd": 0.5, "conversation_id": "c", "user_id": "u", "agent_name": "g",
        "tool_name": "t", "error_type": "e",
    }  # fmt: skip


async def test_the_price_table_says_what_a_call_cost_before_the_client_does(query: Query, stub: Any) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    tokens = {"gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 100_000}
    await query.store(
        request(
            span(0, items=call | tokens | {"gen_ai.usage.cost": 100.0}),
            span(1, items=call | tokens | {"gen_ai.usage.output_tokens": 200_000}),
            span(2, items=call | {"gen_ai.usage.cost": 0.5}),
            span(3, items=call),
            span(4, items=call | tokens | {"gen_ai.operation.name": "invoke_agent"}),
        )
    )
    answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL, order=TRACE_ORDER_COSTLIEST))
    assert [(each.summary.span_id[-1] - 1, each.summary.cost_usd) for each in answer.spans] == [(1, 4.5), (0, 3.5), (2, 0.5)]
    everything = (await stub.SearchTraces(SearchTracesRequest(time_range=ALL))).spans
    assert [each.summary.HasField("cost_usd") for each in everything] == [False, False, True, True, True]


async def test_what_is_not_known_is_not_set(query: Query, stub: Any) -> None:
    await query.store(request(span(0, took=None)))
    [found] = (await stub.SearchTraces(SearchTracesRequest(time_range=ALL))).spans
    assert [field.name for field, _ in found.summary.ListFields()] == [
        "trace_id", "span_id", "service_name", "span_name", "kind", "start_time_unix_nano", "is_entry",
    ]  # fmt: skip


@pytest.mark.parametrize("order", [TRACE_ORDER_NEWEST, TRACE_ORDER_SLOWEST, TRACE_ORDER_COSTLIEST])
async def test_pages_follow_each_other_and_a_span_that_came_twice_is_on_one(
    query: Query, stub: Any, order: TraceOrder.ValueType
) -> None:
    spans = [
        span(
            number,
            start_time_unix_nano=T0 + number % 3,
            took=number // 2 * MS,
            items={"gen_ai.operation.name": "chat", "gen_ai.usage.cost": number // 4 / 8},
        )
        for number in range(12)
    ]
    await query.store(*(request(each) for each in spans), request(*spans), request(*spans[3:9]))
    alike = {TRACE_ORDER_NEWEST: 12, TRACE_ORDER_SLOWEST: 2, TRACE_ORDER_COSTLIEST: 4}[order]
    expected = sorted(range(12), key=lambda number: (number // alike, number % 3, number), reverse=True)
    assert await search(stub, order=order) == expected
    assert await pages(stub, order=order, page_size=5) == [expected[:5], expected[5:10], expected[10:]]
    assert await pages(stub, order=order, page_size=4) == [expected[:4], expected[4:8], expected[8:]]


def revised(number: int, *, took: int | None, cost: float, model: str = "final", **items: Any) -> Span:
    """A span as it is sent again and again: what changes are its end and its items."""
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.usage.cost": cost}
    return span(number, took=took, items=chat | items)


@pytest.mark.parametrize("order", [TRACE_ORDER_NEWEST, TRACE_ORDER_SLOWEST, TRACE_ORDER_COSTLIEST])
async def test_a_span_that_was_sent_again_and_changed_is_found_once_as_its_longest_copy(
    query: Query, stub: Any, order: TraceOrder.ValueType
) -> None:
    took = {number: (number * 5 % 12 + 20) * MS for number in range(12)}
    cost = {number: (number * 7 % 12 + 20) / 8 for number in range(12)}
    final = [revised(number, took=took[number], cost=cost[number]) for number in range(12)]
    shorter = [revised(number, took=took[number] - 7 * MS, cost=cost[number] + 0.75) for number in range(0, 12, 2)]
    unfinished = [revised(number, took=None, cost=cost[number] - 0.75) for number in range(0, 12, 3)]
    await query.store(request(*shorter[:3], *unfinished[:2]), request(*final), request(*shorter[3:], *unfinished[2:]))
    by: Any = {TRACE_ORDER_NEWEST: lambda n: n, TRACE_ORDER_SLOWEST: took.get, TRACE_ORDER_COSTLIEST: cost.get}[order]
    expected = sorted(range(12), key=by, reverse=True)
    answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL, order=order, include_spans=True))
    assert [found.summary.span_id[-1] - 1 for found in answer.spans] == expected
    shown = [(found.summary.duration_nano, found.summary.cost_usd) for found in answer.spans]
    assert shown == [(took[number], cost[number]) for number in expected]
    assert [found.span for found in answer.spans] == [final[number] for number in expected]
    for size in (1, 5, 6, 11):
        cut = [expected[at : at + size] for at in range(0, 12, size)]
        assert await pages(stub, order=order, page_size=size) == cut


@pytest.mark.parametrize("order", [TRACE_ORDER_NEWEST, TRACE_ORDER_SLOWEST, TRACE_ORDER_COSTLIEST])
async def test_of_copies_those_count_that_fulfil_the_conditions(query: Query, stub: Any, order: TraceOrder.ValueType) -> None:
    await query.store(
        request(revised(0, took=9 * MS, cost=1.0), revised(1, took=2 * MS, cost=3.0, model="draft")),
        request(revised(0, took=3 * MS, cost=2.0, model="draft"), revised(1, took=4 * MS, cost=4.0)),
    )
    for model, expected in (("draft", {0: (3, 2.0), 1: (2, 3.0)}), ("final", {0: (9, 1.0), 1: (4, 4.0)})):
        answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL, order=order, model=model, include_spans=True))
        shown = {
            found.summary.span_id[-1] - 1: (found.summary.duration_nano / MS, found.summary.cost_usd) for found in answer.spans
        }
        assert shown == expected
        assert len(answer.spans) == 2
        assert {found.summary.request_model for found in answer.spans} == {model}
        durations = {found.span.end_time_unix_nano - found.span.start_time_unix_nano for found in answer.spans}
        assert durations == {took * MS for took, _ in expected.values()}


async def test_of_copies_that_last_the_same_the_one_that_reports_more_counts(query: Query, stub: Any) -> None:
    copies: list[dict[str, Any]] = [
        {"gen_ai.usage.output_tokens": 2, "gen_ai.usage.input_tokens": 9},
        {"gen_ai.usage.output_tokens": 3, "gen_ai.usage.input_tokens": 4},
        {"gen_ai.usage.output_tokens": 3},
        {},
    ]
    for order in (copies, copies[::-1]):
        number = order[0].get("gen_ai.usage.input_tokens", 0)
        await query.store(*(request(revised(number, took=MS, cost=1.0 + at, **items)) for at, items in enumerate(order)))
    found = (await stub.SearchTraces(SearchTracesRequest(time_range=ALL))).spans
    assert [(each.summary.output_tokens, each.summary.input_tokens) for each in found] == [(3, 4), (3, 4)]


async def test_of_what_was_said_again_the_longest_counts(query: Query, stub: Any) -> None:
    said = ["a word", "a word and another", "a"]
    for number, order in enumerate((said, said[::-1])):
        await query.store(*(request(span(number, took=MS, items={"gen_ai.input.messages": text})) for text in order))
    answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL, include_spans=True))
    assert [found.span.attributes[0].value.string_value for found in answer.spans] == [said[1]] * 2


@pytest.mark.parametrize("order", [TRACE_ORDER_NEWEST, TRACE_ORDER_SLOWEST])
async def test_what_comes_in_meanwhile_moves_nothing(query: Query, stub: Any, order: TraceOrder.ValueType) -> None:
    await query.store(request(*(span(number * 10) for number in range(6))))
    asked = SearchTracesRequest(time_range=ALL, order=order, page_size=2)
    first = await stub.SearchTraces(asked)
    await query.store(request(span(55), span(45), span(25)))
    asked.page_token = first.next_page_token
    second = await stub.SearchTraces(asked)
    assert [[found.summary.span_id[-1] - 1 for found in answer.spans] for answer in (first, second)] == [[50, 40], [30, 25]]


async def test_a_token_of_another_question_is_refused(query: Query, stub: Any) -> None:
    await query.store(request(span(1), span(2)))
    token = (await stub.SearchTraces(SearchTracesRequest(time_range=ALL, page_size=1))).next_page_token
    slowest = SearchTracesRequest(time_range=ALL, order=TRACE_ORDER_SLOWEST)
    made_up = page.token(slowest, [True, T0, trace_id(1).hex(), bytes(8).hex()])
    for asked in (
        {"page_token": token, "model": "x"},
        {"page_token": "nonsense"},
        {"page_token": "AAAAAAAAAAAAW10"},
        {"page_token": made_up, "order": TRACE_ORDER_SLOWEST},
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await search(stub, **asked)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "page_token" in (raised.value.details() or "")


async def test_bounds_of_time_are_exact_to_the_nanosecond(query: Query, stub: Any) -> None:
    starts = [T0 + 999, T0 + 1000, T0 + 1001, T0 + 1999, T0 + 2000]
    await query.store(request(*(span(number, start_time_unix_nano=start) for number, start in enumerate(starts))))
    for start, end in ((T0 + 1000, T0 + 2000), (T0 + 1001, T0 + 1999), (T0 + 999, T0 + 1000), (T0 + 1001, T0 + 2001)):
        within = TimeRange(start_time_unix_nano=start, end_time_unix_nano=end)
        expected = [number for number, at in enumerate(starts) if start <= at < end][::-1]
        assert await search(stub, time_range=within) == expected


async def test_whole_spans_come_as_they_were_sent_with_who_sent_them(query: Query, stub: Any) -> None:
    sent = [span(n, items={"k": n, "gen_ai.input.messages": f"said {n}"}, start_time_unix_nano=T0 + n) for n in range(3)]
    await query.store(request(*sent[:2]), request(sent[2], service_name="db"), request(sent[0]))
    answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL, include_spans=True))
    assert [found.span for found in answer.spans] == sent[::-1]
    names = [answer.sources[found.source_index].resource.attributes[0].value.string_value for found in answer.spans]
    assert names == ["db", "shop", "shop"]
    assert len(answer.sources) == 2


async def test_a_page_of_large_spans_ends_early(query: Query, stub: Any) -> None:
    large = {f"k{number}": "x" * 400_000 for number in range(3)}
    await query.store(*(request(span(number, items=large)) for number in range(5)))
    assert await pages(stub, include_spans=True) == [[4, 3], [2, 1], [0]]
    answer = await stub.SearchTraces(SearchTracesRequest(time_range=ALL, include_spans=True))
    assert answer.ByteSize() < MESSAGE_BYTES


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"page_size": 1001}, "page_size: is above 1000"),
        ({"order": 9}, "order: is 9"),
        ({"min_duration_nano": 2, "max_duration_nano": 1}, "min_duration_nano: is above max_duration_nano"),
        ({"service_names": ["x"] * 101}, "service_names: has more than 100 entries"),
        ({"user_id": "\0"}, "user_id: has a NUL character"),
        ({"attributes": [AttributeFilter(key="k")]}, "attributes[0].condition: is required"),
        ({"time_range": TimeRange(start_time_unix_nano=1, end_time_unix_nano=T0)}, "time_range: is longer than 90 days"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
async def test_what_makes_no_sense_is_named(stub: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await search(stub, **asked)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert said in (raised.value.details() or "")


async def test_hours_that_cannot_hold_an_attribute_are_left_out_and_what_comes_late_is_found(query: Query, stub: Any) -> None:
    hours = range(20)
    items = [{"k": hour % 5, "session.id": f"c{hour % 7}"} for hour in hours]
    await query.store(
        *(request(span(hour, start_time_unix_nano=T0 - hour * HOUR, items=items[hour])) for hour in hours),
        request(span(30, start_time_unix_nano=T0 - 8 * HOUR, items={"k": 1}), resource={"zone": "eu"}),
    )
    connection = await connect(query.database)
    try:
        now = datetime.fromtimestamp(NOW / 1e6, UTC)
        await touched.collect(connection, (), time.monotonic() + 60)
        assert await work_off(connection, now, now - timedelta(days=1)) >= len(hours)
    finally:
        await connection.close()
    day = TimeRange(start_time_unix_nano=T0 - 23 * HOUR, end_time_unix_nano=T0 + HOUR)
    repository = TraceRepository(query.reader)
    within = resolve(day, NOW * 1000, timedelta(days=2))
    two = AttributeFilter(key="k", equals=AttributeValue(int_value=2))
    parts = await repository.parts("default", within, [two])
    assert [any(part.holds(T0 - hour * HOUR) for part in parts) for hour in hours] == [hour % 5 == 2 for hour in hours]
    await query.store(request(span(40, start_time_unix_nano=T0 - 5 * HOUR, items={"k": 2})))
    assert await search(stub, time_range=day, attributes=[two]) == [2, 40, 7, 12, 17]
    assert await search(stub, time_range=day, attributes=[two], order=TRACE_ORDER_SLOWEST) == [40, 17, 12, 7, 2]
    assert await pages(stub, span=day, attributes=[two], page_size=2) == [[2, 40], [7, 12], [17]]
    assert await search(stub, time_range=day, conversation_id="c3") == [3, 10, 17]
    eu = AttributeFilter(key="zone", equals=AttributeValue(string_value="eu"))
    assert await search(stub, time_range=day, attributes=[eu]) == [30]


@pytest.mark.parametrize("factor", [1, 3, 0.1], ids=["right", "too high", "too low"])
async def test_the_slowest_are_the_same_whatever_the_rollups_say(
    query: Query, stub: Any, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    took = {number: (number * 7919 % 101 + 1) * MS for number in range(100)}
    spans = [span(n, start_time_unix_nano=T0 - 20 * HOUR + n * HOUR // 5, took=took[n]) for n in took]
    await query.store(request(*spans[::2]), request(*spans[1::2], service_name="db"))
    said: list[int | None] = []

    async def guess(*asked: Any) -> int | None:
        floor = await floor_ns(*asked)
        said.append(None if floor is None else int(floor * factor))
        return said[-1]

    monkeypatch.setattr(searching, "floor_ns", guess)
    day = TimeRange(start_time_unix_nano=T0 - 20 * HOUR + 1, end_time_unix_nano=T0 + HOUR)
    slowest = sorted(range(1, 100), key=lambda number: -took[number])
    assert await search(stub, time_range=day, order=TRACE_ORDER_SLOWEST, page_size=7) == slowest[:7]
    assert said[0] is not None
    if factor == 1:
        assert said[0] <= took[slowest[7]]
    of_db = [number for number in slowest if number % 2]
    assert await search(stub, time_range=day, order=TRACE_ORDER_SLOWEST, page_size=7, service_names=["db"]) == of_db[:7]
    assert await search(stub, time_range=day, order=TRACE_ORDER_SLOWEST, page_size=50) == slowest[:50]
    assert (len(said), said[2]) == (3, None), "rollups know the maximum of fewer groups"
    pages_of_two = await pages(stub, span=day, order=TRACE_ORDER_SLOWEST, page_size=60)
    assert pages_of_two == [slowest[:60], slowest[60:]]
    short = TimeRange(start_time_unix_nano=T0 - 3 * HOUR, end_time_unix_nano=T0)
    said.clear()
    await search(stub, time_range=short, order=TRACE_ORDER_SLOWEST, page_size=2)
    await search(stub, time_range=day, order=TRACE_ORDER_SLOWEST, page_size=2, status_codes=[0])
    assert said == [None], "a short range and what rollups do not know"
