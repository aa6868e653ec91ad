"""OTLP/JSON says the same as protobuf, whoever writes it and however; and what is no OTLP/JSON costs as little as it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.errors import InvalidPayload
from tests.plugins import hostile_wire, otlp_messages
from tests.plugins.corpus import SAID, by_field, sample
from tests.plugins.otlp_json import PLAIN, Style, to_json, to_protobuf
from tests.plugins.otlp_messages import REQUESTS
from tests.plugins.round_trip import check, encode, examples

SIGNALS = ("traces", "metrics", "logs")
STYLES = st.builds(Style, *[st.booleans() for _ in Style._fields])
CASES = tuple(sample(SAID, 4))
PROTOBUF = hostile_wire.Style()
ANY_STYLE = Style(*[True] * len(Style._fields))

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=6),
    st.sampled_from([10**400, 2**64, -(2**63) - 1, "1e999999999", "9" * 5000, "NaN", "0x1", "1_0", "\ud800", "=", "A" * 33]),
)
JSON = st.recursive(
    _SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(max_size=3), st.sampled_from(["key", "value", "values", "arrayValue", "stringValue", "attributes"])
            ),
            below,
            max_size=3,
        ),
    ),
    max_leaves=6,
)


def written_out(signal: str, payload: bytes) -> str:
    """A message as text: presence shows, and NaN is NaN."""
    return text_format.MessageToString(REQUESTS[signal].FromString(payload))


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=100)
@given(data=st.data())
def test_the_message_that_was_written_is_read(signal: str, data: st.DataObject) -> None:
    request = data.draw(otlp_messages.requests(signal, strange=False))
    payload = to_protobuf(signal, to_json(request, data.draw(STYLES)))
    assert written_out(signal, payload) == written_out(signal, request.SerializeToString())


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=100)
@given(data=st.data())
def test_what_is_sent_is_stored_as_over_grpc(signal: str, data: st.DataObject) -> None:
    """Invalid ids, invalid UTF-8, nesting that is too deep, numbers out of every range, beside what is good."""
    request = data.draw(otlp_messages.requests(signal))
    check(signal, request, PROTOBUF, payload=to_protobuf(signal, to_json(request, data.draw(STYLES))))


@pytest.mark.parametrize("style", [PLAIN, ANY_STYLE], ids=["plain", "any"])
@pytest.mark.parametrize("name", by_field(CASES))
def test_every_rule_in_every_field(name: str, style: Style) -> None:
    for case in by_field(CASES)[name]:
        request = case.request()
        try:
            check(case.signal, request, PROTOBUF, payload=to_protobuf(case.signal, to_json(request, style)))
        except AssertionError as error:
            error.add_note(str(case))
            raise


def records(signal: str, request: dict[str, Any]) -> list[Any]:
    """Spans, log records or data points, in order."""
    names = {"traces": ("Spans", "spans"), "logs": ("Logs", "logRecords"), "metrics": ("Metrics", "metrics")}[signal]
    found = [
        record
        for resource in request.get(f"resource{names[0]}", ())
        for scope in resource.get(f"scope{names[0]}", ())
        for record in scope.get(names[1], ())
    ]
    if signal != "metrics":
        return found
    return [
        point for metric in found for data in metric.values() if isinstance(data, dict) for point in data.get("dataPoints", ())
    ]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container below a value, with every key or index in it."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(below)


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=100)
@given(data=st.data())
def test_whatever_stands_in_a_record_costs_that_record_at_most(signal: str, data: st.DataObject) -> None:
    value = json.loads(to_json(data.draw(otlp_messages.requests(signal, strange=False))))
    found = records(signal, value)
    before = encode(signal, to_protobuf(signal, json.dumps(value).encode()))
    if not found:
        return
    spoiled = list(places(found[data.draw(st.integers(0, len(found) - 1))]))
    if not spoiled:
        return
    container, key = spoiled[data.draw(st.integers(0, len(spoiled) - 1))]
    container[key] = data.draw(JSON)
    after = encode(signal, to_protobuf(signal, json.dumps(value).encode()))
    assert after.accepted + after.rejected_count == before.accepted + before.rejected_count
    assert after.rejected_count <= before.rejected_count + 1


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=100)
@given(data=st.data())
def test_whatever_stands_anywhere_is_refused_or_can_be_encoded(signal: str, data: st.DataObject) -> None:
    value = json.loads(to_json(data.draw(otlp_messages.requests(signal, strange=False))))
    for _ in range(data.draw(st.integers(1, 3))):
        spoiled = list(places(value))
        if spoiled:
            container, key = spoiled[data.draw(st.integers(0, len(spoiled) - 1))]
            container[key] = data.draw(JSON)
    survives(signal, json.dumps(value).encode())


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=100)
@given(data=st.data())
def test_broken_bytes_are_refused_or_can_be_encoded(signal: str, data: st.DataObject) -> None:
    body = bytearray(to_json(data.draw(otlp_messages.requests(signal)), data.draw(STYLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b'"', b"{", b"]", b"\\ud83d", b"\\", b"-", b"1e9", b"\xed\xa0\x80"])
            )
        )
    survives(signal, bytes(body))


@examples(ci=100)
@given(signal=st.sampled_from(SIGNALS), body=st.binary())
def test_any_bytes_are_refused_or_can_be_encoded(signal: str, body: bytes) -> None:
    survives(signal, body)


def survives(signal: str, body: bytes) -> None:
    """Only InvalidPayload, with a message of bounded size; what is not refused is a payload that the codec can walk."""
    try:
        payload = to_protobuf(signal, body)
    except InvalidPayload as error:
        message = str(error)
    else:
        encode(signal, payload)
        message = ""
    assert len(message) < 300
