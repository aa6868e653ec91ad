"""What the doorway back does by hand-made examples; `test_round_trip.py` proves the rest."""

from __future__ import annotations

from struct import pack

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from llm_observatory import codec, tables
from llm_observatory.codec import Terms
from llm_observatory.codec.reference import fields
from llm_observatory.codec.reference.decode import fields as decode_fields
from tests.plugins.stored import decoded, dimensions_of, fields_of
from tests.unit.codec import spans

pytestmark = pytest.mark.reference_codec

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.request.temperature": 1e16,
    "gen_ai.input.messages": '[{"role":"user"}]',
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": [1, None, {"$double": b"\0"}],
}


def back(payload: bytes, terms: Terms = spans.TERMS) -> TracesData:
    """A payload, encoded and decoded."""
    encoded = spans.encode(payload, terms=terms)
    assert encoded.rejected_by_rule == {}
    return TracesData.FromString(decoded("traces", encoded))


def only_span(data: TracesData) -> Span:
    (span,) = data.resource_spans[0].scope_spans[0].spans
    return span


def sorted_attributes(span: Span) -> list[bytes]:
    return sorted(pair.SerializeToString() for pair in span.attributes)


def test_a_span_comes_back() -> None:
    sent = spans.span(CALL, trace_state="a=1", parent_span_id=bytes(8), flags=2**32 - 1, dropped_links_count=3)
    sent.events.add(name="gen_ai.choice", attributes=spans.attributes({"message": "hi", "index": 0}))
    sent.links.add(trace_id=spans.TRACE_ID, span_id=spans.SPAN_ID, flags=1, attributes=spans.attributes({"a": 1.5}))
    sent.status.message = "no"
    found = only_span(back(spans.request(sent)))
    assert sorted_attributes(found) == sorted_attributes(sent)
    assert sorted(found.events[0].attributes, key=lambda pair: pair.key) == sorted(
        sent.events[0].attributes, key=lambda pair: pair.key
    )
    for message in (found, sent):
        del message.attributes[:], message.events[:]
    assert found == sent


def test_content_that_was_cut_is_the_text_that_is_left() -> None:
    found = only_span(back(spans.request(spans.span(CALL)), spans.TERMS._replace(content_max_bytes=4)))
    texts = {pair.key: pair.value.string_value for pair in found.attributes}
    assert texts["gen_ai.input.messages"] == '[{"r'
    assert texts["llm.input_messages.#"] == '{"ll'
    assert "llm.input_messages.0.message.role" not in texts


def test_records_are_grouped_by_who_speaks_in_the_order_of_the_rows() -> None:
    one = TracesData.FromString(spans.request(spans.span(name="1"), resource={"service.name": "a"}, scope={"k": 1}))
    two = TracesData.FromString(spans.request(spans.span(name="2"), resource={"service.name": "b"}))
    three = TracesData.FromString(spans.request(spans.span(name="3"), resource={"service.name": "a"}, scope={"k": 2}))
    four = TracesData.FromString(spans.request(spans.span(name="4"), resource={"service.name": "a"}, scope={"k": 1}))
    for other in (two, three, four):
        one.resource_spans.extend(other.resource_spans)
    found = back(one.SerializeToString())
    assert [[[span.name for span in scope.spans] for scope in resource.scope_spans] for resource in found.resource_spans] == [
        [["1", "4"], ["3"]],
        [["2"]],
    ]


def test_a_source_that_is_missing_comes_back_empty() -> None:
    encoded = spans.encode(spans.request(spans.span()))
    found = TracesData.FromString(codec.decode("traces", fields_of(encoded, tables.LLM_TRACES), {}))
    assert [resource.HasField("resource") for resource in found.resource_spans] == [False]
    assert only_span(found) == spans.span()


def test_dropped_links_beyond_what_the_field_holds() -> None:
    sent = spans.span(dropped_links_count=2**32 - 1)
    sent.links.add()
    assert only_span(back(spans.request(sent))).dropped_links_count == 2**32 - 1


@pytest.mark.parametrize("depth", [46, 47, 48, 49])
def test_what_nests_as_deep_as_is_accepted_comes_back(depth: int) -> None:
    data = spans.span().SerializeToString() + spans.deep_value(depth)
    encoded = spans.encode(spans.field(1, spans.field(2, spans.field(2, data))))
    assert encoded.accepted == 1
    found = decoded("traces", encoded)
    assert spans.deep_value(depth) in found


def test_a_log_record_without_time_has_none() -> None:
    encoded = spans.encode(spans.field(1, spans.field(2, spans.field(2, b""))), signal="logs")
    (resource,) = LogsData.FromString(decoded("logs", encoded)).resource_logs
    (record,) = resource.scope_logs[0].log_records
    assert record.ByteSize() == 0


@pytest.mark.parametrize("type_", fields.ENCODERS)
def test_every_type_is_read(type_: str) -> None:
    assert decode_fields.DECODERS.keys() == fields.ENCODERS.keys()
    examples = {
        "bool": True, "bytea": b"\0\xff", "date": 20_000, "float8": -0.5, "float8[]": [1.5, -2.5], "int2": -3, "int8": -(2**63),
        "int8[]": [1, 2**63 - 1], "jsonb": b'{"a":[1.0,1]}', "text": "é", "text[]": ["", "é"], "timestamptz": 5,
        "uuid": bytes(16), "uuid[]": [bytes(16), bytes(range(16))],
    }  # fmt: skip
    value = examples[type_]
    expected = {"a": [1.0, 1]} if type_ == "jsonb" else value
    assert decode_fields.decoder(type_)(fields.encoder(type_)(value)[4:]) == expected
    if type_.endswith("[]"):
        assert decode_fields.decoder(type_)(fields.encoder(type_)([])[4:]) == []


@pytest.mark.parametrize(
    "type_, data", [("int8", b"\0"), ("bool", b""), ("jsonb", b"\x02{}"), ("text", b"\xff"), ("text[]", pack(">iii", 2, 0, 25))]
)
def test_bytes_of_another_type(type_: str, data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_fields.decoder(type_)(data)


def test_a_row_of_another_table() -> None:
    encoded = spans.encode(spans.request(spans.span()))
    with pytest.raises(ValueError, match="fields, not"):
        codec.decode("logs", fields_of(encoded, tables.LLM_TRACES), dimensions_of(encoded))


def test_a_signal_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="profiles"):
        codec.decode("profiles", [], {})
