"""What was said leaves the span and its events and becomes rows of its own; switched off, nothing of it is anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory import tables
from llm_observatory.codec import EncodedRequest, Terms
from llm_observatory.codec.reference.content import KEYS_REMEMBERED, Places
from llm_observatory.tables import content
from tests.unit.codec import spans

EXACT = [(kind, key) for kind, keys in content.KINDS.items() for key in keys if not key.endswith((".#", ".*"))]
FAMILIES = [(kind, key) for kind, keys in content.KINDS.items() for key in keys if key.endswith((".#", ".*"))]
MARKED = [(kind, key) for kind, keys in content.MARKED_KINDS.items() for key in keys]
OF_EVENTS = [(name, kind, key) for name, (kind, keys) in content.EVENTS.items() for key in keys]


def keeping(max_bytes: int) -> Terms:
    """The terms of all tests with that much content kept."""
    return spans.TERMS._replace(content_max_bytes=max_bytes)


def encode(*made: Span, terms: Terms = spans.TERMS) -> EncodedRequest:
    encoded = spans.encode(spans.request(*made), terms=terms)
    assert encoded.accepted == len(made)
    return encoded


def rows(encoded: EncodedRequest) -> list[dict[str, Any]]:
    return spans.read_table(encoded, "llm_content")


def items(encoded: EncodedRequest) -> list[tuple[str, str]]:
    """Attribute and body of each row."""
    return [(row["attribute"], row["body"]) for row in rows(encoded)]


def span_row(encoded: EncodedRequest) -> dict[str, Any]:
    (row,) = spans.read_table(encoded, "llm_traces")
    return row


def event(items: dict[str, Any], name: str = "gen_ai.choice") -> Span.Event:
    return Span.Event(name=name, time_unix_nano=spans.START, attributes=spans.attributes(items))


def everything(encoded: EncodedRequest) -> bytes:
    """All bytes that would reach the database."""
    made = [chunk for table in encoded.tables for chunk in table.chunks]
    return b"".join(made + [row for rows in encoded.dimensions.values() for row in rows.values()])


def member(family: str) -> str:
    """A key of that family."""
    return family[:-1] + ("0.x" if family.endswith("#") else "x")


def test_a_row_says_where_it_comes_from() -> None:
    encoded = encode(spans.span({"app": 1, "gen_ai.input.messages": "[é]"}))
    assert rows(encoded) == [
        {
            "tenant": "default",
            "timestamp": spans.START // 1000,
            "service_name": "shop",
            "trace_id": spans.TRACE_ID,
            "span_id": spans.SPAN_ID,
            "log_id": None,
            "kind": "input",
            "carrier": "span_attribute",
            "event_index": None,
            "attribute": "gen_ai.input.messages",
            "is_json": False,
            "body": "[é]",
            "original_length": 4,
        }
    ]
    assert span_row(encoded)["attributes"] == {"app": 1}
    assert encoded.repaired == {}
    assert [table.name for table in encoded.tables] == ["llm_traces", "llm_content", "trace_index", "ingest_touched"]


@pytest.mark.parametrize("kind, key", EXACT)
def test_every_listed_attribute_leaves_the_span(kind: str, key: str) -> None:
    encoded = encode(spans.span({key: "said", f"{key}_": "kept", f"x{key}": "kept"}))
    (row,) = rows(encoded)
    assert (row["kind"], row["attribute"], row["body"], row["is_json"]) == (kind, key, "said", False)
    assert span_row(encoded)["attributes"] == {f"{key}_": "kept", f"x{key}": "kept"}


@pytest.mark.parametrize("kind, family", FAMILIES)
def test_every_family_leaves_the_span_as_one_item(kind: str, family: str) -> None:
    one, other = family[:-1] + "7.b", family[:-1] + "0"
    encoded = encode(spans.span({one: "x", "app": True, other: 2}))
    (row,) = rows(encoded)
    assert (row["kind"], row["attribute"], row["is_json"]) == (kind, family, True)
    assert row["body"] == f'{{"{one}":"x","{other}":2}}'
    assert row["original_length"] == len(row["body"])
    assert span_row(encoded)["attributes"] == {"app": True}


@pytest.mark.parametrize("kind, key", [*EXACT, *FAMILIES])
def test_events_are_looked_at_alike_whatever_their_name(kind: str, key: str) -> None:
    sent = member(key) if (kind, key) in FAMILIES else key
    encoded = encode(spans.span(events=[event({"a": 1}, "e"), event({sent: "said", "b": 2}, "whatever")]))
    (row,) = rows(encoded)
    assert (row["kind"], row["carrier"], row["event_index"], row["attribute"]) == (kind, "span_event", 1, key)
    assert [event["attributes"] for event in span_row(encoded)["events"]] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("name, kind, key", OF_EVENTS)
def test_every_message_event(name: str, kind: str, key: str) -> None:
    encoded = encode(spans.span({"app": 1}, events=[Span.Event(), event({"role": "user", key: "said"}, name)]))
    (row,) = rows(encoded)
    assert (row["kind"], row["carrier"], row["event_index"], row["attribute"]) == (kind, "span_event", 1, key)
    assert (row["timestamp"], row["span_id"], row["body"]) == (spans.START // 1000, spans.SPAN_ID, "said")
    assert span_row(encoded)["events"][1] == {
        "name": name,
        "time_unix_nano": spans.START,
        "attributes": {"role": "user"},
    }


def test_what_is_content_in_one_event_is_none_in_another_nor_on_the_span() -> None:
    encoded = encode(spans.span({"content": "c", "message": "m"}, events=[event({"content": "c", "message": "m"}, "other")]))
    assert rows(encoded) == []
    assert span_row(encoded)["attributes"] == {"content": "c", "message": "m"}
    assert span_row(encoded)["events"][0]["attributes"] == {"content": "c", "message": "m"}


def test_an_event_of_content_alone_stays_without_attributes() -> None:
    encoded = encode(spans.span(events=[event({"message": "m"}), event({"message": "n"})]))
    assert [(row["carrier"], row["event_index"], row["body"]) for row in rows(encoded)] == [
        ("span_event", 0, "m"),
        ("span_event", 1, "n"),
    ]
    assert span_row(encoded)["events"] == [{"time_unix_nano": spans.START, "name": "gen_ai.choice"}] * 2


@pytest.mark.parametrize("kind, key", MARKED)
def test_names_that_may_mean_anything_are_content_only_beside_the_mark(kind: str, key: str) -> None:
    plain = encode(spans.span({key: "app's own"}, events=[event({key: "e", content.MARK: "{}"}, "e")]))
    assert rows(plain) == []
    assert span_row(plain)["attributes"] == {key: "app's own"}
    marked = encode(spans.span({key: "said", content.MARK: "{}"}))
    assert [(row["kind"], row["attribute"], row["body"]) for row in rows(marked)] == [(kind, key, "said")]
    assert span_row(marked)["attributes"] == {content.MARK: "{}"}


def test_items_come_in_the_order_of_the_document_then_of_the_events() -> None:
    encoded = encode(
        spans.span(
            {
                "gen_ai.completion.1.content": "c1",
                "input.value": "i",
                "a": 1,
                "gen_ai.completion.0.content": "c0",
                "gen_ai.system_instructions": "s",
            },
            events=[event({"content": "2", "message": "1"}), Span.Event(), event({"output.value": "3"})],
        )
    )
    assert items(encoded) == [
        ("gen_ai.completion.#", '{"gen_ai.completion.1.content":"c1","gen_ai.completion.0.content":"c0"}'),
        ("input.value", "i"),
        ("gen_ai.system_instructions", "s"),
        ("content", "2"),
        ("message", "1"),
        ("output.value", "3"),
    ]
    assert [row["event_index"] for row in rows(encoded)] == [None, None, None, 0, 0, 2]


@pytest.mark.parametrize(
    "key",
    [
        "llm.input_messages.", "llm.input_messages.x", "llm.input_messages.٣", "llm.input_messages.#", "llm.input_messages0",
        "gen_ai.prompt.", "gen_ai.prompt.variable", "llm.toolsx.0", "x.llm.tools.0", "LLM.TOOLS.0", "$input.value", "",
    ],
)  # fmt: skip
def test_what_only_looks_like_content_stays(key: str) -> None:
    encoded = encode(spans.span({key: "v"}))
    assert rows(encoded) == []
    assert list(span_row(encoded)["attributes"].values()) == ["v"]


def test_prompt_name_and_version_are_columns_beside_the_family_of_prompts() -> None:
    encoded = encode(spans.span({"gen_ai.prompt.name": "n", "gen_ai.prompt.version": "3", "gen_ai.prompt.0.role": "user"}))
    row = span_row(encoded)
    assert (row["prompt_name"], row["prompt_version"], row["attributes"]) == ("n", "3", {})
    assert items(encoded) == [("gen_ai.prompt.#", '{"gen_ai.prompt.0.role":"user"}')]


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "null"),
        (True, "true"),
        (-(2**63), "-9223372036854775808"),
        (0.1, "0.1"),
        (float("nan"), '{"$double":"NaN"}'),
        (1e16, '{"$double":"1e+16"}'),
        (b"\xff\0", '{"$bytes":"/wA="}'),
        ([], "[]"),
        (["é", '"', None, 1.0], '["é","\\"",null,1.0]'),
        ([{"parts": [{"$bytes": 1, "n": {"d": -0.0}}]}], '[{"parts":[{"$$bytes":1,"n":{"d":{"$double":"-0.0"}}}]}]'),
    ],
)  # fmt: skip
def test_other_values_than_strings_are_their_document_form(value: Any, text: str) -> None:
    (row,) = rows(encode(spans.span({"gen_ai.output.messages": value})))
    assert (row["body"], row["is_json"], row["original_length"]) == (text, True, len(text.encode()))
    (row,) = rows(encode(spans.span({"embedding.embeddings.0.embedding.vector": value})))
    assert row["body"] == f'{{"embedding.embeddings.0.embedding.vector":{text}}}'
    (row,) = rows(encode(spans.span(events=[event({"message": value})])))
    assert (row["body"], row["is_json"]) == (text, True)


def test_a_string_that_is_json_stays_the_string_it_was() -> None:
    text = '{ "a" : 1e2,\n"a":"\\u0041" }'
    (row,) = rows(encode(spans.span({"gen_ai.tool.call.arguments": text})))
    assert (row["body"], row["is_json"]) == (text, False)


def test_an_empty_string_is_an_item() -> None:
    (row,) = rows(encode(spans.span({"input.value": ""})))
    assert (row["body"], row["is_json"], row["original_length"]) == ("", False, 0)


def test_repairs_are_made_and_counted_once() -> None:
    encoded = encode(
        spans.span(
            {"input.value": "a\0b", "llm.tools.0.tool\0": ["\0", {"k\0": 1}]},
            events=[event({"message": "\0\0"})],
        )
    )
    assert items(encoded) == [
        ("input.value", "a\ufffdb"),
        ("llm.tools.#", '{"llm.tools.0.tool\ufffd":["\ufffd",{"k\ufffd":1}]}'),
        ("message", "\ufffd\ufffd"),
    ]
    assert encoded.repaired == {"nul_replaced": 5}


def test_of_equal_keys_the_last_is_said() -> None:
    one = spans.span({"input.value": "first"})
    one.attributes.extend(spans.attributes({"input.value": "last"}))
    encoded = encode(one)
    assert items(encoded) == [("input.value", "last")]
    assert encoded.repaired == {"duplicate_key": 1}


@pytest.mark.parametrize(
    "limit, kept", [(1, ""), (2, "é"), (3, "é"), (4, "é"), (5, "é"), (6, "é🙂"), (7, "é🙂"), (9, "é🙂漢"), (10, "é🙂漢")]
)
def test_bodies_are_cut_between_characters(limit: int, kept: str) -> None:
    encoded = encode(spans.span({"input.value": "é🙂漢"}, events=[event({"message": "é🙂漢"})]), terms=keeping(limit))
    assert [row["body"] for row in rows(encoded)] == [kept, kept]
    assert [row["original_length"] for row in rows(encoded)] == [9, 9]
    assert encoded.repaired == ({"content_truncated": 2} if limit < 9 else {})


def test_json_is_cut_like_any_text() -> None:
    encoded = encode(spans.span({"llm.tools.0.a": "x" * 50, "gen_ai.input.messages": ["y" * 50]}), terms=keeping(20))
    assert [(row["body"], row["is_json"], row["original_length"]) for row in rows(encoded)] == [
        ('{"llm.tools.0.a":"xx', True, 70),
        ('["' + "y" * 18, True, 54),
    ]


def everywhere(secret: str) -> Span:
    """A span that says `secret` in every attribute that is content, and in every event."""
    anywhere = {key: secret for _, key in EXACT} | {member(family): secret for _, family in FAMILIES}
    marked = {key: secret for _, key in MARKED} | {content.MARK: "{}"}
    events = [event({key: [secret]}, name) for name, _, key in OF_EVENTS] + [event(anywhere, "e")]
    return spans.span(anywhere | marked | {"app": "kept"}, events=events)


def test_switched_off_nothing_of_it_is_anywhere() -> None:
    secret = "what-was-said"
    one = everywhere(secret)
    assert secret.encode() in everything(encode(one))
    encoded = encode(one, terms=keeping(0))
    assert secret.encode() not in everything(encoded)
    assert [table.name for table in encoded.tables] == ["llm_traces", "trace_index", "ingest_touched"]
    said = 2 * (len(EXACT) + len(FAMILIES)) + len(MARKED) + len(OF_EVENTS)
    assert encoded.repaired == {"content_dropped": said}
    assert span_row(encoded)["attributes"] == {content.MARK: "{}", "app": "kept"}


def test_the_span_row_is_the_same_whatever_is_kept() -> None:
    made = [encode(everywhere("said"), terms=keeping(limit)) for limit in (0, 2, 1024)]
    assert len({encoded.tables[0] for encoded in made}) == 1
    assert made[1].tables[1].rows == made[2].tables[1].rows > 100


def test_a_span_with_content_and_its_neighbours() -> None:
    plain = spans.span({"app": 1}, span_id=b"\x05" * 8)
    said = spans.span({"input.value": "x" * 100}, span_id=b"\x06" * 8)
    bad = spans.span({"input.value": "of a bad one"}, span_id=b"")
    encoded = spans.encode(spans.request(plain, said, bad, plain, said), terms=keeping(10))
    assert encoded.rejected_by_rule == {"span_id_invalid": 1}
    assert [row["attributes"] for row in spans.read_table(encoded, "llm_traces")] == [{"app": 1}, {}, {"app": 1}, {}]
    assert [(row["span_id"], row["body"]) for row in rows(encoded)] == [(b"\x06" * 8, "x" * 10)] * 2
    assert encoded.repaired == {"content_truncated": 2}
    assert b"of a bad one" not in everything(encoded)


def test_the_same_attribute_on_two_spans_of_a_trace_and_in_two_services() -> None:
    one, other = (spans.span({"input.value": "same"}, span_id=bytes([number]) * 8) for number in (1, 2))
    payload = spans.request(one, other) + spans.request(one, resource={"service.name": "é" * 300})
    encoded = spans.encode(payload)
    assert [(row["span_id"], row["service_name"], row["body"]) for row in rows(encoded)] == [
        (b"\x01" * 8, "shop", "same"),
        (b"\x02" * 8, "shop", "same"),
        (b"\x01" * 8, "é" * 256, "same"),
    ]


def test_content_of_a_resource_a_link_or_a_scope_is_none() -> None:
    """Only spans and their events say something; what describes the sender is kept with the source."""
    link = Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, attributes=spans.attributes({"input.value": "l"}))
    encoded = spans.encode(
        spans.request(spans.span(links=[link]), resource={"input.value": "r"}, scope={"output.value": "s"}), terms=keeping(0)
    )
    assert rows(encoded) == []
    assert encoded.repaired == {}
    assert span_row(encoded)["links"][0]["attributes"] == {"input.value": "l"}


def test_promotion_sees_no_difference() -> None:
    promoted = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}
    one, other = (
        span_row(encode(spans.span({**said, **promoted, "llm.provider": "openai"}))) for said in ({}, {"input.value": "x"})
    )
    assert one == other
    assert (one["usage_role"], one["provider"], one["attributes"]) == ("call", "openai", {"llm.provider": "openai"})


def test_many_different_keys_are_forgotten_again() -> None:
    """Keys are chosen by clients: what is remembered of them is bounded, and what is content stays content."""
    places = Places(json.loads(tables.SPEC)["content"])
    for number in range(2 * KEYS_REMEMBERED + 5):
        assert places[f"app.{number}"] is None
        assert len(places) <= KEYS_REMEMBERED
        assert len(places.ordinary) <= KEYS_REMEMBERED
    assert places["k" * 10_000] is None
    assert "k" * 10_000 not in places
    for _ in range(2):
        found = places["llm.tools.0.x"]
        assert found is not None
        assert (found.kind, found.attribute) == ("tool_definitions", "llm.tools.#")
