"""Every exporter and transport that SDKs have: what was recorded is in the database, whichever way it came."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psutil
import psycopg
import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from tests.plugins.normal_form import envelopes_in, envelopes_of, predict
from tests.plugins.read_back import Reader
from tests.plugins.round_trip import WHOLE
from tests.plugins.sdk_clients import Road, Said, clients
from tests.plugins.service import Service, wait_for
from tests.python.recorded import SCHEMA, SECOND, record

pytestmark = pytest.mark.timeout(120)

RUN = "at ease"
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
    with clients(shared_service, [*PYTHON, *NODE], RUN, at) as running:
        running.send()
        said = running.said()
    assert said.results == {(road.service(RUN), signal): "SUCCESS" for road in [*PYTHON, *NODE] for signal in ENCODERS}
    assert said.logged == []
    return at


def recorded(signal: str, service: str, at: int) -> Counter[str]:
    """The normal forms of what the SDK of Python recorded."""
    expected = predict(envelopes_of(ENCODERS[signal](getattr(record(service, at), signal))), at // 1000, WHOLE)
    assert not expected.rejected
    assert not expected.repaired
    return expected.records


@pytest.mark.parametrize("signal", ENCODERS)
@pytest.mark.parametrize("road", PYTHON, ids=" ".join)
def test_what_the_python_sdk_recorded_is_stored(reader: Reader, sent_at: int, road: Road, signal: str) -> None:
    assert stored(reader, signal, road.service(RUN)) == recorded(signal, road.service(RUN), sent_at)


NODE_ATTRIBUTES = {
    "text": 'Ä "quoted" \u2028 \U0001f600', "empty": "", "true": True, "false": False, "zero": 0, "negative": -7,
    "large": 2**53 - 1, "tenth": 0.1, "texts": ["a", ""], "numbers": [1, -5], "doubles": [0.5, 1.25], "none": [],
}  # fmt: skip


def of_node(reader: Reader, signal: str) -> list[list[Any]]:
    """What the SDK of Node.js recorded: resource, scope, and the rest of each record. It is the same on every road."""
    services = [road.service(RUN) for road in NODE]
    roads = [{form.replace(service, "it") for form in stored(reader, signal, service)} for service in services]
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


ITEMS_OF_NODE = {"traces": 2, "metrics": 5, "logs": 6}


def samples(service: Service, name: str, **labels: str) -> float:
    """The sum of all samples of that name with those labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = service.get("/metrics")[1].decode().splitlines()
    found = [line for line in lines if re.split("[{ ]", line)[0] == name and all(label in line for label in wanted)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


@contextmanager
def locked(service: Service) -> Iterator[Callable[[], None]]:
    """No fact can be written until the yielded function is called."""
    with psycopg.connect(service.dsn()) as connection:
        connection.execute("LOCK TABLE llm_traces, llm_metrics, llm_logs IN ACCESS EXCLUSIVE MODE")
        yield connection.commit


@contextmanager
def frozen(service: Service) -> Iterator[Callable[[], None]]:
    """Every process of the server stands still until the yielded function is called."""
    postmaster = service.postmaster()
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for process in stopped:
        process.suspend()

    def thaw() -> None:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    try:
        yield thaw
    finally:
        thaw()


def assert_stored_once(reader: Reader, road: Road, run: str, at: int, signal: str) -> None:
    """All that the road's client recorded in that run."""
    found = stored(reader, signal, road.service(run))
    if road.sdk == "python":
        assert found == recorded(signal, road.service(run), at)
    else:
        assert (found.total(), len(found)) == (ITEMS_OF_NODE[signal], ITEMS_OF_NODE[signal])


@pytest.mark.parametrize("trouble", [locked, frozen])
def test_a_short_hold_saves_what_every_exporter_sends(
    shared_service: Service, reader: Reader, trouble: Callable[[Service], AbstractContextManager[Callable[[], None]]]
) -> None:
    """gRPC-js above all: it never tries again, whatever the answer says."""
    roads, run, at = [*PYTHON, *NODE], trouble.__name__, time.time_ns()
    counters = ("otlp_request_bytes_count", "storage_retries_total", "ingest_refused_requests_total")
    before = [samples(shared_service, name) for name in counters]

    def since() -> list[float]:
        return [samples(shared_service, name) - was for name, was in zip(counters, before, strict=True)]

    with clients(shared_service, roads, run, at) as running, trouble(shared_service) as end:
        running.send()
        wait_for(lambda: since()[0] == len(ENCODERS) * len(roads), 30, "all requests are in")
        if trouble is locked:
            wait_for(lambda: since()[1] >= len(ENCODERS), 30, "the first write of each signal was in vain")
        else:
            time.sleep(2)  # half of the hold; a server that stands still gives no sign to wait for
        end()
        said = running.said()
    assert said == Said({(road.service(run), signal): "SUCCESS" for road in roads for signal in ENCODERS}, [])
    assert since()[2] == 0, "nobody was refused"
    for road in roads:
        for signal in ENCODERS:
            assert_stored_once(reader, road, run, at, signal)


def test_after_a_longer_outage_every_retry_is_stored_once(shared_service: Service, reader: Reader) -> None:
    roads = [road for road in [*PYTHON, *NODE] if road.compression == "none"]
    run, at = "refused", time.time_ns()
    with clients(shared_service, roads, run, at) as running, locked(shared_service) as end:

        def refused() -> list[float]:
            return [samples(shared_service, "ingest_refused_requests_total", signal=signal) for signal in ENCODERS]

        before = refused()
        running.send()
        wait_for(
            lambda: all(now >= was + len(roads) for now, was in zip(refused(), before, strict=True)), 30, "everybody is refused"
        )
        end()
        said = running.said()
    for road in roads:
        for signal in ENCODERS:
            result = said.results[road.service(run), signal]
            if road == Road("node", "grpc", "none") and result != "SUCCESS":
                assert result.startswith("FAILURE 14 "), "UNAVAILABLE, and no second try"
                assert not stored(reader, signal, road.service(run))
            else:
                assert result == "SUCCESS", (road, said.logged)
                assert_stored_once(reader, road, run, at, signal)
    # Exactly what the answer asks for: by itself each of them waits for 0.8 to 1.2 s.
    for package in ("proto.grpc", "proto.http", "json.http"):
        lines = [line for line in said.logged if line.startswith(f"opentelemetry.exporter.otlp.{package}")]
        assert lines
        assert all("retrying in 1.00s" in line for line in lines), lines
