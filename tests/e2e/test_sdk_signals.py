"""Metrics and logs of the OpenTelemetry SDK, every value found in SQL, and correlated with the span they belong to."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from psycopg.rows import dict_row

from tests.plugins.service import Service

pytestmark = pytest.mark.timeout(120)

POINTS = """
SELECT m.*, l.metric_type, l.unit, l.description, l.temporality, l.is_monotonic, l.labels, s.scope_name, s.resource
FROM llm_metrics m JOIN metric_labels l USING (tenant, series_id) JOIN telemetry_sources s USING (tenant, source_id)
WHERE m.service_name = %s ORDER BY m.metric_name, m.timestamp, l.labels::text
"""
LOGS = "SELECT * FROM llm_logs WHERE service_name = %s ORDER BY timestamp, timestamp_nanos, id"


def rows(service: Service, sql: str, *parameters: object) -> list[dict[str, Any]]:
    with psycopg.connect(service.dsn(), row_factory=dict_row) as connection:
        return connection.execute(sql.encode(), parameters).fetchall()


def resource(name: str) -> Resource:
    return Resource({"service.name": name, "service.instance.id": "one"})


@pytest.fixture
def tracer_provider(shared_service: Service) -> Iterator[TracerProvider]:
    provider = TracerProvider(resource=resource("sdk"), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"http://{shared_service.endpoint}", insecure=True))
    )
    yield provider
    provider.shutdown()


def meter_provider(service: Service, name: str, *views: View, **exporting: Any) -> MeterProvider:
    exporter = OTLPMetricExporter(endpoint=f"http://{service.endpoint}", insecure=True, **exporting)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    return MeterProvider(
        [reader], resource(name), exemplar_filter=AlwaysOnExemplarFilter(), shutdown_on_exit=False, views=views
    )


def test_every_instrument(shared_service: Service, tracer_provider: TracerProvider) -> None:
    provider = meter_provider(
        shared_service,
        "instruments",
        View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation()),
    )
    meter = provider.get_meter("my.meter", "1.0")

    def level(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(0.75, {"tank": "a"})

    meter.create_observable_gauge("level", [level], "1", "how full")
    counter = meter.create_counter("calls", "{call}", "calls made")
    up_down = meter.create_up_down_counter("open")
    histogram = meter.create_histogram("latency", "s", explicit_bucket_boundaries_advisory=[0.1, 1.0, 10.0])
    exponential = meter.create_histogram("exponential", "s")
    with tracer_provider.get_tracer("t").start_as_current_span("call") as span:
        counter.add(2**53 + 1, {"model": "gpt-5"})
        counter.add(1, {"model": "gpt-5", "ok": False})
        up_down.add(-3)
        for value in (0.05, 0.5, 0.6, 100.0):
            histogram.record(value)
            exponential.record(value)
    # The last collection: after a force_flush there would be every point twice.
    provider.shutdown()

    points = rows(shared_service, POINTS, "instruments")
    by_name = {name: [point for point in points if point["metric_name"] == name] for name in
               ("calls", "exponential", "latency", "level", "open")}  # fmt: skip
    one, two = by_name["calls"]
    assert (one["int_value"], two["int_value"]) == (2**53 + 1, 1)
    assert one["value"] == float(2**53 + 1)
    assert two["labels"] == {"model": "gpt-5", "ok": False}
    assert (one["metric_type"], one["temporality"], one["is_monotonic"]) == ("sum", 2, True)
    assert (one["unit"], one["description"], one["scope_name"]) == ("{call}", "calls made", "my.meter")
    assert one["resource"]["service.instance.id"] == "one"
    assert one["start_timestamp"] <= one["timestamp"]
    assert one["trace_id"].int == span.get_span_context().trace_id
    assert one["exemplars"][0]["span_id"] == f"{span.get_span_context().span_id:016x}"

    [gauge] = by_name["level"]
    assert (gauge["value"], gauge["int_value"], gauge["metric_type"], gauge["temporality"]) == (0.75, None, "gauge", None)
    [net] = by_name["open"]
    assert (net["int_value"], net["is_monotonic"]) == (-3, False)
    [explicit] = by_name["latency"]
    assert (explicit["bounds"], explicit["bucket_counts"]) == ([0.1, 1.0, 10.0], [1, 2, 0, 1])
    assert (explicit["count"], explicit["min"], explicit["max"], explicit["value"]) == (4, 0.05, 100.0, None)
    assert explicit["sum"] == pytest.approx(101.15)
    [scaled] = by_name["exponential"]
    assert scaled["metric_type"] == "exponential_histogram"
    assert scaled["count"] == sum(scaled["distribution"]["positive"]["bucket_counts"]) == 4
    assert isinstance(scaled["distribution"]["scale"], int)


def test_delta_temporality_and_one_series_over_time(shared_service: Service) -> None:
    provider = meter_provider(shared_service, "delta", preferred_temporality={Counter: AggregationTemporality.DELTA})
    counter = provider.get_meter("m").create_counter("steps")
    for _ in range(3):
        counter.add(5)
        assert provider.force_flush()
    provider.shutdown()
    points = rows(shared_service, POINTS, "delta")
    assert [point["int_value"] for point in points] == [5, 5, 5]
    assert {point["temporality"] for point in points} == {1}
    assert len({point["series_id"] for point in points}) == 1


# Deprecated in favour of a package of its own; what applications send is the same.
@pytest.mark.filterwarnings("ignore:.LoggingHandler. in:DeprecationWarning")
def test_the_sdks_logs_with_their_span(shared_service: Service, tracer_provider: TracerProvider) -> None:
    provider = LoggerProvider(resource("logger"), shutdown_on_exit=False)
    exporter = OTLPLogExporter(endpoint=f"http://{shared_service.endpoint}", insecure=True)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    lines = logging.getLogger("tests.e2e.app")
    lines.setLevel(logging.INFO)
    handler = LoggingHandler(logger_provider=provider)
    lines.addHandler(handler)
    before = time.time_ns()
    with tracer_provider.get_tracer("t").start_as_current_span("call") as span:
        lines.warning("slow answer", extra={"seconds": 3.5})
        provider.get_logger("events", "2.0").emit(
            LogRecord(
                timestamp=before,
                observed_timestamp=before + 1,
                severity_number=SeverityNumber.DEBUG,
                event_name="gen_ai.client.inference.operation.details",
                body={"role": "user", "parts": [{"type": "text", "content": "hi", "n": 1, "x": 0.5, "none": None}]},
                attributes={"gen_ai.request.model": "gpt-5"},
            )
        )
        provider.get_logger("events").emit(LogRecord(observed_timestamp=before + 2, body=17))
    lines.removeHandler(handler)
    assert provider.force_flush()
    provider.shutdown()

    event, untimed, line = rows(shared_service, LOGS, "logger")
    context = span.get_span_context()
    for row in (event, untimed, line):
        assert row["trace_id"].int == context.trace_id
        assert row["span_id"] == context.span_id.to_bytes(8, "big")
        assert row["flags"] == context.trace_flags
    assert (line["message"], line["body"], line["level"], line["severity_number"]) == ("slow answer", None, "WARN", 13)
    assert line["attributes"]["seconds"] == 3.5
    assert line["time_source"] == 0
    assert (event["event_name"], event["level"], event["severity_text"]) == (
        "gen_ai.client.inference.operation.details", "DEBUG", None,
    )  # fmt: skip
    assert event["message"] is None
    assert event["body"]["parts"] == [{"type": "text", "content": "hi", "n": 1, "x": 0.5, "none": None}]
    assert event["timestamp_nanos"] == before % 1000
    assert (untimed["time_source"], untimed["body"], untimed["level"]) == (1, 17, "")
    assert untimed["timestamp"] == untimed["observed_timestamp"]


def test_the_collectors_names_count_points_and_records(shared_service: Service) -> None:
    samples = [
        f'otelcol_receiver_accepted_{noun}{{receiver="otlp",transport="grpc"}}' for noun in ("metric_points", "log_records")
    ]
    before = [shared_service.metric(sample) for sample in samples]
    provider = meter_provider(shared_service, "counted")
    counter = provider.get_meter("m").create_counter("c")
    for number in range(7):
        counter.add(1, {"number": number})
    provider.shutdown()
    logs = LoggerProvider(resource("counted"), shutdown_on_exit=False)
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"http://{shared_service.endpoint}", insecure=True))
    )
    for number in range(5):
        logs.get_logger("l").emit(LogRecord(timestamp=time.time_ns(), body=number))
    assert logs.force_flush()
    logs.shutdown()
    after = [shared_service.metric(sample) for sample in samples]
    assert [late - early for late, early in zip(after, before, strict=True)] == [7, 5]
