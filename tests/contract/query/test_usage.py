"""UsageQueryService: sums of the rollups are those of the rows, calls cost what they cost, conversations come back whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import grpc
import psycopg
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from llm_observatory.api.v1 import usage_query_service_pb2 as pb
from llm_observatory.api.v1.selection_pb2 import TimeRange as AskedRange
from llm_observatory.api.v1.usage_query_service_pb2_grpc import UsageQueryServiceStub
from llm_observatory.query import page
from llm_observatory.query.time_range import DAY, HOUR, TimeRange, nanoseconds
from llm_observatory.query.usage import selection, service
from llm_observatory.query.usage.answer import usage_of
from llm_observatory.query.usage.cover import cover
from llm_observatory.query.usage.repository import UsageFound, UsageRepository
from llm_observatory.query.values import Values
from tests.plugins.query import Query

if TYPE_CHECKING:
    from llm_observatory.api.v1.usage_query_service_pb2_grpc import UsageQueryServiceAsyncStub

Group = pb.UsageGroup
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
START = nanoseconds(BEGIN)
MINUTE = 60_000_000_000


def value(of: Any) -> AnyValue:
    match of:
        case bool():
            return AnyValue(bool_value=of)
        case int():
            return AnyValue(int_value=of)
        case float():
            return AnyValue(double_value=of)
        case str():
            return AnyValue(string_value=of)
        case _:
            return AnyValue(array_value=ArrayValue(values=map(value, of)))


def attributes(given: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(of)) for key, of in given.items() if of is not None]


def call(at: int, number: int, *, trace: int | None = None, failed: bool = False, ms: float = 100, **given: Any) -> Span:
    """A span that calls a model at a time in nanoseconds; names of attributes have no prefix."""
    said = {f"gen_ai.{name.replace('__', '.')}": of for name, of in given.items() if name != "user"}
    if "user" in given:
        said["user.id"] = given["user"]
    return Span(
        trace_id=(trace or number).to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name="chat",
        start_time_unix_nano=at,
        end_time_unix_nano=at + int(ms * 1e6),
        status=Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET),
        attributes=attributes({"gen_ai.operation.name": "chat", **said}),
    )


def spans(*found: Span, service_name: str = "shop") -> ExportTraceServiceRequest:
    resource = Resource(attributes=attributes({"service.name": service_name}))
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=found)])])


def generated(seed: int, number: int, length: int) -> list[ExportTraceServiceRequest]:
    """Calls over `length` nanoseconds from START, some on the edge of an hour."""
    draw = random.Random(seed)
    models = [
        ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
        ("openai", "o3", None),
        ("anthropic", "claude-opus-4-6", "claude-opus-4-6"),
        ("nobody", "unheard-of", None),
        (None, None, None),
    ]
    found: dict[str, list[Span]] = {"shop": [], "agent": []}
    for place in range(1, number + 1):
        at = START + draw.randrange(length)
        provider, asked, answered = draw.choice(models)
        reads = draw.choice([None, 0, 500])
        found[draw.choice(["shop", "agent"])].append(
            call(
                at // HOUR * HOUR if draw.random() < 0.1 else at,
                place + seed * 100_000,
                failed=draw.random() < 0.1,
                ms=draw.lognormvariate(5, 2),
                provider__name=provider,
                request__model=asked,
                response__model=answered,
                usage__input_tokens=draw.choice([None, 100, 3000, 32_001, 200_001, 2**62]),
                usage__output_tokens=draw.choice([None, draw.randint(0, 900)]),
                usage__cache_read__input_tokens=reads,
                usage__cache_write__input_tokens=draw.choice([None, 40]),
                usage__cost=draw.choice([None, 0.25]),
                response__time_to_first_chunk=draw.choice([None, draw.random()]),
                openai__response__service_tier=draw.choice([None, "flex"]),
                agent__name=draw.choice([None, "planner"]),
            )
        )
    return [spans(*calls, service_name=name) for name, calls in found.items()]


async def usage(
    query: Query,
    within: TimeRange,
    step: int,
    group_by: Sequence[pb.UsageGroup.ValueType],
    asked: pb.UsageSelection,
    *,
    by_rollups: bool,
) -> list[UsageFound]:
    values = Values()
    return await UsageRepository(query.reader).usage(
        "default",
        cover(within, step, by_rollups=by_rollups),
        step,
        selection.groups(group_by),
        selection.conditions(asked, values),
        values,
        10_000,
    )


QUESTIONS: list[tuple[TimeRange, int, list[pb.UsageGroup.ValueType], pb.UsageSelection]] = [
    (TimeRange(START, START + 3 * DAY), 0, [], pb.UsageSelection()),
    (TimeRange(START, START + 3 * DAY), DAY, [Group.USAGE_GROUP_MODEL], pb.UsageSelection()),
    (
        TimeRange(START + 17 * MINUTE + 1, START + 3 * DAY - 1),
        HOUR,
        [Group.USAGE_GROUP_SERVICE, Group.USAGE_GROUP_PROVIDER, Group.USAGE_GROUP_ENVIRONMENT],
        pb.UsageSelection(),
    ),
    (TimeRange(START + 5 * HOUR + 3, START + 2 * DAY + 7 * HOUR + 5), 0, [Group.USAGE_GROUP_OPERATION], pb.UsageSelection()),
    (
        TimeRange(START - 30 * DAY, START + 30 * DAY),
        2 * HOUR,
        [Group.USAGE_GROUP_MODEL],
        pb.UsageSelection(service_names=["shop"], models=["gpt-4o-2024-08-06", "o3", ""], providers=["openai", ""]),
    ),
]


def comparable(found: list[UsageFound]) -> list[tuple[int, tuple[str, ...], pb.Usage]]:
    """Sums of doubles depend on the order in which they are summed."""
    rows = [(row.step, row.group, usage_of(row.sums)) for row in found]
    for _, _, sums in rows:
        sums.reported_cost_usd = round(sums.reported_cost_usd, 6)
    return rows


async def test_the_rollups_and_the_rows_give_the_same(query: Query) -> None:
    await query.store(*generated(1, 400, 3 * DAY))
    for within, step, group_by, asked in QUESTIONS:
        by_rollups = await usage(query, within, step, group_by, asked, by_rollups=True)
        assert comparable(by_rollups) == comparable(await usage(query, within, step, group_by, asked, by_rollups=False))
        assert by_rollups


async def test_sums_are_those_of_each_call_by_itself(query: Query) -> None:
    await query.store(*generated(2, 300, 2 * DAY))
    [found] = await usage(query, TimeRange(START, START + 2 * DAY), 0, [], pb.UsageSelection(), by_rollups=True)
    with psycopg.connect(query.database) as connection:
        expected = connection.execute("""
            SELECT count(*), count(*) FILTER (WHERE status_code = 2), sum(input_tokens), sum(llm_cost_usd(
                       input_tokens, llm_fresh_input_tokens(input_tokens, cache_read_tokens, cache_write_tokens),
                       cache_read_tokens, cache_write_tokens, output_tokens,
                       input_usd, cache_read_usd, cache_write_usd, output_usd
                   )),
                   count(*) FILTER (WHERE input_usd IS NULL AND num_nonnulls(input_tokens, output_tokens) > 0),
                   sum(duration_ns), log_histogram_quantile(log_histogram(log_bucket(duration_ms)), 0.95),
                   log_histogram_quantile(log_histogram(log_bucket(ttft_ms)), 0.5)
            FROM llm_traces LEFT JOIN LATERAL llm_rates(
                'default', provider, response_model, request_model, service_tier,
                CASE WHEN input_tokens > 272000 THEN 524288 WHEN input_tokens > 200000 THEN 200000
                     WHEN input_tokens > 32000 THEN 32000 ELSE 0 END
            ) rate ON (timestamp AT TIME ZONE 'UTC')::date >= valid_from AND (timestamp AT TIME ZONE 'UTC')::date < valid_to
        """).fetchone()
    sums, answer = found.sums, usage_of(found.sums)
    assert expected is not None
    assert expected[:-2] == (
        sums.call_count, sums.error_count, sums.input_tokens, sums.cost_usd, sums.unpriced_count, sums.duration_ns_sum,
    )  # fmt: skip
    assert expected[-2:] == pytest.approx((answer.duration_ms_p95, answer.ttft_ms_p50))
    assert answer.cost_usd > 0
    assert answer.unpriced_count > 0
    assert answer.input_tokens == 2**63 - 1, "what int64 cannot hold is its largest"


@pytest.fixture
async def ask(query: Query) -> UsageQueryServiceAsyncStub:
    channel: Any = await query.serve(service(query.reader))
    stub: Any = UsageQueryServiceStub(channel)
    return cast("UsageQueryServiceAsyncStub", stub)


def within(start: int, end: int) -> AskedRange:
    return AskedRange(start_time_unix_nano=start, end_time_unix_nano=end)


ALL = within(START, START + DAY)
GPT: dict[str, Any] = {"provider__name": "openai", "response__model": "gpt-4o-2024-08-06", "usage__input_tokens": 1000}


async def test_usage_is_told_by_time_then_the_dearest_first(query: Query, ask: UsageQueryServiceAsyncStub) -> None:
    await query.store(
        spans(
            call(START + 5, 1, usage__output_tokens=10, agent__name="planner", ms=50, **GPT),
            call(START + 6, 2, failed=True, agent__name="planner", ms=150, **GPT),
            call(START + 7, 3, provider__name="nobody", request__model="unheard-of", usage__input_tokens=7),
            call(START + HOUR, 4, provider__name="openai", request__model="o3"),
        )
    )
    groups = [Group.USAGE_GROUP_PROVIDER, Group.USAGE_GROUP_MODEL]
    found = await ask.GetUsage(pb.GetUsageRequest(time_range=ALL, step_nano=HOUR, group_by=groups))
    assert found.from_rollups
    assert [(row.start_time_unix_nano - START, list(row.group), row.usage.call_count) for row in found.rows] == [
        (0, ["openai", "gpt-4o-2024-08-06"], 2),
        (0, ["nobody", "unheard-of"], 1),
        (HOUR, ["openai", "o3"], 1),
    ]
    dear, unknown, silent = [row.usage for row in found.rows]
    assert (dear.error_count, dear.input_tokens, dear.output_tokens, dear.unpriced_count) == (1, 2000, 10, 0)
    assert dear.cost_usd == pytest.approx(2000 * 2.5e-6 + 10 * 10e-6)
    assert dear.duration_ms_mean == 100
    assert dear.duration_ms_p99 == pytest.approx(150, rel=0.05)
    assert not dear.HasField("ttft_ms_p50")
    assert not unknown.HasField("cost_usd")
    assert unknown.unpriced_count == 1
    assert (silent.unreported_count, silent.HasField("input_tokens"), silent.HasField("cost_usd")) == (1, False, False)
    assert silent.unpriced_count == 0


async def test_agents_are_told_from_the_rows_to_the_nanosecond_and_repeated_spans_once(
    query: Query, ask: UsageQueryServiceAsyncStub
) -> None:
    one = call(START + 5, 1, agent__name="planner", conversation__id="c", user="ada", **GPT)
    await query.store(spans(one), spans(one, call(START + 6, 2, **GPT)))
    asked = pb.GetUsageRequest(time_range=within(START + 5, START + 6), group_by=[Group.USAGE_GROUP_AGENT])
    found = await ask.GetUsage(asked)
    assert not found.from_rollups
    assert [(list(row.group), row.start_time_unix_nano, row.usage.input_tokens) for row in found.rows] == [
        (["planner"], START + 5, 1000)
    ]
    chosen = pb.UsageSelection(user_ids=["ada"], conversation_ids=["c", ""], agent_names=["planner"])
    [row] = (await ask.GetUsage(pb.GetUsageRequest(time_range=ALL, selection=chosen))).rows
    assert row.usage.call_count == 1


@pytest.mark.parametrize(
    "change, field",
    [
        (lambda asked: setattr(asked, "step_nano", -1), "step_nano: is negative"),
        (lambda asked: setattr(asked, "step_nano", DAY // 2001), "step_nano: makes more than 2000 buckets"),
        (lambda asked: asked.group_by.append(77), "group_by[0]: is 77"),
        (lambda asked: asked.group_by.extend([1, 1]), "group_by[1]: is there already"),
        (lambda asked: asked.selection.models.append("x" * 513), "selection.models[0]: is longer than 512 bytes"),
        (lambda asked: asked.time_range.CopyFrom(within(START, START + 401 * DAY)), "time_range: is longer than 400 days"),
        (
            lambda asked: (asked.time_range.CopyFrom(within(START, START + 32 * DAY)), asked.group_by.append(6)),
            "time_range: is longer than 31 days",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_field(
    ask: UsageQueryServiceAsyncStub, change: Callable[[pb.GetUsageRequest], object], field: str
) -> None:
    asked = pb.GetUsageRequest(time_range=ALL)
    change(asked)
    with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT") as refused:
        await ask.GetUsage(asked)
    assert field in (refused.value.details() or "")


async def test_conversations_come_page_by_page_in_either_order(query: Query, ask: UsageQueryServiceAsyncStub) -> None:
    def of(name: str, place: int, **given: Any) -> Span:
        return call(START + place * MINUTE, place + 1, conversation__id=name, **given)

    await query.store(
        spans(of("a", 0, user="ada", **GPT), of("b", 1), of("a", 2, agent__name="planner", **GPT), call(START, 99, **GPT)),
        spans(of("c", 3, **GPT), of("d", 4, provider__name="nobody", usage__input_tokens=5), service_name="agent"),
    )
    seen: list[pb.ConversationSummary] = []
    for order, expected in (
        (pb.ConversationOrder.CONVERSATION_ORDER_UNSPECIFIED, ["d", "c", "a", "b"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["a", "c", "d", "b"]),
    ):
        asked = pb.ListConversationsRequest(time_range=ALL, order=order, page_size=1)
        seen = []
        while True:
            answer = await ask.ListConversations(asked)
            seen += answer.conversations
            if not answer.next_page_token:
                break
            asked.page_token = answer.next_page_token
        assert [found.conversation_id for found in seen] == expected
    [first] = [found for found in seen if found.conversation_id == "a"]
    assert (first.first_time_unix_nano, first.last_time_unix_nano, first.trace_count) == (START, START + 2 * MINUTE, 2)
    assert (list(first.service_names), list(first.models)) == (["shop"], ["gpt-4o-2024-08-06"])
    assert (list(first.user_ids), list(first.agent_names)) == (["ada"], ["planner"])
    assert (first.usage.call_count, first.usage.input_tokens) == (2, 2000)
    only = await ask.ListConversations(
        pb.ListConversationsRequest(time_range=ALL, selection=pb.UsageSelection(service_names=["agent"]))
    )
    assert [found.conversation_id for found in only.conversations] == ["d", "c"]


async def test_a_full_last_page_is_the_last(query: Query, ask: UsageQueryServiceAsyncStub) -> None:
    await query.store(spans(*(call(START + n, n + 1, conversation__id=f"c{n}") for n in range(4))))
    asked = pb.ListConversationsRequest(time_range=ALL, page_size=2)
    first = await ask.ListConversations(asked)
    asked.page_token = first.next_page_token
    last = await ask.ListConversations(asked)
    found = [[one.conversation_id for one in answer.conversations] for answer in (first, last)]
    assert found == [["c3", "c2"], ["c1", "c0"]]
    assert (bool(first.next_page_token), last.next_page_token) == (True, "")


@pytest.mark.parametrize(
    "order, key",
    [
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["1e999999", "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["1" * 200_000, "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["1e-999999", "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["NaN", "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, [1, "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["1", 1]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["1", "\0"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST, ["1", "\ud800"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_NEWEST, ["1", "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_NEWEST, [True, "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_NEWEST, [10**400, "c"]),
        (pb.ConversationOrder.CONVERSATION_ORDER_NEWEST, [1.5, None]),
    ],
)
async def test_a_token_that_this_service_did_not_write_is_refused(
    ask: UsageQueryServiceAsyncStub, order: pb.ConversationOrder.ValueType, key: page.Key
) -> None:
    asked = pb.ListConversationsRequest(time_range=ALL, order=order)
    asked.page_token = page.token(asked, key)
    with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT") as refused:
        await ask.ListConversations(asked)
    assert "page_token: is no token of this service" in (refused.value.details() or "")


async def test_an_order_that_the_protocol_does_not_have_is_refused(ask: UsageQueryServiceAsyncStub) -> None:
    unknown: Any = 42
    with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT") as refused:
        await ask.ListConversations(pb.ListConversationsRequest(time_range=ALL, order=unknown))
    assert "order: is 42, which is none of ConversationOrder" in (refused.value.details() or "")


@pytest.mark.parametrize("longest", range(3))
async def test_of_a_call_that_was_sent_again_and_changed_the_longest_copy_counts(
    query: Query, ask: UsageQueryServiceAsyncStub, longest: int
) -> None:
    said: dict[str, Any] = {"conversation__id": "c", "agent__name": "a", "provider__name": "openai", "request__model": "gpt-4o"}
    for at in range(3):
        said["usage__input_tokens"] = 1000 + 10 * at
        ms = 90 if at == longest else 50
        await query.store(spans(*(call(START + n, n + 1, ms=ms, failed=at == 1, **said) for n in range(3))))
    tokens = 1000 + 10 * longest
    cost = pytest.approx(3 * tokens * 2.5e-6)
    [row] = (await ask.GetUsage(pb.GetUsageRequest(time_range=ALL, group_by=[Group.USAGE_GROUP_AGENT]))).rows
    costliest = pb.ConversationOrder.CONVERSATION_ORDER_COSTLIEST
    [listed] = (await ask.ListConversations(pb.ListConversationsRequest(time_range=ALL, order=costliest))).conversations
    for sums in (row.usage, listed.usage):
        assert (sums.call_count, sums.input_tokens) == (3, 3 * tokens)
        assert sums.cost_usd == cost
        assert sums.error_count == (3 if longest == 1 else 0)
        assert sums.duration_ms_mean == 90
    asked = pb.GetConversationRequest(conversation_id="c", time_range=ALL)
    turns = [turn async for answer in ask.GetConversation(asked) for turn in answer.turns]
    shown = [(turn.duration_nano, turn.input_tokens, turn.is_error) for turn in turns]
    assert shown == [(90_000_000, tokens, longest == 1)] * 3


async def test_what_was_said_in_a_span_that_was_stored_twice_comes_once(query: Query, ask: UsageQueryServiceAsyncStub) -> None:
    def said(**given: Any) -> Span:
        made = call(START, 1, conversation__id="c", **given)
        made.events.add(name="gen_ai.content.prompt", attributes=attributes({"gen_ai.prompt": "by the first event"}))
        made.events.add(name="gen_ai.content.prompt", attributes=attributes({"gen_ai.prompt": "by the second event"}))
        return made

    message = LogRecord(time_unix_nano=START + 9, event_name="gen_ai.user.message", trace_id=said().trace_id)
    message.span_id = said().span_id
    message.body.string_value = "from a log"
    records = [message, message]
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])])
    first = said(input__messages="hello", output__messages="well")
    changed = said(input__messages="hello", output__messages="well then")
    await query.store(spans(first), spans(first, call(START, 9)), spans(changed), logs)
    asked = pb.GetConversationRequest(conversation_id="c", time_range=ALL)
    [turn] = [turn async for answer in ask.GetConversation(asked) for turn in answer.turns]
    assert [(item.kind, item.carrier, item.body) for item in turn.content] == [
        ("input", "span_attribute", "hello"),
        ("output", "span_attribute", "well then"),
        ("input", "span_event", "by the first event"),
        ("input", "span_event", "by the second event"),
        ("input", "log_body", "from a log"),
        ("input", "log_body", "from a log"),
    ]


async def test_a_conversation_comes_back_in_order_with_what_was_said(query: Query, ask: UsageQueryServiceAsyncStub) -> None:
    first = call(START, 1, conversation__id="c", input__messages="hello", output__messages="hi", **GPT)
    agent = call(START + 1, 2, trace=1, conversation__id="c", operation__name="invoke_agent", usage__input_tokens=9)
    second = call(START + 2, 3, conversation__id="c", failed=True, usage__input_tokens=4, usage__cost=0.5)
    second.parent_span_id = first.span_id
    other = call(START + 3, 4, conversation__id="d", input__messages="another")
    message = LogRecord(
        time_unix_nano=START + 9, event_name="gen_ai.user.message", trace_id=second.trace_id, span_id=second.span_id
    )
    message.body.string_value = "from a log"
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[message])])])
    await query.store(spans(first, second, agent, other), spans(second), logs)
    asked = pb.GetConversationRequest(conversation_id="c", time_range=ALL)
    turns = [turn async for answer in ask.GetConversation(asked) for turn in answer.turns]
    assert [(turn.span_id, turn.operation) for turn in turns] == [
        (first.span_id, "chat"), (agent.span_id, "invoke_agent"), (second.span_id, "chat"),
    ]  # fmt: skip
    assert [[(item.kind, item.carrier, item.body) for item in turn.content] for turn in turns] == [
        [("input", "span_attribute", "hello"), ("output", "span_attribute", "hi")],
        [],
        [("input", "log_body", "from a log")],
    ]
    assert turns[0].cost_usd == pytest.approx(1000 * 2.5e-6)
    assert (turns[1].HasField("input_tokens"), turns[1].HasField("cost_usd")) == (False, False)
    assert (turns[2].input_tokens, turns[2].cost_usd, turns[2].is_error) == (4, 0.5, True)
    assert (turns[2].parent_span_id, turns[2].start_time_unix_nano) == (first.span_id, START + 2)
    asked.omit_content = True
    assert not any([turn.content async for answer in ask.GetConversation(asked) for turn in answer.turns])
    asked.conversation_id = "nobody's"
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        [answer async for answer in ask.GetConversation(asked)]


async def test_a_large_conversation_comes_in_messages_of_three_mebibytes(query: Query, ask: UsageQueryServiceAsyncStub) -> None:
    said = "x" * 900_000
    await query.store(
        *(spans(call(START + place, place + 1, conversation__id="c", input__messages=said)) for place in range(7))
    )
    asked = pb.GetConversationRequest(conversation_id="c", time_range=ALL)
    answers = [answer async for answer in ask.GetConversation(asked)]
    assert [len(answer.turns) for answer in answers] == [3, 3, 1]
    assert all(turn.content[0].body == said for answer in answers for turn in answer.turns)
