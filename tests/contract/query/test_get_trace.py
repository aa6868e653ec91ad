"""GetTrace: what was sent, whole, once, in the order of time, of any size."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from llm_observatory.api.v1.trace_query_service_pb2 import GetTraceRequest
from llm_observatory.query.records import MESSAGE_BYTES
from llm_observatory.query.traces import whole
from tests.plugins.normal_form import envelopes_in, envelopes_of, predict
from tests.plugins.otlp_messages import NOW
from tests.plugins.query import Query
from tests.plugins.round_trip import WHOLE
from tests.plugins.traces import T0, at_now, generated, request, span, spans_in, stub_of, trace_id, whole_trace
from tests.unit.codec.spans import attributes

SEEDS = range(1, 31)


@pytest.fixture
async def stub(query: Query) -> Any:
    return stub_of(await query.serve(at_now(query.reader)))


async def test_what_was_sent_comes_back(query: Query, stub: Any) -> None:
    sent = [generated(seed) for seed in SEEDS]
    await query.store(*sent, now=NOW)
    expected: Counter[str] = Counter()
    for message in sent:
        expected += predict(envelopes_of(message), NOW, WHOLE).records
    received: Counter[str] = Counter()
    identities = {
        found.trace_id for message in sent for found in spans_in([TracesData.FromString(message.SerializeToString())])
    }
    for identity in identities:
        for data in await whole_trace(stub, identity):
            received += predict(envelopes_in("traces", data.SerializeToString()), NOW, WHOLE).records
    assert received == expected
    assert received.total() > 50


async def test_spans_come_in_the_order_of_their_start_to_the_nanosecond(query: Query, stub: Any) -> None:
    starts = [T0 + 3, T0 + 1, T0 + 1_000_000, T0 + 2, T0 + 999]
    await query.store(request(*(span(number, start_time_unix_nano=start) for number, start in enumerate(starts))))
    found = spans_in(await whole_trace(stub, trace_id(1)))
    assert [each.start_time_unix_nano for each in found] == sorted(starts)


async def test_a_span_that_was_sent_twice_comes_once(query: Query, stub: Any) -> None:
    await query.store(request(span(1), span(2)), request(span(2), span(3)), request(span(1)))
    assert [found.span_id[-1] for found in spans_in(await whole_trace(stub, trace_id(1)))] == [2, 3, 4]


async def test_of_a_span_sent_at_its_start_and_at_its_end_the_end_is_shown(query: Query, stub: Any) -> None:
    await query.store(request(span(1, end_time_unix_nano=0)), request(span(1, took=7)))
    [found] = spans_in(await whole_trace(stub, trace_id(1)))
    assert found.end_time_unix_nano - found.start_time_unix_nano == 7


@pytest.mark.parametrize("first", [0, 1, 2])
async def test_of_a_span_that_was_sent_again_and_changed_the_copy_that_counts_is_shown_with_the_longest_said(
    query: Query, stub: Any, first: int
) -> None:
    copies = [
        span(1, took=7, items={"gen_ai.usage.output_tokens": 3, "gen_ai.input.messages": "a"}),
        span(1, took=7, items={"gen_ai.usage.output_tokens": 2, "gen_ai.input.messages": "a word and another"}),
        span(1, took=6, items={"gen_ai.usage.output_tokens": 9, "gen_ai.input.messages": "a word"}),
    ]
    await query.store(*map(request, copies[first:] + copies[:first]))
    [found] = spans_in(await whole_trace(stub, trace_id(1)))
    assert found.end_time_unix_nano - found.start_time_unix_nano == 7
    values = {each.key: each.value.string_value or each.value.int_value for each in found.attributes}
    assert values == {"gen_ai.usage.output_tokens": 3, "gen_ai.input.messages": "a word and another"}


@pytest.mark.parametrize("spans_a_batch", [1, 2, 1000])
async def test_spans_of_the_same_microsecond_keep_their_own_content(
    query: Query, stub: Any, monkeypatch: pytest.MonkeyPatch, spans_a_batch: int
) -> None:
    monkeypatch.setattr(whole, "BATCH_SPANS", spans_a_batch)
    said = {0: "zero", 1: "one", 2: "two"}
    spans = [
        span(number, start_time_unix_nano=T0 + number, items={"gen_ai.input.messages": text}) for number, text in said.items()
    ]
    await query.store(request(*spans, span(7, items={"gen_ai.input.messages": "seven"})))
    found = spans_in(await whole_trace(stub, trace_id(1)))
    assert [each.attributes[0].value.string_value for each in found] == ["zero", "one", "two", "seven"]


async def test_content_is_left_out_when_that_is_asked_for(query: Query, stub: Any) -> None:
    await query.store(request(span(1, items={"gen_ai.input.messages": "hello", "a": 1})))
    [found] = spans_in(await whole_trace(stub, trace_id(1), omit_content=True))
    assert list(found.attributes) == attributes({"a": 1})


async def test_messages_stay_below_their_limit_and_say_everything(query: Query, stub: Any) -> None:
    large = "x" * 700_000
    spans = [span(number, items={"gen_ai.output.messages": large, "number": number}) for number in range(12)]
    await query.store(request(*spans))
    messages = await whole_trace(stub, trace_id(1))
    assert len(messages) >= 3
    assert all(message.ByteSize() < MESSAGE_BYTES for message in messages)
    said = [{item.key: item.value for item in found.attributes} for found in spans_in(messages)]
    assert said == [{item.key: item.value for item in sent.attributes} for sent in spans]


async def test_a_span_that_is_larger_than_a_message_comes_by_itself(query: Query, stub: Any) -> None:
    large = span(1, items={f"k{number}": "x" * 1_000_000 for number in range(4)})
    await query.store(request(span(0), large, span(2)))
    messages = await whole_trace(stub, trace_id(1))
    assert [len(spans_in([message])) for message in messages] == [1, 1, 1]
    assert sorted(spans_in(messages)[1].attributes, key=lambda item: item.key) == list(large.attributes)


async def test_a_span_too_deep_to_be_read_in_an_answer_comes_without_what_nests(query: Query, stub: Any) -> None:
    value: Any = "deep"
    for _ in range(48):
        value = [value]
    await query.store(request(span(1), span(2, items={"k": value}), span(3)))
    found = spans_in(await whole_trace(stub, trace_id(1)))
    assert sorted((each.span_id[-1], len(each.attributes)) for each in found) == [(2, 0), (3, 0), (4, 0)]
    assert found[0].name == "chat"


@pytest.mark.parametrize(
    "given, code, said",
    [
        (b"", grpc.StatusCode.INVALID_ARGUMENT, "trace_id: is required"),
        (bytes(15) + b"", grpc.StatusCode.INVALID_ARGUMENT, "trace_id: has 15 bytes, not 16"),
        (bytes(16), grpc.StatusCode.INVALID_ARGUMENT, "trace_id: is all zero"),
        (trace_id(404), grpc.StatusCode.NOT_FOUND, "there is no trace of this id"),
    ],
    ids=["none", "short", "zero", "unknown"],
)
async def test_what_is_no_trace_is_refused(stub: Any, given: bytes, code: grpc.StatusCode, said: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await whole_trace(stub, given)
    assert raised.value.code() is code
    assert said in (raised.value.details() or "")


async def test_a_client_that_stops_reading_and_leaves_gives_the_connection_back(query: Query, stub: Any) -> None:
    await query.store(*(request(*(span(n * 4 + m, items={"k": "x" * 1_000_000}) for m in range(4))) for n in range(4)))
    call = stub.GetTrace(GetTraceRequest(trace_id=trace_id(1)))
    await call.read()
    call.cancel()
    async with asyncio.timeout(5):
        while query.pool.stats().active:  # noqa: ASYNC110 - the pool has no event of it
            await asyncio.sleep(0.01)
    assert len(spans_in(await whole_trace(stub, trace_id(1)))) == 16
