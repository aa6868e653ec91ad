"""`llm_metrics`: one row per data point. What the point is a value of stands in `metric_labels`."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, SERVICE_NAME, TENANT, Column, Table

LLM_METRICS = Table(
    name="llm_metrics",
    kind="fact",
    one_row_per="data point",
    kept_for="retention",
    segments="metric_labels",
    order_by=("series_id", "timestamp DESC"),
    sparse_indexes=(("bloom", "trace_id"),),
    columns=(
        TENANT,
        Column(
            name="timestamp",
            type="timestamptz",
            op="point.time_us",
            role="time",
            description="time of the point, to the microsecond",
        ),
        Column(name="timestamp_nanos", type="int2", op="point.time_nanos", description="nanoseconds to add to it, 0 to 999"),
        Column(
            name="start_timestamp",
            type="timestamptz",
            op="point.start_us",
            nullable=True,
            description="start of its interval; of a cumulative series, when it began. NULL if not reported",
        ),
        Column(
            name="start_timestamp_nanos",
            type="int2",
            op="point.start_nanos",
            nullable=True,
            description="nanoseconds to add to it",
        ),
        Column(name="series_id", type="uuid", op="series.id", role="id", description="row of `metric_labels`"),
        Column(
            name="metric_name",
            type="text",
            op="metric.name",
            role="key",
            max_bytes=INDEXED_TEXT_MAX_BYTES,
            description="name, at most 512 bytes; the whole is in `metric_labels`",
        ),
        SERVICE_NAME,
        Column(
            name="value",
            type="float8",
            op="point.value",
            nullable=True,
            description="of a gauge or sum; NULL for the other types, and when no value was recorded",
        ),
        Column(
            name="int_value",
            type="int8",
            op="point.int_value",
            nullable=True,
            description="its exact value, if it is an integer",
        ),
        Column(
            name="count", type="int8", op="point.count", nullable=True, description="histograms and summaries: measurements"
        ),
        Column(name="sum", type="float8", op="point.sum", nullable=True, description="their sum"),
        Column(name="min", type="float8", op="point.min", nullable=True, description="the least of them, if reported"),
        Column(name="max", type="float8", op="point.max", nullable=True, description="the greatest"),
        Column(
            name="bounds",
            type="float8[]",
            op="point.bounds",
            nullable=True,
            role="document",
            description="histogram: upper bounds, inclusive, of the buckets but the last",
        ),
        Column(
            name="bucket_counts",
            type="int8[]",
            op="point.bucket_counts",
            nullable=True,
            role="document",
            description="histogram: measurements in each bucket, one bucket more than bounds",
        ),
        Column(
            name="distribution",
            type="jsonb",
            op="point.distribution",
            nullable=True,
            role="document",
            description="exponential histogram and summary",
        ),
        Column(
            name="exemplars",
            type="jsonb",
            op="point.exemplars",
            nullable=True,
            role="document",
            description="single measurements, NULL if none",
        ),
        Column(
            name="trace_id",
            type="uuid",
            op="point.trace_id",
            nullable=True,
            role="id",
            description="trace of the first exemplar that has one",
        ),
        Column(name="flags", type="int8", op="point.flags", description="as sent; 1: no value was recorded"),
    ),
)
"""`value` holds doubles and, as the nearest double, integers, whose exact value is `int_value`."""
