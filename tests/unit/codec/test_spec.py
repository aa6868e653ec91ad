"""The codec runs the spec of the tables and refuses what it does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_observatory import codec, tables
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.encoder import RequestEncoder
from llm_observatory.codec.reference.program import OPS, Program
from llm_observatory.codec.reference.spec import IGNORED_OP
from llm_observatory.errors import ConfigError
from llm_observatory.tables import column
from tests.unit.codec import spans
from tests.unit.codec.test_doorway import drain


def columns(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in spec["tables"][0]["columns"]}


def program(change: Callable[[dict[str, Any]], object]) -> Program:
    spec = json.loads(tables.SPEC)
    change(spec)
    return Program(json.dumps(spec))


def test_the_codec_knows_exactly_the_declared_ops() -> None:
    assert OPS | {IGNORED_OP} == column.OPS.keys()


def test_the_spec_of_the_tables_is_accepted() -> None:
    assert Program(tables.SPEC).order == [table.name for table in tables.TABLES]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda spec: columns(spec)["flags"].update(op="span.flagz"), "llm_traces.flags: unknown op span.flagz"),
        (lambda spec: columns(spec)["tool_name"].update(op="attr:k:roman"), "tool_name: unknown conversion roman"),
        (lambda spec: columns(spec)["tool_name"]["aliases"].append("event:k:text"), "tool_name: unknown op event:k:text"),
        (lambda spec: columns(spec)["flags"].update(type="money"), "flags: unknown type money"),
        (lambda spec: spec.update(version=1), "version 1"),
        (lambda spec: spec["tables"].pop(0), "no fact table with a column filled by span.kind"),
        (
            lambda spec: columns(spec)["tool_name"]["aliases"].append("attr:user.id:text"),
            "user_id: its attribute user.id also fills tool_name",
        ),
        (
            lambda spec: columns(spec)["tool_name"]["aliases"].append("attr:llm.tools.0.name:text"),
            r"llm_traces.tool_name: its attribute llm.tools.0.name is content \(tool_definitions: llm.tools.#\)",
        ),
        (
            lambda spec: spec["content"]["kinds"]["input"].append("gen_ai.request.model"),
            r"llm_traces.request_model: its attribute gen_ai.request.model is content \(input: gen_ai.request.model\)",
        ),
        (
            lambda spec: spec["content"]["marked_kinds"]["input"].append("agent_name"),
            r"llm_traces.agent_name: its attribute agent_name is content \(input: agent_name\)",
        ),
        (
            lambda spec: spec["content"]["kinds"]["input"].append("logfire.*"),
            r"the mark of usage carriers: its attribute logfire.span_type is content \(input: logfire.\*\)",
        ),
        (
            lambda spec: spec["content"]["kinds"]["input"].append("event.*"),
            r"the name of an event: its attribute event.name is content \(input: event.\*\)",
        ),
        (lambda spec: spec["tables"].pop(1), "no fact table with a column filled by content.body"),
    ],
)
def test_what_is_unknown_is_refused(implementation: str, change: Callable[[dict[str, Any]], object], message: str) -> None:
    spec = json.loads(tables.SPEC)
    change(spec)
    run: Callable[[str], object] = codec.Native if implementation == "native" else Program
    with pytest.raises(ConfigError, match=message):
        run(json.dumps(spec))


def test_all_faults_are_reported_at_once() -> None:
    def change(spec: dict[str, Any]) -> None:
        columns(spec)["flags"]["op"] = "a"
        columns(spec)["span_name"]["op"] = "b"

    with pytest.raises(ConfigError) as caught:
        program(change)
    assert len(caught.value.faults) == 2


def test_a_key_of_two_kinds_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        program(lambda spec: spec["content"]["kinds"]["output"].extend(["input.value", "llm.tools.#"]))
    assert caught.value.faults == [
        "content key input.value is of two kinds: input, output",
        "content key llm.tools.# is of two kinds: output, tool_definitions",
    ]


def span_row(compiled: Program, payload: bytes) -> list[bytes | None]:
    """The fields of the one span in `payload`, encoded by `compiled`."""
    batch = Batch("default", spans.NOW, 0)
    records = compiled.records("traces", payload, batch, bytes(16), spans.TERMS)
    steps = RequestEncoder(compiled.sources, compiled.order, payload, batch, records).steps()
    encoded = drain(steps)[1]
    return codec.tuple_fields(encoded.tables[0].chunks[0])


def test_the_order_and_names_of_columns_come_from_the_spec() -> None:
    def change(spec: dict[str, Any]) -> None:
        items = spec["tables"][0]["columns"]
        for item in items:
            item["name"] = {"operation": "kind_of_work"}.get(item["name"], item["name"])
        spec["llm"]["operation_column"] = "kind_of_work"
        spec["tables"][0]["columns"] = items[:1] + items[:0:-1]

    payload = spans.request(spans.span({"gen_ai.operation.name": "chat", "k": 1}))
    row = span_row(program(lambda spec: None), payload)
    assert b"call" in row
    assert span_row(program(change), payload) == row[:1] + row[:0:-1]
