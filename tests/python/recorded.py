"""Spans, metrics and log records as the OpenTelemetry SDK records them, the same ones in every process.

Made by the SDK itself: its limits, its aggregations. Ids and times are given, so that two processes, which may have different
exporters, send the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

SECOND = 1_000_000_000
SCHEMA = "https://opentelemetry.io/schemas/1.40.0"
ATTRIBUTES: dict[str, Any] = {
    "text": 'Ä "quoted" \u2028 \U0001f600', "empty": "", "true": True, "false": False, "zero": 0, "large": 2**53 + 1,
    "least": -(2**63), "one": 1.0, "tenth": 0.1, "huge": 1e300, "infinite": float("-inf"), "texts": ["a", ""],
    "numbers": [1, -(2**40)], "doubles": [0.5, 1.0], "truths": [True, False], "none": [],
}  # fmt: skip
"""Every type that an attribute of the SDK may have."""


class Recorded(NamedTuple):
    """What an application has to say."""

    traces: Sequence[ReadableSpan]
    metrics: MetricsData
    logs: Sequence[ReadableLogRecord]


def record(service_name: str, at: int) -> Recorded:
    """Records of that service, around `at` nanoseconds since the Unix epoch."""
    resource = Resource({"service.name": service_name, "service.instance.id": "one", "host.cores": 8, **ATTRIBUTES}, SCHEMA)
    spans = _spans(resource, at)
    return Recorded(spans, _metrics(resource, at, spans[0]), _logs(resource, at, spans[0]))


class _Ids(IdGenerator):
    def __init__(self) -> None:
        self._random = Random(4318)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64)

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128)


def _spans(resource: Resource, at: int) -> Sequence[ReadableSpan]:
    kept = InMemorySpanExporter()
    limits = SpanLimits(max_events=2, max_links=2, max_attributes=len(ATTRIBUTES))
    provider = TracerProvider(resource=resource, id_generator=_Ids(), span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("a scope", "2.1", SCHEMA, {"scope.key": [1, 2]})
    elsewhere = SpanContext(
        2**127 + 1, 2**63 + 1, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("k", "v")])
    )
    links = [Link(elsewhere, {"number": number}) for number in range(3)]
    parent = tracer.start_span("request", kind=SpanKind.SERVER, start_time=at, links=links)
    for number, kind in enumerate(SpanKind):
        span = tracer.start_span(
            f"step {number}", set_span_in_context(parent), kind, {**ATTRIBUTES, "one too many": 1}, start_time=at + number
        )
        for event in range(3):
            span.add_event(f"event {event}", {"gen_ai.usage.input_tokens": 812, **ATTRIBUTES}, at + event)
        span.set_status(Status(StatusCode.ERROR, "it broke") if number else Status(StatusCode.OK))
        span.end(at + SECOND + number)
    parent.end(at + 2 * SECOND)
    return kept.get_finished_spans()


def _metrics(resource: Resource, at: int, span: ReadableSpan) -> MetricsData:
    delta: dict[type, AggregationTemporality] = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    # Under a resource each the official encoder would send the last one alone.
    scopes = [*_measured(resource, at, span, "cumulative", {}), *_measured(resource, at, span, "delta", delta)]
    return MetricsData([ResourceMetrics(resource, scopes, resource.schema_url)])


def _measured(
    resource: Resource, at: int, span: ReadableSpan, scope: str, temporality: dict[type, AggregationTemporality]
) -> Sequence[ScopeMetrics]:
    """Every instrument, collected once."""
    reader = InMemoryMetricReader(temporality)
    provider = MeterProvider(
        [reader],
        resource,
        exemplar_filter=AlwaysOnExemplarFilter(),
        shutdown_on_exit=False,
        views=[View(instrument_name="*.exponential", aggregation=ExponentialBucketHistogramAggregation())],
    )
    context = _within(span)
    meter = provider.get_meter(scope, "1.0", SCHEMA, {"scope.key": "value"})

    def level(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(0.75, {key: value for key, value in ATTRIBUTES.items() if not isinstance(value, list)})
        yield Observation(7)

    meter.create_observable_gauge("level", [level], "1", "how full")
    meter.create_observable_counter("seen", [level])
    meter.create_observable_up_down_counter("left", [level])
    meter.create_gauge("last").set(-1.5, {"why": "a"}, context)
    for name, amount in (("calls", 2**53 + 1), ("seconds", 0.1)):
        meter.create_counter(name, "{call}", "what was counted").add(amount, {"model": "gpt-5"}, context)
    meter.create_up_down_counter("open").add(-3)
    bounds = [0.1, 1.0, 10.0]
    for histogram in (
        meter.create_histogram("latency", "s", explicit_bucket_boundaries_advisory=bounds),
        meter.create_histogram("latency.exponential", "s"),
    ):
        for value in (0.0, 0.05, 0.5, 100.0):
            histogram.record(value, {"model": "gpt-5"}, context)
    collected = reader.get_metrics_data()
    assert collected is not None
    return [_fixed(made, at) for made in collected.resource_metrics[0].scope_metrics]


def _within(span: ReadableSpan) -> Context:
    """What is recorded in it belongs to the span."""
    return set_span_in_context(NonRecordingSpan(span.get_span_context() or INVALID_SPAN_CONTEXT))


def _fixed(scope: ScopeMetrics, at: int) -> ScopeMetrics:
    """The same at given times."""
    metrics = []
    for metric in scope.metrics:
        data: Any = metric.data
        points = [
            replace(
                point,
                start_time_unix_nano=at - 60 * SECOND,
                time_unix_nano=at,
                exemplars=[replace(exemplar, time_unix_nano=at - 1) for exemplar in point.exemplars],
            )
            for point in data.data_points
        ]
        metrics.append(replace(metric, data=replace(data, data_points=points)))
    return replace(scope, metrics=metrics)


def _logs(resource: Resource, at: int, span: ReadableSpan) -> Sequence[ReadableLogRecord]:
    kept = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    logger = provider.get_logger("a logger", "3", SCHEMA, {"scope.key": 1.5})
    bodies: tuple[Any, ...] = (
        "said",
        17,
        0.5,
        True,
        b"\x00\xff",
        ["a", 1],
        {"parts": [{"type": "text", "n": 1, "x": 0.5, "none": None}]},
        None,
    )
    for number, body in enumerate(bodies):
        logger.emit(
            LogRecord(
                timestamp=at + number,
                observed_timestamp=at + SECOND,
                context=_within(span),
                severity_number=SeverityNumber.WARN,
                severity_text="warning",
                body=body,
                attributes={**ATTRIBUTES, "bytes": b"\x00\xff", "map": {"a": {"b": [1, 2]}}},
                event_name="an.event" if number % 2 else None,
            )
        )
    logger.emit(LogRecord(timestamp=at, observed_timestamp=at, body="bare"))
    return kept.get_finished_logs()
