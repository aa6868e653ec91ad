"""Every exporter and transport that SDKs have: what was recorded is in the database, whichever way it came."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from tests.plugins.normal_form import envelopes_in, envelopes_of, predict
from tests.plugins.read_back import Reader
from tests.plugins.round_trip import WHOLE
from tests.plugins.sdk_clients import Road, clients
from tests.plugins.service import Service
from tests.python.recorded import SCHEMA, SECOND, record

pytestmark = pytest.mark.timeout(120)

ENCODERS: dict[str, Any] = {"traces": encode_spans, "metrics": encode_metrics, "logs": encode_logs}
PYTHON = [
    Road("python", "grpc", "none"),
    Road("python", "grpc", "gzip"),
    Road("python", "http/protobuf", "none"),
    Road("python", "http/protobuf", "gzip"),
    Road("python", "http/protobuf", "deflate"),
    Road("python", "http/json", "none"),
    Road("python", "http/json", "gzip"),
    Road("python", "http/json", "deflate"),
    Road("python", "pyproto grpc", "none"),
    Road("python", "pyproto grpc", "gzip"),
]
NODE = [
    Road("node", "grpc", "none"),
    Road("node", "grpc", "gzip"),
    Road("node", "http/json", "none"),
    Road("node", "http/json", "gzip"),
    Road("node", "http/protobuf", "none"),
    Road("node", "http/protobuf", "gzip"),
]


@pytest.fixture(scope="module")
def reader(shared_service: Service) -> Iterator[Reader]:
    made = Reader(shared_service.dsn())
    yield made
    made.close()


def stored(reader: Reader, signal: str, service: str) -> Counter[str]:
    """The normal forms of a service's records."""
    return predict(envelopes_in(signal, reader.decoded(signal, "default", service)), time.time_ns() // 1000, WHOLE).records


@pytest.fixture(scope="module")
def sent_at(shared_service: Service) -> int:
    """The time of the records that came on all roads."""
    at = time.time_ns()
    with clients(shared_service, [*PYTHON, *NODE], at) as running:
        running.send()
        said = running.said()
    assert said.results == {(road.service, signal): "SUCCESS" for road in [*PYTHON, *NODE] for signal in ENCODERS}
    assert said.logged == []
    return at


@pytest.mark.parametrize("signal", ENCODERS)
@pytest.mark.parametrize("road", PYTHON, ids=lambda road: road.service)
def test_what_the_python_sdk_recorded_is_stored(reader: Reader, sent_at: int, road: Road, signal: str) -> None:
    recorded = ENCODERS[signal](getattr(record(road.service, sent_at), signal))
    expected = predict(envelopes_of(recorded), sent_at // 1000, WHOLE)
    assert not expected.rejected
    assert not expected.repaired
    assert stored(reader, signal, road.service) == expected.records


NODE_ATTRIBUTES = {
    "text": 'Ä "quoted" \u2028 \U0001f600', "empty": "", "true": True, "false": False, "zero": 0, "negative": -7,
    "large": 2**53 - 1, "tenth": 0.1, "texts": ["a", ""], "numbers": [1, -5], "doubles": [0.5, 1.25], "none": [],
}  # fmt: skip


def of_node(reader: Reader, signal: str) -> list[list[Any]]:
    """What the SDK of Node.js recorded: resource, scope, and the rest of each record. It is the same on every road."""
    roads = [{form.replace(road.service, "it") for form in stored(reader, signal, road.service)} for road in NODE]
    for road in roads:
        assert road == roads[0]
    forms = [json.loads(form) for form in sorted(roads[0])]
    for resource, scope, *_ in forms:
        assert resource.pop("the schema_url beside it") == scope.pop("the schema_url beside it") == SCHEMA
        assert resource == {"attributes": {"service.name": "it", "service.instance.id": "one", **NODE_ATTRIBUTES}}
    return [form[1:] for form in forms]


def test_spans_of_node(reader: Reader, sent_at: int) -> None:
    step, request = (form[1] for form in of_node(reader, "traces"))
    context = {"trace_id": request["trace_id"], "flags": 257, "start_time_unix_nano": sent_at}
    elsewhere = {"trace_id": "8" + "0" * 31, "span_id": "8" + "0" * 15, "flags": 769, "trace_state": "k=v"}
    assert request == context | {
        "name": "request", "kind": 2, "span_id": request["span_id"], "end_time_unix_nano": sent_at + 2 * SECOND,
        "links": [{**elsewhere, "attributes": {"why": "x"}}],
    }  # fmt: skip
    assert step == context | {
        "name": "step", "kind": 3, "span_id": step["span_id"], "parent_span_id": request["span_id"],
        "end_time_unix_nano": sent_at + SECOND, "status": {"code": 2, "message": "it broke"}, "attributes": NODE_ATTRIBUTES,
        "events": [{"name": "event", "time_unix_nano": sent_at, "attributes": NODE_ATTRIBUTES}],
    }  # fmt: skip


def test_metrics_of_node(reader: Reader, sent_at: int) -> None:
    forms = {metric["name"]: (metric, point) for _, metric, point in of_node(reader, "metrics")}
    model = {"attributes": {"model": "gpt-5"}}
    recorded = {"count": 4, "min": 0.0, "max": 100.0, "sum": 100.55, **model}
    times = {"start_time_unix_nano", "time_unix_nano"}
    assert all(0 < point["start_time_unix_nano"] <= point["time_unix_nano"] for _, point in forms.values())
    positive = forms["latency.exponential"][1].pop("positive")
    assert sum(positive["bucket_counts"]) == 3
    points = {name: {key: value for key, value in point.items() if key not in times} for name, (_, point) in forms.items()}
    assert points == {
        "level": {"as_double": 0.75, "attributes": {"tank": "a"}},
        "calls": {"as_double": {"$double": "9007199254740991.0"}, **model},  # JavaScript has one kind of numbers
        "open": {"as_double": -3.0},
        "latency": recorded | {"explicit_bounds": [0.1, 1.0, 10.0], "bucket_counts": [2, 1, 0, 1]},
        "latency.exponential": recorded | {"scale": 3, "zero_count": 1, "negative": {}},
    }
    assert [metric for metric, _ in forms.values() if metric["name"] in ("level", "calls")] == [
        {"name": "level", "gauge": {}, "unit": "1", "description": "how full"},
        {"name": "calls", "sum": {"aggregation_temporality": 2, "is_monotonic": True}, "unit": "{call}"},
    ]


def test_logs_of_node(reader: Reader, sent_at: int) -> None:
    records = sorted((form[1] for form in of_node(reader, "logs")), key=lambda each: each["time_unix_nano"])
    [request] = (form[1] for form in of_node(reader, "traces") if form[1]["name"] == "request")
    bodies: list[Any] = ["said", 17, 0.5, True, ["a", 1], {"parts": [{"type": "text", "n": 1, "x": 0.5}]}]
    for number, (body, found) in enumerate(zip(bodies, records, strict=True)):
        assert found == {
            "time_unix_nano": sent_at + number, "observed_time_unix_nano": sent_at + SECOND, "severity_number": 13,
            "severity_text": "warning", "body": {"value": body}, "flags": 1, "trace_id": request["trace_id"],
            "span_id": request["span_id"], "attributes": {**NODE_ATTRIBUTES, "map": {"a": {"b": [1, 2]}}},
            **({"event_name": "an.event"} if number % 2 else {}),
        }  # fmt: skip
