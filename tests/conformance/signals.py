"""The signals of OTLP as a client knows them, and requests of each: made with the protobuf classes, never with our code."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tests.plugins.hostile_wire import varint

SCOPE = InstrumentationScope(name="conformance", version="1")
RESOURCE = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="conformance"))])

_LENGTH = 2
_UNKNOWN_FIELD = 1000


def span(number: int = 1, *, bad: bool = False, **fields: Any) -> Span:
    """A span of a trace of its own. A bad one has a trace id of 15 bytes."""
    now = time.time_ns()
    span_id = number.to_bytes(8, "big")
    given = {"name": "conformance", "start_time_unix_nano": now, "end_time_unix_nano": now + 1000, **fields}
    return Span(trace_id=uuid.uuid4().bytes[: 15 if bad else 16], span_id=span_id, **given)


def traces(good: int = 1, bad: int = 0, **fields: Any) -> ExportTraceServiceRequest:
    """Good spans first; `fields` are of each good one."""
    spans = [*(span(n + 1, **fields) for n in range(good)), *(span(n + 1, bad=True) for n in range(bad))]
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=RESOURCE, scope_spans=[ScopeSpans(scope=SCOPE, spans=spans)])]
    )


def metrics(good: int = 1, bad: int = 0) -> ExportMetricsServiceRequest:
    """The points of one gauge and, the bad ones, of a second one: their time is 0."""
    now = time.time_ns()
    points = [NumberDataPoint(time_unix_nano=now + n, as_int=n) for n in range(good)]
    timeless = [NumberDataPoint(as_int=n) for n in range(bad)]
    named = [(uuid.uuid4().hex, points), ("conformance.bad", timeless)]
    made = [Metric(name=name, unit="1", gauge=Gauge(data_points=of)) for name, of in named if of]
    scope = ScopeMetrics(scope=SCOPE, metrics=made)
    return ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(resource=RESOURCE, scope_metrics=[scope])])


def logs(good: int = 1, bad: int = 0) -> ExportLogsServiceRequest:
    """Good records first; the time of a bad one is beyond what any clock of 64-bit nanoseconds reaches."""
    now, body = time.time_ns(), AnyValue(string_value=uuid.uuid4().hex)
    records = [LogRecord(time_unix_nano=now + n, body=body) for n in range(good)]
    late = [LogRecord(time_unix_nano=2**64 - 1, body=body) for _ in range(bad)]
    scope = ScopeLogs(scope=SCOPE, log_records=[*records, *late])
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=RESOURCE, scope_logs=[scope])])


class Signal(NamedTuple):
    """`make(good, bad)` makes a request; `rejected` is the field of its partial success, `table` where ours stores it."""

    name: str
    service: str
    path: str
    make: Callable[..., Any]
    request: type[Message]
    response: Any
    rejected: str
    table: str

    @property
    def method(self) -> str:
        """The full name on the wire."""
        return f"/{self.service}/Export"


TRACES = Signal(
    "traces", "opentelemetry.proto.collector.trace.v1.TraceService", "/v1/traces",
    traces, ExportTraceServiceRequest, ExportTraceServiceResponse, "rejected_spans", "llm_traces",
)  # fmt: skip
METRICS = Signal(
    "metrics", "opentelemetry.proto.collector.metrics.v1.MetricsService", "/v1/metrics",
    metrics, ExportMetricsServiceRequest, ExportMetricsServiceResponse, "rejected_data_points", "llm_metrics",
)  # fmt: skip
LOGS = Signal(
    "logs", "opentelemetry.proto.collector.logs.v1.LogsService", "/v1/logs",
    logs, ExportLogsServiceRequest, ExportLogsServiceResponse, "rejected_log_records", "llm_logs",
)  # fmt: skip
SIGNALS = (TRACES, METRICS, LOGS)
PROFILES_METHOD = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
PROFILES_PATH = "/v1development/profiles"


def unset(response: Any) -> bool:
    """Whether `partial_success` is unset. Set but empty is the same to clients."""
    return not response.HasField("partial_success") or response.partial_success.ByteSize() == 0


def padding(size: int) -> bytes:
    """A request of exactly `size` bytes that carries nothing: one field that nobody knows."""
    for content in range(size - 7, size - 2):
        if len(head := varint(_UNKNOWN_FIELD << 3 | _LENGTH) + varint(content)) + content == size:
            return head + bytes(content)
    raise ValueError(f"no field of {size} bytes")


def string_value(key: str, value: str) -> KeyValue:
    """One attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def temporality(number: int) -> ExportMetricsServiceRequest:
    """A sum whose temporality is `number`, whatever that means."""
    made = Sum(data_points=[NumberDataPoint(time_unix_nano=time.time_ns(), as_int=1)])
    made.aggregation_temporality = AggregationTemporality.ValueType(number)
    scope = ScopeMetrics(scope=SCOPE, metrics=[Metric(name=uuid.uuid4().hex, sum=made)])
    return ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(resource=RESOURCE, scope_metrics=[scope])])
