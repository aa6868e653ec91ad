"""OTLP requests of every signal with known ids, a client that sends raw bytes, a load that remembers what was acknowledged."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Exemplar,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES, Signal

RESPONSES: dict[Signal, Any] = {
    TRACES: ExportTraceServiceResponse,
    METRICS: ExportMetricsServiceResponse,
    LOGS: ExportLogsServiceResponse,
}
UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


def llm_span(trace_id: bytes, number: int, *, extra: int = 0) -> Span:
    """A span like that of a chat call, with `extra` bytes of an attribute nobody promoted."""
    start = time.time_ns()
    attributes = {
        "gen_ai.operation.name": AnyValue(string_value="chat"),
        "gen_ai.provider.name": AnyValue(string_value="openai"),
        "gen_ai.request.model": AnyValue(string_value="gpt-5-mini"),
        "gen_ai.response.model": AnyValue(string_value="gpt-5-mini-2026-08-07"),
        "gen_ai.usage.input_tokens": AnyValue(int_value=812),
        "gen_ai.usage.output_tokens": AnyValue(int_value=144),
        "gen_ai.request.temperature": AnyValue(double_value=0.2),
        "server.address": AnyValue(string_value="api.example.com"),
        "app.step": AnyValue(int_value=number),
    }
    if extra:
        attributes["app.extra"] = AnyValue(string_value="x" * extra)
    return Span(
        trace_id=trace_id,
        span_id=(number + 1).to_bytes(8, "big"),
        name="chat gpt-5-mini",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 1_500_000_123,
        attributes=[KeyValue(key=key, value=value) for key, value in attributes.items()],
    )


SCOPE = InstrumentationScope(name="openai", version="1.2.3")


def resource_of(service_name: str) -> Resource:
    """A resource of one attribute."""
    return Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=service_name))])


def request_of(*spans: Span, service_name: str = "checkout") -> ExportTraceServiceRequest:
    """A request of one resource and one scope."""
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource_of(service_name), scope_spans=[ScopeSpans(scope=SCOPE, spans=spans)])]
    )


def trace_request(spans: int = 10, *, extra: int = 0) -> tuple[bytes, bytes]:
    """A fresh trace id and the bytes of a request with `spans` spans of it."""
    trace_id = uuid.uuid4().bytes
    return trace_id, request_of(*(llm_span(trace_id, n, extra=extra) for n in range(spans))).SerializeToString()


def log_record(trace_id: bytes, number: int, *, extra: int = 0) -> LogRecord:
    """A record of a call in that trace, with `extra` bytes in its message."""
    now = time.time_ns()
    return LogRecord(
        time_unix_nano=now,
        observed_time_unix_nano=now,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        body=AnyValue(string_value=f"step {number} of the chat is done" + "x" * extra),
        attributes=[KeyValue(key="app.step", value=AnyValue(int_value=number))],
        trace_id=trace_id,
        span_id=(number + 1).to_bytes(8, "big"),
    )


def log_request(records: int = 10, *, extra: int = 0, service_name: str = "checkout") -> tuple[bytes, bytes]:
    """A fresh trace id and the bytes of a request with `records` log records of it."""
    trace_id = uuid.uuid4().bytes
    made = [log_record(trace_id, number, extra=extra) for number in range(records)]
    scope = ScopeLogs(scope=SCOPE, log_records=made)
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource_of(service_name), scope_logs=[scope])])
    return trace_id, request.SerializeToString()


def metric_request(points: int = 10, *, extra: int = 0, service_name: str = "checkout") -> tuple[bytes, bytes]:
    """A fresh trace id and the bytes of a request with `points` points of ten series, each with an exemplar of it.

    `extra` bytes go into an attribute of each exemplar: into rows, not into series.
    """
    trace_id, now = uuid.uuid4().bytes, time.time_ns()
    attributes = [KeyValue(key="app.extra", value=AnyValue(string_value="x" * extra))] if extra else []
    made = [
        NumberDataPoint(
            start_time_unix_nano=now - 60_000_000_000,
            time_unix_nano=now + number,
            as_int=number,
            attributes=[KeyValue(key="app.step", value=AnyValue(int_value=number % 10))],
            exemplars=[
                Exemplar(
                    time_unix_nano=now,
                    as_int=number,
                    trace_id=trace_id,
                    span_id=(number + 1).to_bytes(8, "big"),
                    filtered_attributes=attributes,
                )
            ],
        )
        for number in range(points)
    ]
    temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    sums = Sum(data_points=made, aggregation_temporality=temporality, is_monotonic=True)
    scope = ScopeMetrics(scope=SCOPE, metrics=[Metric(name="app.calls", unit="{call}", sum=sums)])
    resource_metrics = [ResourceMetrics(resource=resource_of(service_name), scope_metrics=[scope])]
    return trace_id, ExportMetricsServiceRequest(resource_metrics=resource_metrics).SerializeToString()


REQUESTS: dict[Signal, Callable[..., tuple[bytes, bytes]]] = {
    TRACES: trace_request,
    METRICS: metric_request,
    LOGS: log_request,
}
"""Makes a request of so many items, with `extra` bytes each: a trace id that all its rows carry, and the bytes."""


class Client:
    """Raw bytes to one address, over a connection of its own unless `shared` (grpc lets like channels share one)."""

    def __init__(self, endpoint: str, *, shared: bool = False) -> None:
        options = (*UNLIMITED, ("grpc.use_local_subchannel_pool", int(not shared)))
        self.channel = grpc.insecure_channel(endpoint, options=options)
        self._exports = {signal: self.channel.unary_unary(f"/{signal.grpc_service}/Export", None, None) for signal in RESPONSES}

    def export(self, payload: bytes, timeout: float = 10, signal: Signal = TRACES) -> Any:
        """Send; the response, grpc.RpcError as it comes."""
        return RESPONSES[signal].FromString(self._exports[signal](payload, timeout=timeout))

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()


def retry_seconds(error: grpc.RpcError) -> float:
    """The delay of `google.rpc.retryinfo-bin`; fails without one, and without the details that gRPC's own clients read."""
    pairs: Any = error.trailing_metadata()  # the stubs deny that it is made of pairs
    trailers = dict(pairs)
    assert "grpc-status-details-bin" in trailers
    seconds: float = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]).retry_delay.ToTimedelta().total_seconds()
    return seconds


@dataclass
class Load:
    """Threads that send requests of `spans` items until stopped, retrying each until it is acknowledged or given up.

    Thread after thread sends the signals in turn, one each. `acknowledged_of` has the trace ids by signal, `acknowledged`
    those of traces, `refusals` every answer that was not OK. One try may take `timeout` seconds.
    """

    endpoint: str
    threads: int = 4
    spans: int = 20
    acknowledged: list[bytes] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    signals: tuple[Signal, ...] = (TRACES,)
    extra: int = 0
    retry_seconds: float = 0.1
    timeout: float = 5
    refusals: list[grpc.RpcError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.acknowledged_of: dict[Signal, list[bytes]] = {signal: [] for signal in self.signals}
        self.acknowledged_of[TRACES] = self.acknowledged
        self._stop = threading.Event()
        sent = itertools.islice(itertools.cycle(self.signals), self.threads)
        self._running = [threading.Thread(target=self._run, args=(signal,), daemon=True) for signal in sent]

    def __enter__(self) -> Self:
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join(60)

    def _run(self, signal: Signal) -> None:
        client = Client(self.endpoint)
        try:
            while not self._stop.is_set():
                trace_id, payload = REQUESTS[signal](self.spans, extra=self.extra)
                self._send(client, signal, trace_id, payload)
        finally:
            client.close()

    def _send(self, client: Client, signal: Signal, trace_id: bytes, payload: bytes) -> None:
        for attempt in itertools.count():
            try:
                client.export(payload, timeout=self.timeout, signal=signal)
            except grpc.RpcError as error:
                status = error.code().name
                self.statuses[status] += 1
                self.refusals.append(error)
                if self._stop.is_set() and attempt >= 1:
                    return
                self._stop.wait(self.retry_seconds)
            else:
                self.acknowledged_of[signal].append(trace_id)
                self.statuses["OK"] += 1
                return
