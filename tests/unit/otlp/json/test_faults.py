"""What a fault costs: the request, all records of a resource, scope or metric, or one record; its neighbours are stored."""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_observatory.codec import EncodedRequest, Rejection
from llm_observatory.errors import InvalidPayload
from tests.plugins.otlp_json import to_json, to_protobuf
from tests.plugins.otlp_messages import nest
from tests.unit.codec import logs, metrics, spans

TRACES = json.loads(to_json(ExportTraceServiceRequest.FromString(spans.request(spans.span(), spans.span(), spans.span()))))
LOGS = json.loads(to_json(ExportLogsServiceRequest.FromString(logs.request(logs.record("a"), logs.record("b")))))
TWO_METRICS = json.loads(
    to_json(
        ExportMetricsServiceRequest.FromString(
            metrics.request(
                metrics.metric("sum", metrics.point("sum"), metrics.point("sum")), metrics.metric("gauge", metrics.point())
            )
        )
    )
)
REQUESTS: dict[str, Any] = {"traces": TRACES, "logs": LOGS, "metrics": TWO_METRICS}


def with_fault(signal: str, path: str, value: Any) -> bytes:
    """A good request with `value` at a path like `resourceSpans.0.scopeSpans`."""
    request = json.loads(json.dumps(REQUESTS[signal]))
    *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    at = request
    for step in way:
        at = at[step]
    at[last] = value
    return json.dumps(request).encode()


def encoded(signal: str, body: bytes) -> EncodedRequest:
    return spans.encode(to_protobuf(signal, body), signal=signal)


def fault_of(signal: str, body: bytes) -> str:
    with pytest.raises(InvalidPayload) as refused:
        to_protobuf(signal, body)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None  # their frames would hold the body
    start = "the body is not an OTLP/JSON export request: "
    assert str(refused.value).startswith(start)
    return str(refused.value).removeprefix(start)


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"a"', b"true", b"[{}]", b"NaN"])
def test_a_request_is_an_object(body: bytes) -> None:
    assert fault_of("traces", body) == "it is not an object"


def test_a_body_of_nothing_but_nesting_is_refused_for_good() -> None:
    """It is not an object either; what reads it gives up before it knows."""
    assert fault_of("traces", b"[" * 100_000 + b"]" * 100_000) == "nests too deeply"


@pytest.mark.parametrize(
    "body", [b"{}", b' \n{ "a" : [ 1 ] }\t', b'\xef\xbb\xbf{"resourceSpans":null}', b'{"resourceSpans":[]}']
)
def test_an_empty_request_is_legal(body: bytes) -> None:
    assert to_protobuf("traces", body) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\0", b"{", b'{"a":1,}', b"{}{}", b"{'a':1}", b'{"a":"\n"}', b'{"a":01}', b"\xff{}",
        '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-16-le"), '{"a":1}'.encode("utf-32"), b'{"a":"\\ud8"}', b'{"a":"\\x"}',
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused_with_its_place(body: bytes) -> None:
    assert " at line 1, column " in fault_of("logs", body)


def test_a_message_quotes_nothing_of_the_body() -> None:
    message = fault_of("traces", b'{"secret' + b"x" * 10_000)
    assert len(message) < 100
    assert "secret" not in message


@pytest.mark.parametrize(
    "signal, path, value, fault",
    [
        ("traces", "resourceSpans", {}, "resourceSpans is not an array"),
        ("traces", "resourceSpans", "a", "resourceSpans is not an array"),
        ("traces", "resourceSpans.0", None, "resourceSpans[0] is not an object"),
        ("logs", "resourceLogs.0.scopeLogs", 1, "resourceLogs[0].scopeLogs is not an array"),
        ("logs", "resourceLogs.0.scopeLogs.0", [], "resourceLogs[0].scopeLogs[0] is not an object"),
        (
            "metrics",
            "resourceMetrics.0.scopeMetrics.0.metrics",
            {},
            "resourceMetrics[0].scopeMetrics[0].metrics is not an array",
        ),
    ],
)
def test_a_fault_around_the_records_refuses_the_request(signal: str, path: str, value: Any, fault: str) -> None:
    assert fault_of(signal, with_fault(signal, path, value)) == fault


@pytest.mark.parametrize("value", [None, 17, "a", [], {"name": 1}, {"attributes": [{"value": {"intValue": "x"}}]}])
def test_a_fault_in_a_span_costs_that_span(value: Any) -> None:
    found = encoded("traces", with_fault("traces", "resourceSpans.0.scopeSpans.0.spans.1", value))
    assert found.accepted == 2
    assert found.rejected == (Rejection("resource_spans[0].scope_spans[0].spans[1]", "record_malformed"),)


@pytest.mark.parametrize("value", [7, {"body": {"stringValue": 1}}, {"severityNumber": "LOUD"}])
def test_a_fault_in_a_log_record_costs_that_record(value: Any) -> None:
    found = encoded("logs", with_fault("logs", "resourceLogs.0.scopeLogs.0.logRecords.0", value))
    assert found.accepted == 1
    assert found.rejected == (Rejection("resource_logs[0].scope_logs[0].log_records[0]", "record_malformed"),)


@pytest.mark.parametrize("value", [7, [], {"asInt": "x"}, {"exemplars": {}}])
def test_a_fault_in_a_point_costs_that_point(value: Any) -> None:
    found = encoded("metrics", with_fault("metrics", "resourceMetrics.0.scopeMetrics.0.metrics.0.sum.dataPoints.1", value))
    assert found.accepted == 2
    path = "resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[1]"
    assert found.rejected == (Rejection(path, "record_malformed"),)


@pytest.mark.parametrize(
    "path, value",
    [
        ("resource", []),
        ("resource", {"attributes": [{"key": 1}]}),
        ("schemaUrl", 1),
        ("scopeSpans.0.scope", "a"),
        ("scopeSpans.0.scope.name", {}),
        ("scopeSpans.0.schemaUrl", []),
    ],
)
def test_a_fault_in_a_resource_or_scope_costs_its_records(path: str, value: Any) -> None:
    found = encoded("traces", with_fault("traces", f"resourceSpans.0.{path}", value))
    assert (found.accepted, dict(found.rejected_by_rule)) == (0, {"source_malformed": 3})


@pytest.mark.parametrize(
    "path, value, points",
    [
        (".name", 1, 2),
        (".unit", [], 2),
        (".metadata", {}, 2),
        (".metadata", [{"key": "a"}, 1], 2),
        (".sum.aggregationTemporality", "SOMETIMES", 2),
        (".sum.isMonotonic", "yes", 2),
        (".sum.dataPoints", {}, 1),
        (".sum", [], 1),
        ("", 17, 1),
        ("", None, 1),
    ],
)
def test_a_fault_in_a_metric_costs_its_points(path: str, value: Any, points: int) -> None:
    """Where the points cannot be told they count as one: nothing is lost without a word."""
    found = encoded("metrics", with_fault("metrics", f"resourceMetrics.0.scopeMetrics.0.metrics.0{path}", value))
    assert (found.accepted, dict(found.rejected_by_rule)) == (1, {"metric_malformed": points})


def test_unknown_keys_are_ignored_at_every_level() -> None:
    junk: dict[str, Any] = {"unknown": [None, {"a": [1]}, 10**30]}
    span = TRACES["resourceSpans"][0]["scopeSpans"][0]["spans"][0] | junk
    body = {"resourceSpans": [junk | {"resource": junk, "scopeSpans": [junk | {"scope": junk, "spans": [span]}]}]} | junk
    assert encoded("traces", json.dumps(body).encode()).accepted == 1


def test_bytes_that_are_not_utf8_cost_one_record() -> None:
    body = with_fault("traces", "resourceSpans.0.scopeSpans.0.spans.1.name", "MARK").replace(b"MARK", b"a\xff\xc3b")
    found = encoded("traces", body)
    assert (found.accepted, dict(found.rejected_by_rule)) == (2, {"record_malformed": 1})


def with_value(depth: int, *, kvlists: bool) -> bytes:
    """A span with an attribute of that many arrays or maps in each other, beside one without."""
    request = ExportTraceServiceRequest.FromString(spans.request(spans.span(), spans.span()))
    pair = request.resource_spans[0].scope_spans[0].spans[1].attributes.add()
    nest(pair.value, depth, kvlists=kvlists)
    return to_json(request)


@pytest.mark.parametrize("kvlists, fits", [(False, 49), (True, 32)], ids=["arrays", "maps"])
def test_a_value_may_be_as_deep_as_over_grpc(kvlists: bool, fits: int) -> None:
    for depth, accepted in ((fits, 2), (fits + 1, 1), (60, 1)):
        found = encoded("traces", with_value(depth, kvlists=kvlists))
        assert (depth, found.accepted, found.rejected_count) == (depth, accepted, 2 - accepted)


def deep(levels: int) -> bytes:
    """A span with a value of that many arrays in each other, beside one without."""
    inner = '{"arrayValue":{"values":[' * levels + '{"stringValue":"x"}' + "]}}" * levels
    body = json.loads(json.dumps(TRACES))
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["attributes"] = [{"key": "deep", "value": "DEEP"}]
    return json.dumps(body).replace('"DEEP"', inner).encode()


@pytest.mark.parametrize("levels", [150, 250])
def test_what_is_too_deep_costs_one_record(levels: int) -> None:
    found = encoded("traces", deep(levels))
    assert (found.accepted, dict(found.rejected_by_rule)) == (2, {"record_malformed": 1})


def called(below: int, call: Callable[[], Any]) -> Any:
    """`call` with that many more frames under it."""
    return called(below - 1, call) if below else call()


def test_the_depth_of_the_caller_does_not_matter() -> None:
    body = with_value(49, kvlists=False)
    limit = sys.getrecursionlimit()
    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(called(min(limit, 1000) // 2, lambda: to_protobuf("traces", body))))
    thread.start()
    thread.join()
    assert results == [to_protobuf("traces", body)]
    assert spans.encode(results[0]).accepted == 2


@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'{"resourceSpans":[{"scopeSpans":[{"spans":['])
def test_brackets_without_end_are_refused(opened: bytes) -> None:
    assert fault_of("traces", opened * 200_000) == "it nests too deeply"


def test_a_deep_request_leaves_nothing_behind() -> None:
    """What held the nested objects was freed with them, not by a later collection."""
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(20):
            to_protobuf("traces", deep(150))
            fault_of("traces", b'{"resourceSpans":[{"scopeSpans":[1]}]}')
        assert len(gc.get_objects()) - before < 500
    finally:
        gc.enable()
