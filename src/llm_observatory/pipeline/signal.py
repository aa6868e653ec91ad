"""What the three OTLP signals differ in. Everything else is written once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """One OTLP signal: its name in settings, ledger and codec, what its records are called, its writer and services."""

    name: str
    noun: str
    writer_type: str
    grpc_service: str


TRACES = Signal(
    name="traces",
    noun="spans",
    writer_type="trace",
    grpc_service="opentelemetry.proto.collector.trace.v1.TraceService",
)

METRICS = Signal(
    name="metrics",
    noun="metric_points",
    writer_type="metric",
    grpc_service="opentelemetry.proto.collector.metrics.v1.MetricsService",
)

LOGS = Signal(
    name="logs",
    noun="log_records",
    writer_type="log",
    grpc_service="opentelemetry.proto.collector.logs.v1.LogsService",
)

SIGNALS = (TRACES, METRICS, LOGS)
"""The signals that are received."""
