"""Our metrics as OpenTelemetry's exporter sends them, and what SELF_TELEMETRY demands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.sdk.resources import Resource

from llm_observatory import metrics
from llm_observatory.app import self_telemetry
from llm_observatory.app.exported_metrics import exported_metrics
from llm_observatory.errors import ConfigError
from llm_observatory.settings import Settings


def exported(name: str) -> Metric:
    """One metric as it goes over the wire."""
    request = encode_metrics(exported_metrics(Resource({"service.name": "x"})))
    (found,) = [metric for metric in request.resource_metrics[0].scope_metrics[0].metrics if metric.name == name]
    return found


def test_a_counter_is_a_monotonic_sum() -> None:
    metrics.RETRIES.inc(3)
    found = exported("storage_retries_total")
    assert found.sum.is_monotonic
    assert found.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    (point,) = found.sum.data_points
    assert point.as_double == metrics.RETRIES._value.get()
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    metrics.RECEIVER_REQUESTS.inc(1, "otlp", "grpc", "success")
    assert exported("otelcol_receiver_requests").sum.is_monotonic


def test_a_gauge_has_its_labels_and_its_unit() -> None:
    metrics.TABLE_SIZE.show_by({"llm_traces": 12})
    try:
        found = exported("storage_table_size_bytes")
    finally:
        metrics.TABLE_SIZE.show_by({})
    (point,) = found.gauge.data_points
    assert (found.unit, point.as_double) == ("By", 12)
    assert [(one.key, one.value.string_value) for one in point.attributes] == [("table", "llm_traces")]
    with pytest.raises(ValueError):
        exported("storage_table_size_bytes")


def test_a_histogram_counts_between_its_bounds() -> None:
    before = _point("storage_connection_acquire_duration_seconds")
    for seconds in (0.0005, 0.002, 0.002, 100):
        metrics.CONNECTION_ACQUIRE.observe(seconds)
    point = _point("storage_connection_acquire_duration_seconds")
    assert list(point.explicit_bounds) == list(metrics.CONNECTION_ACQUIRE._upper_bounds[:-1])
    grown = [now - then for now, then in zip(point.bucket_counts, before.bucket_counts, strict=True)]
    assert grown == [1, 2, *[0] * (len(grown) - 3), 1]
    assert point.count - before.count == 4
    assert point.sum - before.sum == pytest.approx(100.0045)
    assert not point.HasField("min")


def _point(name: str) -> Any:
    (point,) = exported(name).histogram.data_points
    return point


def test_another_protocol_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    self_telemetry.demand(Settings())
    with pytest.raises(ConfigError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL is grpc.*http/protobuf only"):
        self_telemetry.demand(Settings(self_telemetry="traces"))


def test_the_resource_is_ours_unless_the_environment_says_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert self_telemetry._resource().attributes["service.name"] == "llm-observatory-storage"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "store-7")
    assert self_telemetry._resource().attributes["service.name"] == "store-7"


@pytest.mark.parametrize("interval", ["60s", "0", "-1", "nan", "1e3"])
def test_an_interval_that_is_none_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, interval: str) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", interval)
    with pytest.raises(ConfigError, match=f"OTEL_METRIC_EXPORT_INTERVAL is {interval}: it is a whole number of milliseconds"):
        self_telemetry.demand(Settings(self_telemetry="metrics"))


async def test_metrics_that_cannot_be_exported_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Semaphore(0)

    def fail(_resource: Resource) -> None:
        tried.release()
        raise ValueError("broken")

    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
    monkeypatch.setattr("llm_observatory.app.exported_metrics.exported_metrics", fail)
    settings = Settings(self_telemetry="metrics")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks, self_telemetry.self_telemetry(settings, tasks):
        await tried.acquire()
        await tried.acquire()
