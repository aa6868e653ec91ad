"""Requests that are known to be good: sent and rolled back to tell bad data from a database that refuses everything.

One of each signal, for each has tables of its own; with a value of every kind that its columns can hold.
"""

from __future__ import annotations

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from llm_observatory import codec
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from llm_observatory.storage.write import WriteRequest

PROBE_TENANT = "probe"
TRACE_ID, SPAN_ID = b"\x01" * 16, b"\x01" * 8
RESOURCE = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="probe"))])
SCOPE = InstrumentationScope(name="probe")
ATTRIBUTES = [
    KeyValue(key="gen_ai.operation.name", value=AnyValue(string_value="chat")),
    KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=1)),
    KeyValue(key="gen_ai.request.temperature", value=AnyValue(double_value=0.5)),
    KeyValue(key="gen_ai.input.messages", value=AnyValue(string_value="[]")),
    KeyValue(
        key="gen_ai.response.finish_reasons", value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="stop")]))
    ),
    KeyValue(key="probe", value=AnyValue(bytes_value=b"\x00\x01")),
]


def _traces(time: int) -> bytes:
    """A span with attributes of every kind, content, an event and a link."""
    span = Span(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        name="probe",
        start_time_unix_nano=time,
        end_time_unix_nano=time + 1,
        attributes=ATTRIBUTES,
        events=[Span.Event(time_unix_nano=time, name="probe")],
        links=[Span.Link(trace_id=b"\x02" * 16, span_id=b"\x02" * 8)],
    )
    scope = ScopeSpans(scope=SCOPE, spans=[span])
    return TracesData(resource_spans=[ResourceSpans(resource=RESOURCE, scope_spans=[scope])]).SerializeToString()


def _metrics(time: int) -> bytes:
    """A point of every kind."""
    exemplar = Exemplar(time_unix_nano=time, as_double=0.5, trace_id=TRACE_ID, span_id=SPAN_ID, filtered_attributes=ATTRIBUTES)
    number = NumberDataPoint(
        time_unix_nano=time, start_time_unix_nano=time, as_int=1, attributes=ATTRIBUTES, exemplars=[exemplar]
    )
    histogram = HistogramDataPoint(
        time_unix_nano=time, count=1, sum=0.5, min=0.5, max=0.5, explicit_bounds=[1.0], bucket_counts=[1, 0]
    )
    buckets = ExponentialHistogramDataPoint.Buckets(offset=-1, bucket_counts=[1])
    exponential = ExponentialHistogramDataPoint(time_unix_nano=time, count=1, sum=0.5, positive=buckets)
    quantile = SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=0.5)
    summary = SummaryDataPoint(time_unix_nano=time, count=1, sum=0.5, quantile_values=[quantile])
    cumulative = AGGREGATION_TEMPORALITY_CUMULATIVE
    metrics = [
        Metric(name="probe", gauge=Gauge(data_points=[number]), metadata=ATTRIBUTES),
        Metric(name="probe", sum=Sum(data_points=[number], aggregation_temporality=cumulative, is_monotonic=True)),
        Metric(name="probe", histogram=Histogram(data_points=[histogram], aggregation_temporality=cumulative)),
        Metric(
            name="probe",
            exponential_histogram=ExponentialHistogram(data_points=[exponential], aggregation_temporality=cumulative),
        ),
        Metric(name="probe", summary=Summary(data_points=[summary])),
    ]
    scope = ScopeMetrics(scope=SCOPE, metrics=metrics)
    return MetricsData(resource_metrics=[ResourceMetrics(resource=RESOURCE, scope_metrics=[scope])]).SerializeToString()


def _logs(time: int) -> bytes:
    """A record with a body that is no string, and one with a string."""
    record = LogRecord(
        time_unix_nano=time,
        observed_time_unix_nano=time,
        severity_number=SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        event_name="probe",
        body=AnyValue(kvlist_value=KeyValueList(values=ATTRIBUTES)),
        attributes=ATTRIBUTES,
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
    )
    line = LogRecord(time_unix_nano=time, body=AnyValue(string_value="probe"))
    scope = ScopeLogs(scope=SCOPE, log_records=[record, line])
    return LogsData(resource_logs=[ResourceLogs(resource=RESOURCE, scope_logs=[scope])]).SerializeToString()


_PAYLOADS = {TRACES.name: _traces, METRICS.name: _metrics, LOGS.name: _logs}


def probe_request(signal: str, now: int) -> WriteRequest:
    """A good request of that signal; `now` in microseconds since the Unix epoch."""
    payload = _PAYLOADS[signal](now * 1000)
    digest = codec.digest(signal, PROBE_TENANT, payload)
    encoded = codec.encode(signal, PROBE_TENANT, payload, digest, now, codec.Terms(None, 0, 1024))
    return WriteRequest(PROBE_TENANT, signal, digest, b"", now, encoded)
