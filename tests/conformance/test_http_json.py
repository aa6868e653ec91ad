"""OTLP/HTTP: JSON as the specification deviates from protobuf's own mapping, and as people write it."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.http_wire import JSON, Response, post
from tests.conformance.receiver import Receiver, Seen
from tests.conformance.signals import LOGS, METRICS, TRACES, Signal, unset
from tests.conformance.test_http_requests import EVERY_SIGNAL, parsed
from tests.conformance.to_json import to_json

Document = dict[str, Any]


def ask(receiver: Receiver, signal: Signal, document: Any) -> Response:
    """Send a document as JSON."""
    return receiver.ask(post(signal.path, json.dumps(document).encode(), JSON))


def now(later: int = 0) -> str:
    return str(time.time_ns() + later)


def a_span(**fields: Any) -> Document:
    """A request of one span, with further fields or others."""
    span = {
        "traceId": uuid.uuid4().hex,
        "spanId": uuid.uuid4().hex[:16],
        "name": "json",
        "startTimeUnixNano": now(),
        "endTimeUnixNano": now(1000),
        **fields,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def a_record(**fields: Any) -> Document:
    """A request of one log record."""
    record = {"timeUnixNano": now(), "body": {"stringValue": uuid.uuid4().hex}, **fields}
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def a_point(exemplars: list[Document] | None = None, **fields: Any) -> Document:
    """A request of one data point of a gauge."""
    point = {"timeUnixNano": now(), "asInt": "1", "exemplars": exemplars or [], **fields}
    return {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": uuid.uuid4().hex, "gauge": {"dataPoints": [point]}}]}]}]
    }


def name_of(document: Document) -> str:
    """Of the metric of `a_point`."""
    name: str = document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["name"]
    return name


def taken(response: Response, signal: Signal) -> bool:
    """Whether all of it was accepted."""
    return response.status == 200 and unset(parsed(response, signal))


def verdict(response: Response, signal: Signal) -> str:
    """`200`, `200, 1 rejected` or `400`."""
    if response.status != 200:
        return str(response.status)
    rejected = getattr(parsed(response, signal).partial_success, signal.rejected)
    return "200" if not rejected else f"200, {rejected} rejected"


UPPER, LOWER = "5B8EFFF798038103D269B633813FC60C", "5b8efff798038103d269b633813fc60c"
WITH_IDS: dict[str, tuple[Signal, Callable[[Callable[[str], str]], Document]]] = {
    "span": (TRACES, lambda case: a_span(traceId=case(UPPER), spanId=case("EEE19B7EC3C1B174"))),
    "parent of a span": (TRACES, lambda case: a_span(parentSpanId=case("EEE19B7EC3C1B173"))),
    "link": (TRACES, lambda case: a_span(links=[{"traceId": case(UPPER), "spanId": case("EEE19B7EC3C1B172")}])),
    "log record": (LOGS, lambda case: a_record(traceId=case(UPPER), spanId=case("EEE19B7EC3C1B171"))),
    "exemplar": (
        METRICS,
        lambda case: a_point(
            [{"timeUnixNano": now(), "asInt": "1", "traceId": case(UPPER), "spanId": case("EEE19B7EC3C1B170")}]
        ),
    ),
}
CASES: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "mixed": lambda text: text[:5].lower() + text[5:],
}


@pytest.mark.requirement("H10", "MUST")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("message", WITH_IDS)
def test_ids_are_hex(receiver: Receiver, seen: Seen, message: str, case: str) -> None:
    signal, make = WITH_IDS[message]
    response = ask(receiver, signal, make(CASES[case]))
    seen(f"ids of a {message}: {verdict(response, signal)}")
    assert taken(response, signal)


@pytest.mark.requirement("H10", "MUST")
@pytest.mark.own_process("rows")
@pytest.mark.parametrize("case", CASES)
def test_ids_are_stored_as_the_bytes_they_are(receiver: Receiver, seen: Seen, case: str) -> None:
    """One 16-byte id in every message that has one: a database that holds it as anything else is found out."""
    trace, write = uuid.uuid4(), CASES[case]
    written = write(trace.hex.upper())
    span = a_span(
        traceId=written, spanId=write("EEE19B7EC3C1B174"), links=[{"traceId": written, "spanId": write("EEE19B7EC3C1B172")}]
    )
    assert taken(ask(receiver, TRACES, span), TRACES)
    assert taken(ask(receiver, LOGS, a_record(traceId=written, spanId=write("EEE19B7EC3C1B171"))), LOGS)
    exemplar = {"timeUnixNano": now(), "asInt": "1", "traceId": written, "spanId": write("EEE19B7EC3C1B170")}
    assert taken(ask(receiver, METRICS, a_point([exemplar])), METRICS)
    found = {}
    for table in ("llm_traces", "llm_logs", "llm_metrics"):
        [(found[table],)] = receiver.ours.query(f"SELECT count(*) FROM {table} WHERE trace_id = %s", trace)
    [(links,)] = receiver.ours.query("SELECT links::text FROM llm_traces WHERE trace_id = %s", trace)
    seen(f"{case}: {found}, in its link: {trace.hex in links}")
    assert set(found.values()) == {1}
    assert trace.hex in links


NO_HEX = {
    "base64": base64.b64encode(bytes.fromhex(UPPER)).decode(),
    "odd length": UPPER[:-1],
    "15 bytes": UPPER[:-2],
    "24 bytes, as base64 of hex would be": UPPER + UPPER[:16],
    "no hex": "X" * 32,
    "empty": "",
    "with dashes": str(uuid.UUID(UPPER)),
    "a number": 7,
}


@pytest.mark.requirement("H10", "RECOMMENDED")
@pytest.mark.parametrize("id_", NO_HEX)
def test_an_id_that_is_no_hex(receiver: Receiver, seen: Seen, id_: str) -> None:
    """Refused, or its span rejected: never a success."""
    response = ask(receiver, TRACES, a_span(traceId=NO_HEX[id_]))
    seen(f"{id_}: {verdict(response, TRACES)}")
    assert response.status == 400 or verdict(response, TRACES) == "200, 1 rejected"


ENUMS: dict[str, tuple[Signal, Any]] = {
    "kind 2": (TRACES, lambda: a_span(kind=2)),
    "status code 2": (TRACES, lambda: a_span(status={"code": 2})),
    "severityNumber 9": (LOGS, lambda: a_record(severityNumber=9)),
    "a kind of the future": (TRACES, lambda: a_span(kind=99)),
}
ENUM_NAMES: dict[str, tuple[Signal, Any]] = {
    "SPAN_KIND_SERVER": (TRACES, lambda: a_span(kind="SPAN_KIND_SERVER")),
    "STATUS_CODE_ERROR": (TRACES, lambda: a_span(status={"code": "STATUS_CODE_ERROR"})),
    "SEVERITY_NUMBER_INFO": (LOGS, lambda: a_record(severityNumber="SEVERITY_NUMBER_INFO")),
}


@pytest.mark.requirement("H11", "MUST")
@pytest.mark.parametrize("enum", ENUMS)
def test_enums_are_integers(receiver: Receiver, seen: Seen, enum: str) -> None:
    signal, make = ENUMS[enum]
    response = ask(receiver, signal, make())
    seen(f"{enum}: {verdict(response, signal)}")
    assert taken(response, signal)


@pytest.mark.requirement("H11", "RECOMMENDED")
@pytest.mark.parametrize("name", ENUM_NAMES)
def test_names_of_enums_are_taken(receiver: Receiver, seen: Seen, name: str) -> None:
    signal, make = ENUM_NAMES[name]
    response = ask(receiver, signal, make())
    seen(f"{name}: {verdict(response, signal)}")
    assert taken(response, signal)


@pytest.mark.requirement("H11", "MUST")
@pytest.mark.own_process("rows")
def test_enums_are_stored_as_numbers(receiver: Receiver, seen: Seen) -> None:
    for kind in (2, "SPAN_KIND_SERVER"):
        trace = uuid.uuid4()
        ask(receiver, TRACES, a_span(traceId=trace.hex, kind=kind))
        [(stored,)] = receiver.ours.query("SELECT span_kind FROM llm_traces WHERE trace_id = %s", trace)
        seen(f"{kind}: {stored}")
        assert stored == 2


SNAKE_SPAN = {
    "trace_id": UPPER,
    "span_id": "EEE19B7EC3C1B174",
    "name": "snake",
    "start_time_unix_nano": now(),
    "end_time_unix_nano": now(),
}


def snake(**fields: str) -> Document:
    """A request of one span under the names of the .proto files."""
    return {"resource_spans": [{"scope_spans": [{"spans": [{**SNAKE_SPAN, **fields}]}]}]}


@pytest.mark.requirement("H12", "MUST")
@EVERY_SIGNAL
def test_keys_are_camel_case(receiver: Receiver, seen: Seen, signal: Signal) -> None:
    document = to_json(signal.make(3))
    response = ask(receiver, signal, document)
    seen(f"{next(iter(document))}: {verdict(response, signal)}")
    assert taken(response, signal)


@pytest.mark.requirement("H12", "MUST")
@pytest.mark.own_process("rows")
@EVERY_SIGNAL
def test_what_is_under_camel_case_keys_is_stored(receiver: Receiver, seen: Seen, signal: Signal) -> None:
    before = receiver.rows(signal.table)
    ask(receiver, signal, to_json(signal.make(3)))
    seen(f"{signal.table}: {receiver.rows(signal.table) - before} rows of 3")
    assert receiver.rows(signal.table) == before + 3


@pytest.mark.requirement("H12", "RECOMMENDED")
def test_original_field_names_do_no_harm(receiver: Receiver, seen: Seen) -> None:
    response = ask(receiver, TRACES, snake())
    seen(f"snake_case: {verdict(response, TRACES)}")
    assert response.status in (200, 400)
    assert response.status == 400 or taken(response, TRACES)


@pytest.mark.requirement("H12", "RECOMMENDED")
@pytest.mark.own_process("rows")
def test_what_is_under_original_field_names_is_stored(receiver: Receiver, seen: Seen) -> None:
    before = receiver.rows("llm_traces")
    ask(receiver, TRACES, snake(trace_id=uuid.uuid4().hex))
    seen(f"snake_case: {receiver.rows('llm_traces') - before} rows of 1")
    assert receiver.rows("llm_traces") == before + 1


STRANGE = {"a scalar": 7, "a string": "x", "an array": [1, [2, {"a": None}]], "an object": {"a": {"b": [True]}}, "null": None}


def sprinkled(document: Any, value: Any) -> Any:
    """The document with a key that nobody knows in every object."""
    if isinstance(document, dict):
        return {"unknownKey": value, **{key: sprinkled(inner, value) for key, inner in document.items()}, "zz": value}
    return [sprinkled(inner, value) for inner in document] if isinstance(document, list) else document


@pytest.mark.requirement("H13", "MUST")
@pytest.mark.parametrize("value", STRANGE)
@EVERY_SIGNAL
def test_unknown_keys_are_ignored(receiver: Receiver, seen: Seen, signal: Signal, value: str) -> None:
    response = ask(receiver, signal, sprinkled(to_json(signal.make(2)), STRANGE[value]))
    seen(f"{value}: {verdict(response, signal)}")
    assert taken(response, signal)


@pytest.mark.requirement("H13", "MUST")
@pytest.mark.own_process("rows")
@EVERY_SIGNAL
def test_what_is_known_beside_unknown_keys_is_stored(receiver: Receiver, seen: Seen, signal: Signal) -> None:
    before = receiver.rows(signal.table)
    ask(receiver, signal, sprinkled(to_json(signal.make(2)), {"a": [1]}))
    seen(f"{signal.table}: {receiver.rows(signal.table) - before} rows of 2")
    assert receiver.rows(signal.table) == before + 2


def attribute(value: Document) -> Document:
    return a_span(attributes=[{"key": "app.value", "value": value}])


NUMBERS: dict[str, tuple[Signal, Any]] = {
    "intValue as number": (TRACES, lambda: attribute({"intValue": 1})),
    "intValue as string": (TRACES, lambda: attribute({"intValue": "1"})),
    "the largest int64": (TRACES, lambda: attribute({"intValue": "9223372036854775807"})),
    "the smallest int64": (TRACES, lambda: attribute({"intValue": "-9223372036854775808"})),
    "time as number": (TRACES, lambda: a_span(startTimeUnixNano=int(now()))),
    "asInt as number": (METRICS, lambda: a_point(asInt=7)),
    "doubleValue as number": (TRACES, lambda: attribute({"doubleValue": 0.5})),
    "doubleValue as string": (TRACES, lambda: attribute({"doubleValue": "0.5"})),
    "NaN": (TRACES, lambda: attribute({"doubleValue": "NaN"})),
    "Infinity": (TRACES, lambda: attribute({"doubleValue": "Infinity"})),
    "-Infinity": (TRACES, lambda: attribute({"doubleValue": "-Infinity"})),
    "bytes in base64": (TRACES, lambda: attribute({"bytesValue": "AAEC/w=="})),
    "an integer with exponent": (TRACES, lambda: attribute({"intValue": 1e3})),
}


@pytest.mark.requirement("H14", "MUST")
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers(receiver: Receiver, seen: Seen, number: str) -> None:
    signal, make = NUMBERS[number]
    response = ask(receiver, signal, make())
    seen(f"{number}: {verdict(response, signal)}")
    assert taken(response, signal)


STORED: dict[str, tuple[Document, str]] = {
    "9223372036854775807": ({"intValue": "9223372036854775807"}, "9223372036854775807"),
    "2^53 + 1 as string": ({"intValue": "9007199254740993"}, "9007199254740993"),
    "2^53 + 1 as number": ({"intValue": 9007199254740993}, "9007199254740993"),
    "NaN": ({"doubleValue": "NaN"}, '{"$double": "NaN"}'),
    "-Infinity": ({"doubleValue": "-Infinity"}, '{"$double": "-Infinity"}'),
    "bytes": ({"bytesValue": "AAEC/w=="}, '{"$bytes": "AAEC/w=="}'),
}


@pytest.mark.requirement("H14", "RECOMMENDED")
@pytest.mark.own_process("rows")
@pytest.mark.parametrize("value", STORED)
def test_numbers_are_stored_exactly(receiver: Receiver, seen: Seen, value: str) -> None:
    sent, expected = STORED[value]
    trace = uuid.uuid4()
    ask(receiver, TRACES, a_span(traceId=trace.hex, attributes=[{"key": "app.value", "value": sent}]))
    sql = "SELECT (attributes -> 'app.value')::text FROM llm_traces WHERE trace_id = %s"
    [(stored,)] = receiver.ours.query(sql, trace)
    seen(f"{value}: {stored}")
    assert stored == expected


@pytest.mark.requirement("H14", "RECOMMENDED")
@pytest.mark.own_process("rows")
def test_an_integer_of_a_point_is_stored_exactly(receiver: Receiver, seen: Seen) -> None:
    document = a_point(asInt="9007199254740993")
    ask(receiver, METRICS, document)
    [(stored,)] = receiver.ours.query("SELECT int_value FROM llm_metrics WHERE metric_name = %s", name_of(document))
    seen(f"asInt 2^53 + 1: {stored}")
    assert stored == 9007199254740993


BROKEN = {
    "cut off": b'{"resourceSpans": [',
    "two documents": b"{}{}",
    "a trailing comma": b'{"resourceSpans": [],}',
    "no UTF-8": b'{"\xff": 1}',
    "a string": b'"resourceSpans"',
    "a number": b"17",
    "no array where one belongs": b'{"resourceSpans": {"a": 1}}',
    "text": b"resourceSpans",
}


@pytest.mark.requirement("H15", "MUST")
@EVERY_SIGNAL
@pytest.mark.parametrize("body", [name for name in BROKEN if name not in ("no UTF-8", "no array where one belongs")])
def test_json_that_is_broken_or_no_object_is_400(receiver: Receiver, seen: Seen, signal: Signal, body: str) -> None:
    response = receiver.ask(post(signal.path, BROKEN[body], JSON))
    seen(f"{body}: {response.status}")
    assert response.status == 400


@pytest.mark.requirement("H15", "MUST")
@pytest.mark.parametrize("body", ["no array where one belongs"])
def test_json_that_does_not_fit_is_400(receiver: Receiver, seen: Seen, body: str) -> None:
    response = receiver.ask(post("/v1/traces", BROKEN[body], JSON))
    seen(f"{body}: {response.status}")
    assert response.status == 400


@pytest.mark.requirement("H15", "MUST")
@EVERY_SIGNAL
@pytest.mark.parametrize("body", [b"{}", b" { } ", b'{"a": 1}'], ids=["an empty object", "with spaces", "only unknown keys"])
def test_an_object_with_nothing_known_is_an_empty_request(receiver: Receiver, seen: Seen, signal: Signal, body: bytes) -> None:
    response = receiver.ask(post(signal.path, body, JSON))
    seen(f"{body.decode().strip()}: {verdict(response, signal)}")
    assert taken(response, signal)


@pytest.mark.requirement("H15", "RECOMMENDED")
@EVERY_SIGNAL
@pytest.mark.parametrize("body", [b"[]", b"null", b"true", b"[{}]", b""], ids=["[]", "null", "true", "[{}]", "nothing"])
def test_an_array_and_null_are_400(receiver: Receiver, seen: Seen, signal: Signal, body: bytes) -> None:
    response = receiver.ask(post(signal.path, body, JSON))
    seen(f"{body.decode() or 'nothing'}: {response.status}")
    assert response.status == 400


@pytest.mark.requirement("H15", "RECOMMENDED")
def test_json_as_deep_as_it_likes_ends_nothing(receiver: Receiver, seen: Seen) -> None:
    """100,000 arrays in each other, as a known value and as an unknown one."""
    deep = b"[" * 100_000 + b"]" * 100_000
    statuses = [receiver.ask(post("/v1/traces", body, JSON)).status for body in (deep, b'{"a":' + deep + b"}")]
    after = receiver.ask(post("/v1/traces", b"{}", JSON)).status
    seen(f"100,000 arrays in each other: {statuses}, afterwards {after}")
    assert set(statuses) <= {200, 400}
    assert after == 200
