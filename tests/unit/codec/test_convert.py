"""Attribute values of all dialects as column values."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from llm_observatory import tables
from llm_observatory.codec.reference.convert import Conversions
from llm_observatory.codec.reference.document import double
from llm_observatory.codec.reference.program import OPS
from llm_observatory.codec.reference.spec import load
from llm_observatory.tables import column

pytestmark = pytest.mark.reference_codec

BY_NAME = Conversions(load(tables.SPEC, OPS, Conversions.NAMES).llm).by_name

EXACT, CHANGED = True, False
INF = float("inf")


def test_every_declared_conversion_exists() -> None:
    assert BY_NAME.keys() == column.CONVERSIONS.keys() == Conversions.NAMES


@pytest.mark.parametrize("conversion", sorted(BY_NAME))
@pytest.mark.parametrize(
    "value",
    ["", "  ", "null", " null ", "Infinity", "NOT_GIVEN", None, {"$bytes": "AP8="}, {}, [], [""], ["null", " "], [1], [None]],
)
def test_absent(conversion: str, value: Any) -> None:
    assert BY_NAME[conversion](value) is None


@pytest.mark.parametrize(
    "conversion, value, expected",
    [
        ("int", 0, (0, EXACT)),
        ("int", -5, (-5, EXACT)),
        ("int", 12.0, (12, CHANGED)),
        ("int", -0.0, (0, CHANGED)),
        ("int", double(-0.0), (0, CHANGED)),
        ("int", double(1e16), (10**16, CHANGED)),
        ("int", double(2.0**63), None),
        ("int", double(-(2.0**63)), (-(2**63), CHANGED)),
        ("int", 12.5, None),
        ("int", double(nan), None),
        ("int", double(INF), None),
        ("int", " 42\n", (42, CHANGED)),
        ("int", "+42", (42, CHANGED)),
        ("int", "42.0", (42, CHANGED)),
        ("int", "4.2e1", (42, CHANGED)),
        ("int", "4.25", None),
        ("int", "9223372036854775807", (2**63 - 1, CHANGED)),
        ("int", "9223372036854775808", None),
        ("int", "1e999", None),
        ("int", "1" * 5000, None),
        ("int", "1_000", None),
        ("int", "0x10", None),
        ("int", "٤٢", None),
        ("int", "NaN", None),
        ("int", True, None),
        ("int", [1], None),
        ("float", 0.7, (0.7, EXACT)),
        ("float", double(1e16), (1e16, EXACT)),
        ("float", 1, (1.0, CHANGED)),
        ("float", "0.7", (0.7, CHANGED)),
        ("float", ".5", (0.5, CHANGED)),
        ("float", "1e-3", (0.001, CHANGED)),
        ("float", double(nan), None),
        ("float", double(-INF), None),
        ("float", "nan", None),
        ("float", "inf", None),
        ("float", False, None),
        ("seconds_to_ms", 0.25, (250.0, CHANGED)),
        ("seconds_to_ms", 0.0, (0.0, CHANGED)),
        ("seconds_to_ms", 2, (2000.0, CHANGED)),
        ("seconds_to_ms", "0.5", (500.0, CHANGED)),
        ("seconds_to_ms", double(1.7e308), None),
        ("bool", True, (True, EXACT)),
        ("bool", False, (False, EXACT)),
        ("bool", "True", (True, CHANGED)),
        ("bool", " false ", (False, CHANGED)),
        ("bool", "yes", None),
        ("bool", 1, None),
        ("text", "gpt-5", ("gpt-5", EXACT)),
        ("text", " gpt-5 ", (" gpt-5 ", EXACT)),
        ("text", 42, ("42", CHANGED)),
        ("text", True, None),
        ("text", 1.5, None),
        ("text_list", ["a", "b"], (["a", "b"], EXACT)),
        ("text_list", '["a", "b"]', (["a", "b"], CHANGED)),
        ("text_list", ' ["a"] ', (["a"], CHANGED)),
        ("text_list", "a", (["a"], CHANGED)),
        ("text_list", "[1]", (["[1]"], CHANGED)),
        ("text_list", "[broken", (["[broken"], CHANGED)),
        ("text_list", '["\\ud800"]', (['["\\ud800"]'], CHANGED)),
        ("text_list", '["a\\u0000"]', (["a\ufffd"], CHANGED)),
        ("text_list", "[]", None),
        ("text_list", ["a", 1], None),
        ("finish_reasons", ["stop"], (["stop"], EXACT)),
        ("finish_reasons", ["end_turn", "length"], (["stop", "length"], CHANGED)),
        ("finish_reasons", "tool_use", (["tool_calls"], CHANGED)),
        ("finish_reasons", '["MAX_TOKENS"]', (["length"], CHANGED)),
        ("finish_reasons", ["something_new"], (["something_new"], EXACT)),
        ("provider", "openai", ("openai", EXACT)),
        ("provider", "OpenAI", ("openai", CHANGED)),
        ("provider", "openai.responses", ("openai", CHANGED)),
        ("provider", "google.generative-ai", ("gcp.gemini", CHANGED)),
        ("provider", "google.generative-ai.chat", ("gcp.gemini", CHANGED)),
        ("provider", "google.vertex.chat", ("gcp.vertex_ai", CHANGED)),
        ("provider", "google.other.chat", ("gcp.gen_ai", CHANGED)),
        ("provider", "amazon-bedrock", ("aws.bedrock", CHANGED)),
        ("provider", "amazon-bedrock.chat", ("aws.bedrock", CHANGED)),
        ("provider", "azure-openai.chat", ("azure.ai.openai", CHANGED)),
        ("provider", "azure.chat", ("azure.ai.openai", CHANGED)),
        ("provider", "azure.ai.inference", ("azure.ai.inference", EXACT)),
        ("provider", "fireworks.chat", ("fireworks", CHANGED)),
        ("provider", "openai.", ("openai", CHANGED)),
        ("provider", "some.other.name", ("some.other.name", EXACT)),
        ("provider", "xai", ("x_ai", CHANGED)),
        ("provider", "az.ai.openai", ("azure.ai.openai", CHANGED)),
        ("provider", "azure.ai.openai", ("azure.ai.openai", EXACT)),
        ("provider", "aws.bedrock", ("aws.bedrock", EXACT)),
        ("provider", "MistralAI", ("mistral_ai", CHANGED)),
        ("provider", "Watsonx", ("ibm.watsonx.ai", CHANGED)),
        ("provider", "langchain", None),
        ("provider", "CrewAI", None),
        ("provider", "ÄHNLICH", ("Ähnlich", CHANGED)),  # only ASCII is lower-cased
        ("provider", 1, None),
        ("operation", "chat", ("chat", EXACT)),
        ("operation", "LLM", ("chat", CHANGED)),
        ("operation", "ai.streamText.doStream", ("chat", CHANGED)),
        ("operation", "completion", ("text_completion", CHANGED)),
        ("operation", "create_memory", ("create_memory", EXACT)),
        ("operation", 5, None),
    ],
)
def test_conversions(conversion: str, value: Any, expected: tuple[Any, bool] | None) -> None:
    assert BY_NAME[conversion](value) == expected


def test_brackets_without_end_are_one_plain_string() -> None:
    value = "[" * 60_000
    assert BY_NAME["text_list"](value) == ([value], CHANGED)


def test_a_long_string_is_not_parsed() -> None:
    value = '["' + "a" * 70_000 + '"]'
    assert BY_NAME["text_list"](value) == ([value], CHANGED)
