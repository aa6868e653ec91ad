"""An attribute lives in exactly one place, and a reader can tell which."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from llm_observatory import tables
from llm_observatory.codec.reference import fields
from llm_observatory.codec.reference.convert import Conversions
from llm_observatory.codec.reference.document import DocumentReader, render
from llm_observatory.codec.reference.promote import PromotedColumn, Promotion
from llm_observatory.codec.reference.spec import AttributeSource, SpecColumn, attribute_source
from llm_observatory.tables.column import Column
from tests.unit.codec import spans
from tests.unit.codec.spans import row

PROMOTED = [column for column in tables.LLM_TRACES.columns if column.op.startswith("attr:")]
SAMPLES: dict[str, Any] = {
    "text": "some-value",
    "int": 12345678901,
    "float": 0.25,
    "bool": True,
    "provider": "openai",
    "operation": "chat",
    "finish_reasons": ["stop", "length"],
}


def source_of(column: Column) -> AttributeSource:
    source = attribute_source(column.op)
    assert source is not None
    return source


@pytest.mark.parametrize("column", [column for column in PROMOTED if column.name != "ttft_ms"], ids=lambda column: column.name)
def test_the_canonical_attribute_leaves_the_document(column: Column) -> None:
    source = source_of(column)
    sample = SAMPLES[source.conversion]
    found = row({source.key: sample, "other": 1})
    assert found[column.name] == sample
    assert found["attributes"] == {"other": 1}


@pytest.mark.parametrize(
    "column, alias",
    [(column, alias) for column in PROMOTED for alias in column.aliases],
    ids=lambda value: getattr(value, "key", getattr(value, "name", "")),
)
def test_an_alias_fills_the_column_and_stays(column: Column, alias: Any) -> None:
    sample = SAMPLES.get(alias.conversion, 2.0)
    found = row({alias.key: sample})
    assert found[column.name] == (2000.0 if alias.conversion == "seconds_to_ms" else sample)
    assert found["attributes"] == {alias.key: sample}


@pytest.mark.parametrize("column", [column for column in PROMOTED if column.aliases], ids=lambda column: column.name)
def test_beside_an_alias_the_canonical_attribute_wins_and_stays(column: Column) -> None:
    source = source_of(column)
    first: Any
    last: Any
    first, last = {"text": ("a", "b"), "provider": ("openai", "cohere"), "operation": ("chat", "embeddings")}.get(
        source.conversion, (1, 2)
    )
    if source.conversion == "bool":
        first, last = True, False
    elif source.conversion == "finish_reasons":
        first, last = ["stop"], ["length"]
    found = row({column.aliases[-1].key: last, source.key: first})
    assert found[column.name] == (1000.0 if source.conversion == "seconds_to_ms" else first)
    assert found["attributes"] == {column.aliases[-1].key: last, source.key: first}


def test_aliases_in_order_of_precedence() -> None:
    column = next(column for column in tables.LLM_TRACES.columns if column.name == "input_tokens")
    items = {alias.key: number for number, alias in enumerate(column.aliases, start=1)}
    for expected in range(1, len(column.aliases) + 1):
        assert row(dict(reversed(items.items())))["input_tokens"] == expected
        items.pop(column.aliases[expected - 1].key)


@pytest.mark.parametrize("absent", ["", "  ", "null", "Infinity", "NOT_GIVEN", " null\n", None, b"x", {"a": 1}])
def test_absent_values_stay_and_the_next_source_is_taken(absent: Any) -> None:
    items = {"gen_ai.request.model": absent, "ai.model.id": "gpt-5"}
    found = row(items)
    assert found["request_model"] == "gpt-5"
    assert found["attributes"].keys() == items.keys()
    alone = row({"gen_ai.request.model": absent})
    assert alone["request_model"] is None
    assert "gen_ai.request.model" in alone["attributes"]


@pytest.mark.parametrize(
    "key, value, column, expected",
    [
        ("gen_ai.usage.input_tokens", "12", "input_tokens", 12),
        ("gen_ai.usage.input_tokens", 12.0, "input_tokens", 12),
        ("gen_ai.usage.output_tokens", 12.5, "output_tokens", None),
        ("gen_ai.request.temperature", 1, "temperature", 1.0),
        ("gen_ai.request.temperature", "0.5", "temperature", 0.5),
        ("gen_ai.request.stream", "true", "is_streaming", True),
        ("user.id", 42, "user_id", "42"),
        ("gen_ai.provider.name", "OpenAI", "provider", "openai"),
        ("gen_ai.provider.name", "langchain", "provider", None),
        ("gen_ai.operation.name", "completion", "operation", "text_completion"),
        ("gen_ai.response.finish_reasons", ["end_turn"], "finish_reasons", ["stop"]),
        ("gen_ai.response.finish_reasons", '["stop"]', "finish_reasons", ["stop"]),
        ("gen_ai.response.finish_reasons", "stop", "finish_reasons", ["stop"]),
        ("gen_ai.response.finish_reasons", [], "finish_reasons", None),
        ("gen_ai.response.time_to_first_chunk", 0.25, "ttft_ms", 250.0),
        ("gen_ai.response.time_to_first_chunk", 0.0, "ttft_ms", 0.0),
    ],
)
def test_what_conversion_changed_stays(key: str, value: Any, column: str, expected: Any) -> None:
    found = row({key: value})
    assert found[column] == expected
    assert found["attributes"] == {key: value}


def test_not_reported_is_null_and_zero_is_zero() -> None:
    found = row({"gen_ai.usage.input_tokens": 0})
    assert (found["input_tokens"], found["output_tokens"]) == (0, None)


def test_of_a_repeated_canonical_attribute_the_last_counts() -> None:
    one = spans.span({"gen_ai.request.model": "a"})
    one.attributes.append(KeyValue(key="gen_ai.request.model", value=spans.any_value("b")))
    encoded = spans.encode(spans.request(one))
    (found,) = spans.read_table(encoded, "llm_traces")
    assert (found["request_model"], found["attributes"]) == ("b", {})
    assert encoded.repaired == {"duplicate_key": 1}


def test_resource_attributes_fill_columns_and_stay_where_they_are() -> None:
    resource = {"service.name": "s", "deployment.environment.name": "prod", "deployment.environment": "old"}
    encoded = spans.encode(spans.request(spans.span({"langfuse.environment": "lf"}), resource=resource))
    (found,) = spans.read_table(encoded, "llm_traces")
    assert (found["environment"], found["attributes"]) == ("prod", {"langfuse.environment": "lf"})
    (source,) = encoded.dimensions["telemetry_sources"].values()
    assert spans.read_row("telemetry_sources", source)["resource"] == resource


def test_a_resource_alias_wins_over_a_later_span_alias_and_loses_where_it_is_absent() -> None:
    items = {"langfuse.environment": "lf"}
    assert row(items, resource={"deployment.environment": "old"})["environment"] == "old"
    assert row(items, resource={"deployment.environment": " "})["environment"] == "lf"
    assert row({"deployment.environment.name": "span"}, resource={})["environment"] is None


def test_a_large_resource_value_is_capped_in_every_row() -> None:
    assert row(resource={"deployment.environment.name": "é" * 400})["environment"] == "é" * 256


def promote(column: SpecColumn, items: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    conversions = Conversions({name: {} for name in (
        "absent_text", "provider_aliases", "dotted_providers", "frameworks", "operation_aliases", "finish_reason_aliases"
    )})  # fmt: skip
    assert conversions.by_name.keys() == Conversions.NAMES
    row = [b"", fields.NULL]
    Promotion([PromotedColumn(1, column, conversions.by_name)]).fill(items, row, {})
    return row[1], items


def test_a_capped_value_stays_whole_in_the_document() -> None:
    column = SpecColumn("c", "text", "attr:k:text", 4, (AttributeSource("k", "text", on_resource=False),))
    assert promote(column, {"k": "abcd"}) == (fields.text("abcd"), {})
    assert promote(column, {"k": "abcé"}) == (fields.text("abc"), {"k": "abcé"})


def test_a_column_that_the_resource_may_fill_is_never_the_only_place() -> None:
    sources = (AttributeSource("k", "text", on_resource=False), AttributeSource("r", "text", on_resource=True))
    assert promote(SpecColumn("c", "text", "attr:k:text", None, sources), {"k": "v"}) == (fields.text("v"), {"k": "v"})


KEYS = [source_of(column).key for column in PROMOTED] + [alias.key for column in PROMOTED for alias in column.aliases]
VALUES = st.sampled_from(["", "null", "stop", "openai", "LLM", "12", "0.5", "true", 0, 7, 0.5, 12.0, 1e300, True, None, b"b"])


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), VALUES | st.lists(VALUES, max_size=3), max_size=12))
def test_every_attribute_can_be_found_again(items: dict[str, Any]) -> None:
    """The reader's rule: in the document it is the original; else the column is the canonical attribute."""
    items = {key.replace("\0", ""): value for key, value in items.items()}
    found = row(items)
    expected = json.loads(render(DocumentReader({}).attributes(spans.attributes(items))))
    again = dict(found["attributes"])
    for column in PROMOTED:
        key = source_of(column).key
        present = key in again or any(alias.key in again for alias in column.aliases)
        if found[column.name] is not None and not present:
            again[key] = found[column.name]
    assert again == expected
    assert all(type(again[key]) is type(expected[key]) for key in expected)
