"""JSON read piece by piece is the JSON that Python reads in one go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.errors import InvalidPayload, RequestTooLarge
from llm_observatory.otlp.json import reading, to_protobuf
from llm_observatory.otlp.json.reading import Cursor, NotJson, TooManyElements
from llm_observatory.otlp.json.scalars import Unfit
from tests.unit.codec import spans

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=4), below, max_size=4),
    max_leaves=20,
)
TRACE_ID, SPAN_ID = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def in_pieces(cursor: Cursor) -> Any:
    """The value, every object and array of it read piece by piece."""
    match cursor.peek():
        case "{":
            return {key: in_pieces(cursor) for key in cursor.members()}
        case "[":
            return [in_pieces(cursor) for _ in cursor.elements()]
        case _:
            return cursor.value()


def read(text: str, most_elements: int = 1000) -> Any:
    cursor = Cursor(text, most_elements)
    value = in_pieces(cursor)
    cursor.end()
    return value


@given(value=VALUES, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
def test_a_text_is_the_same_in_pieces(value: Any, indent: int | None, ascii_only: bool) -> None:
    assert read(json.dumps(value, indent=indent, ensure_ascii=ascii_only)) == value


@given(value=VALUES, data=st.data())
def test_what_python_does_not_read_is_not_read_in_pieces_either(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    spoiled = text[:at] + data.draw(st.sampled_from(["", ",", "}", "]", '"', ":", "x", " ", "1"])) + text[at + 1 :]
    try:
        expected = json.loads(spoiled)
    except ValueError:
        with pytest.raises(NotJson):
            read(spoiled)
    else:
        assert read(spoiled) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[", '{"a"', '{"a":', '{"a":1', "[1", "[1,", '{"a":1,}', "[1,]", "{1:2}", "nul", "[1 2]", '"a']
)
def test_where_it_breaks_is_said(text: str) -> None:
    with pytest.raises(NotJson, match="at line 1, column"):
        read(text)


def test_elements_of_all_arrays_are_counted() -> None:
    assert read("[[1,2],[3]]", 5) == [[1, 2], [3]]
    with pytest.raises(TooManyElements):
        read("[[1,2],[3]]", 4)


VALUES_OF_MANY_TOKENS = ["[" + "1," * 50 + "1]", '{"a":[{},{},{}],"b":{"c":"\\"]"}}', "[" * 30 + "]" * 30]


@pytest.mark.parametrize("text", VALUES_OF_MANY_TOKENS)
def test_what_holds_too_much_is_passed_over(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "UNCOUNTED_CHARACTERS", 0)
    monkeypatch.setattr(reading, "TOKENS_MAX", 10)
    cursor = Cursor(f"[{text}, 7]", 10)
    seen = []
    for _ in cursor.elements():
        try:
            seen.append(cursor.value())
        except Unfit:
            seen.append("too much")
    cursor.end()
    assert seen == ["too much", 7]
    monkeypatch.setattr(reading, "TOKENS_MAX", 1000)
    assert Cursor(text, 10).value() == json.loads(text)


def span(**more: Any) -> dict[str, Any]:
    return {"traceId": TRACE_ID, "spanId": SPAN_ID, "startTimeUnixNano": str(spans.NOW * 1000), **more}


def request(*records: str) -> bytes:
    return ('{"resourceSpans":[{"scopeSpans":[{"spans":[' + ",".join(records) + "]}]}]}").encode()


@pytest.mark.parametrize("depth", [500, 100_000])
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_nesting_that_no_parser_follows_costs_one_record(depth: int, opening: str, closing: str) -> None:
    deep = f'{{"attributes":{opening * depth}1{closing * depth},"name":"deep"}}'
    good = json.dumps(span(name="good"))
    encoded = spans.encode(to_protobuf("traces", request(good, deep, good), 10))
    assert (encoded.accepted, dict(encoded.rejected_by_rule)) == (2, {"record_malformed": 1})


def test_a_large_record_that_holds_too_much_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TOKENS_MAX", 400_000)
    good, huge = json.dumps(span(name="good")), '{"attributes":[' + "{}," * reading.TOKENS_MAX + "{}]}"
    encoded = spans.encode(to_protobuf("traces", request(good, huge, good), 10))
    assert (encoded.accepted, dict(encoded.rejected_by_rule)) == (2, {"record_malformed": 1})


@pytest.mark.parametrize(
    "body", [request(*["{}"] * 50), b'{"resourceSpans":[' + b"{}," * 50 + b"{}]}"], ids=["records", "resources"]
)
def test_more_than_a_request_may_hold_is_read_no_further(body: bytes) -> None:
    with pytest.raises(RequestTooLarge, match="MAX_ITEMS_PER_REQUEST"):
        to_protobuf("traces", body, 10)


def test_a_string_without_end_takes_one_look() -> None:
    with pytest.raises(InvalidPayload, match="Unterminated string"):
        to_protobuf("traces", b'{"resourceSpans":[{"x":[["' + b'\\"' * 1_000_000, 10)
