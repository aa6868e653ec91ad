"""Attribute documents, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.codec.reference import document
from llm_observatory.codec.reference.document import (
    PIECE_CHARACTERS,
    DocumentReader,
    render,
    render_list,
    render_sorted,
    render_value,
)
from tests.unit.codec import spans


@pytest.mark.parametrize(
    "value, text",
    [
        ("a", '"a"'),
        ("", '""'),
        ("é🙂\u2028\x7f", '"é🙂\u2028\x7f"'),
        ('"\\/\b\f\n\r\t\x01\x1f', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f"'),
        (True, "true"),
        (None, "null"),
        (0, "0"),
        (-(2**63), "-9223372036854775808"),
        (2**63 - 1, "9223372036854775807"),
        (1.0, "1.0"),
        (0.0, "0.0"),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (5e-324, "5e-324"),
        (999999999999999.9, "999999999999999.9"),
        (-999999999999999.9, "-999999999999999.9"),
        (1e15, '{"$double":"1000000000000000.0"}'),
        (-1e15, '{"$double":"-1000000000000000.0"}'),
        (1e16, '{"$double":"1e+16"}'),
        (1.7976931348623157e308, '{"$double":"1.7976931348623157e+308"}'),
        (-0.0, '{"$double":"-0.0"}'),
        (float("nan"), '{"$double":"NaN"}'),
        (float("inf"), '{"$double":"Infinity"}'),
        (float("-inf"), '{"$double":"-Infinity"}'),
        (b"\x00\xff", '{"$bytes":"AP8="}'),
        (b"", '{"$bytes":""}'),
        ([], "[]"),
        ([1, "a", None, [2.0], {"b": b"x"}], '[1,"a",null,[2.0],{"b":{"$bytes":"eA=="}}]'),
        ({}, "{}"),
        ({"$bytes": "AP8=", "$$": 1, "plain": {"$x": 2}}, '{"$$bytes":"AP8=","$$$":1,"plain":{"$$x":2}}'),
        ([float("nan")], '[{"$double":"NaN"}]'),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert spans.document({"k": value}) == f'{{"k":{text}}}'


def test_keys_keep_their_order_and_dollars_are_doubled() -> None:
    assert spans.document({"b": 1, "$a": 2, "": 3, "$double": "NaN"}) == '{"b":1,"$$a":2,"":3,"$$double":"NaN"}'


def test_an_empty_document() -> None:
    assert spans.document({}) == "{}"


def test_of_equal_keys_the_last_wins_at_every_level() -> None:
    repaired: dict[str, int] = {}
    twice = [KeyValue(key="a", value=spans.any_value(1)), KeyValue(key="a", value=spans.any_value("x"))]
    nested = KeyValue(key="n")
    nested.value.kvlist_value.values.extend([*twice, *twice])
    found = DocumentReader(repaired).attributes([twice[0], nested, twice[1]])
    assert render(found) == b'{"a":"x","n":{"a":"x"}}'
    assert repaired == {"duplicate_key": 4}


def test_nul_is_replaced_in_keys_and_values_and_counted_per_string() -> None:
    repaired: dict[str, int] = {}
    items = spans.attributes({"a\0\0": "x\0", "b": ["\0", {"c\0": "\0\0"}], "ok": "fine"})
    found = DocumentReader(repaired).attributes(items)
    assert found == {"a\ufffd\ufffd": "x\ufffd", "b": ["\ufffd", {"c\ufffd": "\ufffd\ufffd"}], "ok": "fine"}
    assert repaired == {"nul_replaced": 5}


def test_string_table_indexes_are_read_as_absent() -> None:
    repaired: dict[str, int] = {}
    items = [KeyValue(key="a", value=AnyValue(string_value_strindex=3)), KeyValue(key_strindex=4, value=spans.any_value("v"))]
    assert DocumentReader(repaired).attributes(items) == {"a": None, "": "v"}
    assert repaired == {"string_index_ignored": 2}


def test_the_deepest_value_that_upb_lets_through() -> None:
    deepest = b""
    depth = 0
    while True:
        value = spans.deep_value(depth + 1)
        try:
            Span.FromString(value)
        except DecodeError:
            break
        deepest, depth = value, depth + 1
    assert depth == 49
    found = DocumentReader({}).attributes(Span.FromString(deepest).attributes)
    assert render(found) == b'{"k":' + b"[" * depth + b'"x"' + b"]" * depth + b"}"


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8"))
)
nested = st.recursive(
    plain | st.floats() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.dictionaries(st.text(max_size=5), nested, max_size=5))
def test_a_document_is_always_json_and_deterministic(items: dict[str, Any]) -> None:
    first = render(DocumentReader({}).attributes(spans.attributes(items)))
    assert first == render(DocumentReader({}).attributes(spans.attributes(items)))
    assert isinstance(json.loads(first, parse_constant=pytest.fail), dict)
    assert b"\\u0000" not in first.replace(b"\\\\", b"")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.dictionaries(st.text(max_size=5), nested, max_size=5))
def test_the_quick_writer_writes_what_the_general_one_writes(items: dict[str, Any]) -> None:
    found = DocumentReader({}).attributes(spans.attributes(items))
    assert b"[" + render(found) + b"]" == render_list([found])


def general(value: Any, *, ordered: bool = False) -> bytes:
    """As the standard library writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=ordered)
    return text.encode()


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.dictionaries(st.text(max_size=5), nested, max_size=5), st.sampled_from([0, 1, 2, 3, 7]))
def test_in_pieces_of_any_size_the_text_is_the_same(items: dict[str, Any], characters: int) -> None:
    made = DocumentReader({}).attributes(spans.attributes(items))
    small = [render(made), render_sorted(made), render_value(made), render_list([made])]
    assert small == [general(made), general(made, ordered=True), general(made), general([made])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "PIECE_CHARACTERS", characters or 1)
        assert [render(made), render_sorted(made), render_value(made), render_list([made])] == small
        assert b"".join(document._pieces(made)) == small[0]
        assert b"".join(document._pieces(made, ordered=True)) == small[1]


LENGTHS = [PIECE_CHARACTERS + by for by in (-2, -1, 0, 1)] + [2 * PIECE_CHARACTERS, 2 * PIECE_CHARACTERS + 1]
WHOLES: dict[str, Callable[[str], dict[str, Any]]] = {
    "value": lambda text: {"k": text},
    "key": lambda text: {text: 1},
    "key of a list": lambda text: {"b": 1, text: ["a"]},
    "many": lambda text: {f"{n:07}": text[n : n + 57] for n in range(0, len(text), 57)},
    "nested": lambda text: {"b": [1.5, [text, None], {"d": True, "c": {}, "a": []}], "a": -1},
    "nested key": lambda text: {"b": {"z": 1, text: text[:9]}, "a": False},
}


@pytest.mark.parametrize("make", WHOLES.values(), ids=WHOLES.keys())
@pytest.mark.parametrize("length", LENGTHS)
def test_around_the_size_of_a_piece_the_text_is_the_same(make: Callable[[str], dict[str, Any]], length: int) -> None:
    for unit in ("a", '\x01"\\', "é\n", "\U0001f600\x1f"):
        made = make((unit * length)[:length])
        assert render(made) == render_value(made) == general(made)
        assert render_list([made, {}]) == general([made, {}])
        assert render_sorted(made) == general(made, ordered=True)


@pytest.mark.parametrize("write", [render, render_sorted, render_value, lambda made: render_list([made])])
def test_a_document_that_is_large_comes_in_pieces_and_no_other(
    write: Callable[[dict[str, Any]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(document, "_pieces")
    for make in (lambda n: {"k": "v" * (n - 1)}, lambda n: {"k" * n: 1}, lambda n: {"k" * 9: ["v", {"v" * (n - 10): None}]}):
        assert write(make(PIECE_CHARACTERS))
        with pytest.raises(NameError, match="_pieces"):
            write(make(PIECE_CHARACTERS + 1))


def test_a_slice_is_escaped_alone() -> None:
    """What is wide in one place makes nothing else wide: no str of more than a piece is ever escaped."""
    text = "\x01" * (3 * PIECE_CHARACTERS + 5) + "\U0001f600"
    pieces = document._pieces({"k": [text]})
    assert max(map(len, pieces)) == 6 * PIECE_CHARACTERS
    assert b"".join(pieces) == general({"k": [text]})
