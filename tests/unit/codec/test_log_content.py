"""What was said in log records becomes rows by the same lists as in spans; switched off, nothing of it is anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, Terms
from llm_observatory.tables import content
from tests.plugins.codecs import Lower
from tests.plugins.stored import decoded, dimensions_of, fields_of
from tests.unit.codec import logs, spans
from tests.unit.codec.test_content import EXACT, FAMILIES, MARKED, OF_EVENTS, everything, items, keeping, member, rows

DETAILS = "gen_ai.client.inference.operation.details"
BODY_OF = [(name, kind) for name, (kind, _) in content.EVENTS.items()]


def encode(*made: LogRecord, terms: Terms = spans.TERMS) -> EncodedRequest:
    encoded = logs.encode(logs.request(*made), terms)
    assert encoded.accepted == len(made)
    return encoded


def log_row(encoded: EncodedRequest) -> dict[str, Any]:
    (row,) = spans.read_table(encoded, "llm_logs")
    return row


def back(encoded: EncodedRequest) -> LogRecord:
    """The only record, decoded again."""
    (resource,) = LogsData.FromString(decoded("logs", encoded)).resource_logs
    (record,) = resource.scope_logs[0].log_records
    return record


def ordered(record: LogRecord) -> LogRecord:
    """With its attributes in the order of their keys."""
    pairs = sorted(record.attributes, key=lambda pair: pair.key)
    del record.attributes[:]
    record.attributes.extend(pairs)
    return record


def test_a_row_says_where_it_comes_from() -> None:
    encoded = encode(
        logs.record({"content": "hi"}, {"app": 1, "gen_ai.input.messages": "[é]"}, event_name="gen_ai.user.message",
                    trace_id=spans.TRACE_ID, span_id=spans.SPAN_ID)
    )  # fmt: skip
    stored = log_row(encoded)
    common = {
        "tenant": "default",
        "timestamp": spans.START // 1000,
        "service_name": "shop",
        "trace_id": spans.TRACE_ID,
        "span_id": spans.SPAN_ID,
        "log_id": stored["id"],
        "kind": "input",
        "event_index": None,
    }
    attribute = {"attribute": "gen_ai.input.messages", "is_json": False, "body": "[é]", "original_length": 4}
    body = {"attribute": "", "is_json": True, "body": '{"content":"hi"}', "original_length": 16}
    assert rows(encoded) == [
        common | {"carrier": "log_attribute"} | attribute,
        common | {"carrier": "log_body"} | body,
    ]
    assert (stored["message"], stored["body"], stored["attributes"]) == (None, None, {"app": 1})
    assert stored["event_name"] == "gen_ai.user.message"
    assert encoded.repaired == {}
    assert [table.name for table in encoded.tables] == ["llm_content", "llm_logs", "ingest_touched"]


def test_a_record_of_no_trace() -> None:
    (row,) = rows(encode(logs.record(..., {"input.value": "x"})))
    assert (row["trace_id"], row["span_id"]) == (None, None)
    encoded = encode(logs.record(..., {"input.value": "x", "llm.tools.0": 1}, trace_id=b"\x01", span_id=b"\x02"))
    assert [(row["trace_id"], row["span_id"]) for row in rows(encoded)] == [(None, None)] * 2
    assert encoded.repaired == {"log_id_dropped": 2}


@pytest.mark.parametrize(
    "members", [{}, {"time_unix_nano": 0, "observed_time_unix_nano": spans.START + 9_000}, {"time_unix_nano": 0}]
)
def test_its_time_is_that_of_the_record_wherever_that_comes_from(members: dict[str, Any]) -> None:
    encoded = encode(logs.record("said", event_name="gen_ai.choice", **members))
    (row,), stored = rows(encoded), log_row(encoded)
    assert (row["timestamp"], row["log_id"]) == (stored["timestamp"], stored["id"])
    assert encoded.hours == (stored["timestamp"] // 3_600_000_000 * 3_600_000_000,)


@pytest.mark.parametrize("event_name", ["", "my.event", DETAILS, "gen_ai.choice"])
@pytest.mark.parametrize("kind, key", [*EXACT, *FAMILIES])
def test_every_listed_attribute_leaves_every_record(kind: str, key: str, event_name: str) -> None:
    sent = member(key) if (kind, key) in FAMILIES else key
    encoded = encode(logs.record(..., {sent: "said", "app": 1}, event_name=event_name))
    (row,) = rows(encoded)
    assert (row["kind"], row["attribute"], row["carrier"]) == (kind, key, "log_attribute")
    assert (row["is_json"], row["body"]) == ((True, f'{{"{sent}":"said"}}') if sent != key else (False, "said"))
    assert log_row(encoded)["attributes"] == {"app": 1}


@pytest.mark.parametrize("kind, key", MARKED)
def test_names_that_may_mean_anything_are_none_in_log_records(kind: str, key: str) -> None:
    encoded = encode(logs.record("body", {key: "app's own", content.MARK: "{}"}))
    assert rows(encoded) == []
    assert log_row(encoded)["attributes"] == {key: "app's own", content.MARK: "{}"}


def named(name: str, by: str, items: dict[str, Any] | None = None, body: Any = ...) -> LogRecord:
    """An event that is named by its field (``), or by an attribute."""
    if not by:
        return logs.record(body, items, event_name=name)
    return logs.record(body, (items or {}) | {by: name})


@pytest.mark.parametrize("by", ["", *content.EVENT_NAME_KEYS])
@pytest.mark.parametrize("name, kind, key", OF_EVENTS)
def test_every_message_event_by_every_name(name: str, kind: str, key: str, by: str) -> None:
    encoded = encode(named(name, by, {key: "said", "role": "user"}, {"role": "user", "content": "more"}))
    assert [(row["kind"], row["carrier"], row["attribute"], row["body"], row["is_json"]) for row in rows(encoded)] == [
        (kind, "log_attribute", key, "said", False),
        (kind, "log_body", "", '{"role":"user","content":"more"}', True),
    ]
    stored = log_row(encoded)
    assert (stored["message"], stored["body"]) == (None, None)
    assert stored["attributes"] == {"role": "user"} | ({by: name} if by else {})


@pytest.mark.parametrize(
    "record",
    [
        named("gen_ai.choice", "event.name.x"),
        named("gen_ai.choices", "event.name"),
        named("gen_ai.choice\0", ""),
        named("GEN_AI.CHOICE", ""),
        named(DETAILS, ""),
        logs.record(items={"event.name": ["gen_ai.choice"], "event_name": {"gen_ai.choice": 1}}),
        logs.record(items={"event.name": b"gen_ai.choice", "event_name": None}),
        logs.record(items={"event.name": 7, "event_name": True}),
    ],
    ids=["other key", "other name", "nul", "case", "details", "array and map", "bytes and null", "int and bool"],
)
def test_what_is_no_message_event_keeps_its_body_and_its_own_attributes(record: LogRecord) -> None:
    record.body.string_value = "kept"
    record.attributes.extend(spans.attributes({"content": "c", "message": "m"}))
    encoded = encode(record)
    assert rows(encoded) == []
    stored = log_row(encoded)
    assert stored["message"] == "kept"
    assert stored["attributes"].items() >= {"content": "c", "message": "m"}.items()


def test_where_names_differ_one_that_speaks_of_a_message_counts() -> None:
    both = logs.record("said", {"event.name": "gen_ai.choice"}, event_name="my.event")
    assert [(row["kind"], row["carrier"]) for row in rows(encode(both))] == [("output", "log_body")]
    other = logs.record("said", {"event.name": "my.event", "event_name": "gen_ai.tool.message"})
    assert [(row["kind"], row["carrier"]) for row in rows(encode(other))] == [("tool_result", "log_body")]


BODIES = [
    ("hello", "hello", False),
    ("", "", False),
    ('{ "a" : 1 }', '{ "a" : 1 }', False),
    ("a\0b", "a\ufffdb", False),
    (None, "null", True),
    (7, "7", True),
    (True, "true", True),
    (1.5, "1.5", True),
    (float("inf"), '{"$double":"Infinity"}', True),
    (b"\x01\x02\x03", '{"$bytes":"AQID"}', True),
    ([], "[]", True),
    (["a", [2.0], None], '["a",[2.0],null]', True),
    ({}, "{}", True),
    ({"role": "user", "$x": {"deep": "é"}}, '{"role":"user","$$x":{"deep":"é"}}', True),
]


@pytest.mark.parametrize("name, kind", BODY_OF)
def test_every_message_event_has_its_kind(name: str, kind: str) -> None:
    assert [(row["kind"], row["carrier"]) for row in rows(encode(named(name, "", body="said")))] == [(kind, "log_body")]


@pytest.mark.parametrize("body, text, is_json", BODIES)
def test_bodies_of_every_type(body: Any, text: str, is_json: bool) -> None:
    record = logs.record(body, event_name="gen_ai.choice")
    encoded = encode(record)
    (row,) = rows(encoded)
    assert (row["carrier"], row["attribute"], row["body"], row["is_json"]) == ("log_body", "", text, is_json)
    assert row["original_length"] == len(text.encode())
    stored = log_row(encoded)
    assert (stored["message"], stored["body"]) == (None, None)
    if body != "a\0b":
        assert back(encoded) == record


def test_no_body_is_no_item() -> None:
    encoded = encode(logs.record(..., event_name="gen_ai.choice"))
    assert rows(encoded) == []
    assert not back(encoded).HasField("body")


def test_repairs_are_made_and_counted_once() -> None:
    encoded = encode(
        logs.record(
            {"k\0": "\0\0"}, {"input.value": "a\0b", "llm.tools.0.x\0": 1}, event_name="gen_ai.choice", trace_id=b"\x01"
        )
    )
    assert items(encoded) == [
        ("input.value", "a\ufffdb"),
        ("llm.tools.#", '{"llm.tools.0.x\ufffd":1}'),
        ("", '{"k\ufffd":"\ufffd\ufffd"}'),
    ]
    assert encoded.repaired == {"nul_replaced": 4, "log_id_dropped": 1}


@pytest.mark.parametrize("limit, kept", [(1, ""), (2, "é"), (5, "é"), (6, "é🙂"), (9, "é🙂漢"), (10, "é🙂漢")])
def test_text_is_cut_between_characters(limit: int, kept: str) -> None:
    encoded = encode(logs.record("é🙂漢", {"input.value": "é🙂漢"}, event_name="gen_ai.choice"), terms=keeping(limit))
    assert [(row["body"], row["original_length"]) for row in rows(encoded)] == [(kept, 9), (kept, 9)]
    assert encoded.repaired == ({"content_truncated": 2} if limit < 9 else {})
    found = back(encoded)
    assert found.body.string_value == kept
    assert found.attributes[0].value.string_value == kept


def test_what_was_cut_comes_back_as_the_text_that_is_left() -> None:
    record = logs.record(
        {"a": "x" * 50}, {"llm.tools.0.a": 1, "gen_ai.output.messages": ["y" * 50]}, event_name="gen_ai.choice"
    )
    found = back(encode(record, terms=keeping(8)))
    assert found.body.string_value == '{"a":"xx'
    assert {pair.key: pair.value.string_value for pair in found.attributes} == {
        "llm.tools.#": '{"llm.to',
        "gen_ai.output.messages": '["yyyyyy',
    }


def everywhere(secret: str) -> list[LogRecord]:
    """Records that say `secret` in every attribute and body that is content, by every name of every event."""
    anywhere = {key: secret for _, key in EXACT} | {member(family): [secret] for _, family in FAMILIES}
    plain = [logs.record("line", anywhere | {"app": 1}), logs.record(..., anywhere | {"app": 1}, event_name=DETAILS)]
    bodies: list[Any] = [secret, [secret], {secret: 1}, secret.encode(), {"content": [{"text": secret}]}]
    events = [
        named(name, by, {key: secret, "app": 1}, bodies[number % len(bodies)])
        for by in ("", *content.EVENT_NAME_KEYS)
        for number, (name, _, key) in enumerate(OF_EVENTS)
    ]
    return [*plain, *events]


def test_switched_off_nothing_of_it_is_anywhere() -> None:
    secret = "what-was-said"
    made = everywhere(secret)
    assert secret.encode() in everything(encode(*made))
    encoded = encode(*made, terms=keeping(0))
    assert secret.encode() not in everything(encoded)
    assert b"d2hhdC13YXMtc2FpZA" not in everything(encoded)  # bytes stand in JSON as base64
    assert [table.name for table in encoded.tables] == ["llm_logs", "ingest_touched"]
    said = 2 * (len(EXACT) + len(FAMILIES)) + 3 * 2 * len(OF_EVENTS)
    assert encoded.repaired == {"content_dropped": said}
    stored = spans.read_table(encoded, "llm_logs")
    assert {row["attributes"]["app"] for row in stored} == {1}
    assert [row["message"] for row in stored] == ["line"] + [None] * (len(made) - 1)
    assert [row["body"] for row in stored] == [None] * len(made)


def test_switched_off_a_body_comes_back_as_none() -> None:
    found = back(encode(logs.record("said", {"input.value": "x", "app": 1}, event_name="gen_ai.choice"), terms=keeping(0)))
    assert not found.HasField("body")
    assert [pair.key for pair in found.attributes] == ["app"]


def test_the_log_rows_are_the_same_whatever_is_kept() -> None:
    made = [encode(*everywhere("said"), terms=keeping(limit)) for limit in (0, 2, 1024)]
    stored = [[table for table in encoded.tables if table.name == "llm_logs"] for encoded in made]
    assert stored[0] == stored[1] == stored[2]


def test_records_come_back_as_they_were() -> None:
    made = everywhere("said")
    (resource,) = LogsData.FromString(decoded("logs", encode(*made))).resource_logs
    found = list(resource.scope_logs[0].log_records)
    assert [ordered(record) for record in found] == [ordered(record) for record in made]


def test_spans_and_log_records_of_the_same_time_and_ids_take_no_content_of_each_other() -> None:
    of_span = spans.encode(spans.request(spans.span({"input.value": "in the span"})))
    of_log = encode(
        logs.record("in the body", {"input.value": "in the record"}, event_name="gen_ai.choice",
                    trace_id=spans.TRACE_ID, span_id=spans.SPAN_ID)
    )  # fmt: skip
    said = fields_of(of_span, tables.LLM_CONTENT) + fields_of(of_log, tables.LLM_CONTENT)
    traces = TracesData.FromString(codec.decode("traces", fields_of(of_span, tables.LLM_TRACES), dimensions_of(of_span), said))
    (span,) = traces.resource_spans[0].scope_spans[0].spans
    assert [pair.value.string_value for pair in span.attributes] == ["in the span"]
    made = LogsData.FromString(codec.decode("logs", fields_of(of_log, tables.LLM_LOGS), dimensions_of(of_log), said))
    (record,) = made.resource_logs[0].scope_logs[0].log_records
    assert record.body.string_value == "in the body"
    assert [pair.value.string_value for pair in record.attributes] == ["in the record"]


def test_rows_that_are_there_twice_are_read_once() -> None:
    """A request without any time is stored as often as it is sent: in the same millisecond its records have the same ids."""
    encoded = encode(logs.record({"a": [1]}, event_name="gen_ai.choice"))
    twice = fields_of(encoded, tables.LLM_CONTENT) * 2
    found = LogsData.FromString(codec.decode("logs", fields_of(encoded, tables.LLM_LOGS), dimensions_of(encoded), twice))
    assert found.resource_logs[0].scope_logs[0].log_records[0].body == spans.any_value({"a": [1]})


def test_more_content_than_is_held_at_once_is_stopped(limits: Lower) -> None:
    limits(content_rows_max_bytes=800)
    said = logs.record("", {"input.value": ""}, event_name="gen_ai.choice")
    plain = logs.record("line")
    encoded = logs.encode(logs.request(said, said, plain, said, said, plain, said))
    assert (encoded.accepted, encoded.rejected_by_rule) == (4, {"too_much_content": 3})
    assert encoded.rejected[0].path == "resource_logs[0].scope_logs[0].log_records[4]"
    assert 600 < sum(table.size for table in encoded.tables if table.name == "llm_content") < 1200
    assert encode(*[said] * 20, terms=keeping(0)).accepted == 20


def test_a_refused_record_says_nothing() -> None:
    bad = logs.record("of a bad one", event_name="gen_ai.choice", severity_number=2**15)
    encoded = logs.encode(logs.request(bad, logs.record("said", event_name="gen_ai.choice")))
    assert [row["body"] for row in rows(encoded)] == ["said"]
    assert b"of a bad one" not in everything(encoded)
