"""The stock OTLP/gRPC exporters, watched: what was acknowledged is remembered, for the SDK keeps the results to itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

EXPORT_TIMEOUT_SECONDS = 30

Key = tuple[str | int | None, ...]
"""What tells one item of a signal from all others."""


@dataclass(slots=True)
class Tally:
    """What became of the items of one signal."""

    acknowledged: list[Key] = field(default_factory=list)
    failed: int = 0

    def take_down(self, keys: list[Key], *, acknowledged: bool) -> None:
        """Note the result of one export."""
        if acknowledged:
            self.acknowledged += keys
        else:
            self.failed += len(keys)


@dataclass(slots=True)
class Sent:
    """What was sent, by signal."""

    spans: Tally = field(default_factory=Tally)
    logs: Tally = field(default_factory=Tally)
    points: Tally = field(default_factory=Tally)

    def add(self, other: Sent) -> None:
        """Count what `other` holds as well."""
        for own, more in ((self.spans, other.spans), (self.logs, other.logs), (self.points, other.points)):
            own.acknowledged += more.acknowledged
            own.failed += more.failed


def _hex(number: int | None, digits: int) -> str | None:
    return f"{number:0{digits}x}" if number else None


def span_key(span: ReadableSpan) -> Key:
    """Trace id and span id in hex."""
    context = span.get_span_context()
    return (None, None) if context is None else (_hex(context.trace_id, 32), _hex(context.span_id, 16))


def log_key(readable: ReadableLogRecord) -> Key:
    """Trace id and span id in hex, and the observed time in nanoseconds: events come without a time of their own."""
    record = readable.log_record
    return (_hex(record.trace_id, 32), _hex(record.span_id, 16), record.observed_timestamp)


def labels_key(labels: Any) -> str:
    """Attributes of a data point as one string, whatever their order."""
    return json.dumps(labels, sort_keys=True)


def point_keys(data: MetricsData) -> list[Key]:
    """Metric name, time in nanoseconds and labels of each data point."""
    return [
        (metric.name, point.time_unix_nano, labels_key(dict(point.attributes or {})))
        for resource_metrics in data.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
        for point in metric.data.data_points
    ]


class WatchedSpanExporter(OTLPSpanExporter):
    """Spans to host:port, in plain text."""

    def __init__(self, endpoint: str, tally: Tally) -> None:
        super().__init__(endpoint=f"http://{endpoint}", insecure=True, timeout=EXPORT_TIMEOUT_SECONDS)
        self._tally = tally

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export and take the result down."""
        result = super().export(spans)
        self._tally.take_down([span_key(span) for span in spans], acknowledged=result is SpanExportResult.SUCCESS)
        return result


class WatchedLogExporter(OTLPLogExporter):
    """Log records to host:port, in plain text."""

    def __init__(self, endpoint: str, tally: Tally) -> None:
        super().__init__(endpoint=f"http://{endpoint}", insecure=True, timeout=EXPORT_TIMEOUT_SECONDS)
        self._tally = tally

    def export(
        self, batch: Sequence[ReadableLogRecord]
    ) -> Literal[LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE]:
        """Export and take the result down."""
        result = super().export(batch)
        self._tally.take_down([log_key(record) for record in batch], acknowledged=result is LogRecordExportResult.SUCCESS)
        return result


class WatchedMetricExporter(OTLPMetricExporter):
    """Data points to host:port, in plain text."""

    def __init__(self, endpoint: str, tally: Tally) -> None:
        super().__init__(endpoint=f"http://{endpoint}", insecure=True, timeout=EXPORT_TIMEOUT_SECONDS)
        self._tally = tally

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export and take the result down."""
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._tally.take_down(point_keys(metrics_data), acknowledged=result is MetricExportResult.SUCCESS)
        return result
