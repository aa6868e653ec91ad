"""`llm_metrics`: one row per data point. What the point is a value of stands in `metric_labels`."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, TENANT, Column, Table

LLM_METRICS = Table(
    name="llm_metrics",
    kind="fact",
    kept_for="retention",
    segments="metric_labels",
    order_by=("series_id", "timestamp DESC"),
    sparse_indexes=(("bloom", "trace_id"),),
    columns=(
        TENANT,
        Column(name="timestamp", type="timestamptz", op="point.time_us", role="time"),
        Column(name="timestamp_nanos", type="int2", op="point.time_nanos"),
        Column(name="start_timestamp", type="timestamptz", op="point.start_us", nullable=True),
        Column(name="start_timestamp_nanos", type="int2", op="point.start_nanos", nullable=True),
        Column(name="series_id", type="uuid", op="series.id", role="id"),
        Column(name="metric_name", type="text", op="metric.name", role="key", max_bytes=INDEXED_TEXT_MAX_BYTES),
        Column(name="service_name", type="text", op="source.service_name", role="key", max_bytes=INDEXED_TEXT_MAX_BYTES),
        Column(name="value", type="float8", op="point.value", nullable=True),
        Column(name="int_value", type="int8", op="point.int_value", nullable=True),
        Column(name="count", type="int8", op="point.count", nullable=True),
        Column(name="sum", type="float8", op="point.sum", nullable=True),
        Column(name="min", type="float8", op="point.min", nullable=True),
        Column(name="max", type="float8", op="point.max", nullable=True),
        Column(name="bounds", type="float8[]", op="point.bounds", nullable=True, role="document"),
        Column(name="bucket_counts", type="int8[]", op="point.bucket_counts", nullable=True, role="document"),
        Column(name="distribution", type="jsonb", op="point.distribution", nullable=True, role="document"),
        Column(name="exemplars", type="jsonb", op="point.exemplars", nullable=True, role="document"),
        Column(name="trace_id", type="uuid", op="point.trace_id", nullable=True, role="id"),
        Column(name="flags", type="int8", op="point.flags"),
    ),
)
"""`value` holds doubles and, as the nearest double, integers, whose exact value is `int_value`."""
