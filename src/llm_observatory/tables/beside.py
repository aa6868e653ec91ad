"""The tables beside the facts: dimensions, the queue of what changed, the ledger, dead letters."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, TENANT, Column, Table

TELEMETRY_SOURCES = Table(
    name="telemetry_sources",
    kind="dimension",
    columns=(
        TENANT,
        Column(name="source_id", type="uuid", op="source.id", role="id"),
        Column(name="service_name", type="text", op="source.service_name", role="key", max_bytes=INDEXED_TEXT_MAX_BYTES),
        Column(name="resource", type="jsonb", op="resource.attributes", role="document"),
        Column(name="resource_dropped_attributes_count", type="int8", op="resource.dropped_attributes_count"),
        Column(name="resource_schema_url", type="text", op="resource.schema_url"),
        Column(name="entity_refs", type="jsonb", op="resource.entity_refs", nullable=True, role="document"),
        Column(name="scope_name", type="text", op="scope.name", role="label"),
        Column(name="scope_version", type="text", op="scope.version", role="label"),
        Column(name="scope_attributes", type="jsonb", op="scope.attributes", role="document"),
        Column(name="scope_dropped_attributes_count", type="int8", op="scope.dropped_attributes_count"),
        Column(name="scope_schema_url", type="text", op="scope.schema_url"),
        Column(name="last_seen", type="date", op="request.received_date"),
    ),
)
"""Who sent it. `source_id` is computed from all columns but itself and `last_seen`, so it is never looked up."""

METRIC_LABELS = Table(
    name="metric_labels",
    kind="dimension",
    columns=(
        TENANT,
        Column(name="series_id", type="uuid", op="series.id", role="id"),
        Column(name="service_name", type="text", op="source.service_name", role="key", max_bytes=INDEXED_TEXT_MAX_BYTES),
        Column(name="metric_name", type="text", op="metric.name", role="key"),
        Column(name="metric_type", type="text", op="metric.type", role="label"),
        Column(name="unit", type="text", op="metric.unit", role="label"),
        Column(name="description", type="text", op="metric.description", role="label"),
        Column(name="temporality", type="int2", op="metric.temporality", nullable=True, role="label"),
        Column(name="is_monotonic", type="bool", op="metric.is_monotonic", nullable=True, role="label"),
        Column(name="metadata", type="jsonb", op="metric.metadata", nullable=True, role="document"),
        Column(name="labels", type="jsonb", op="series.labels", role="document"),
        Column(name="source_id", type="uuid", op="source.id", role="id"),
        Column(name="last_seen", type="date", op="request.received_date"),
    ),
)
"""What a data point is a value of: metric, attributes and source. `series_id` is computed from all columns but itself and
`last_seen`; attributes are sorted by key at every level, as those of sources are, for their order says nothing."""

INGEST_TOUCHED = Table(
    name="ingest_touched",
    kind="queue",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="touched.signal"),
        Column(name="hour", type="timestamptz", op="touched.hour", role="time"),
        Column(name="trace_ids", type="uuid[]", op="touched.trace_ids"),
        Column(name="touched_at", type="timestamptz", op="request.received_at"),
    ),
)
"""What changed: one row per request and hour of its records. `trace_ids` are those of spans; empty for metrics and logs."""

ROLLUP_PENDING = Table(
    name="rollup_pending",
    kind="queue",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none"),
        Column(name="hour", type="timestamptz", op="none", role="time"),
        Column(name="pending_since", type="timestamptz", op="none"),
    ),
)
"""Hours whose rollups are out of date, where rollups are tables: what was collected from `ingest_touched`."""

INGEST_LEDGER = Table(
    name="ingest_ledger",
    kind="ledger",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none"),
        Column(name="digest", type="bytea", op="none", role="id"),
        Column(name="received_at", type="timestamptz", op="none", role="time"),
        Column(name="answer", type="bytea", op="none"),
    ),
)
"""One row per committed request: its digest and the answer it got. Written with its rows; a retry reads the answer."""

LOG_FEED = Table(
    name="log_feed",
    kind="queue",
    columns=(
        TENANT,
        Column(name="digest", type="bytea", op="none", role="id"),
        Column(name="records", type="int8", op="none"),
        Column(name="received_at", type="timestamptz", op="none"),
        Column(name="min_time", type="timestamptz", op="none"),
        Column(name="max_time", type="timestamptz", op="none"),
        Column(name="written_at", type="timestamptz", op="none", role="time"),
    ),
)
"""One row per committed request of log records, kept for minutes: who follows them learns of it which rows are new."""

SEARCH_FILTERS = Table(
    name="search_filters",
    kind="queue",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none"),
        Column(name="hour", type="timestamptz", op="none", role="time"),
        Column(name="bits", type="bytea", op="none"),
    ),
)
"""Which attribute values and words an hour can hold. Empty bits ask for new ones, see `storage/touched.py`."""

DEAD_LETTERS = Table(
    name="dead_letters",
    kind="ledger",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none"),
        Column(name="digest", type="bytea", op="none", role="id"),
        Column(name="received_at", type="timestamptz", op="none", role="time"),
        Column(name="error", type="text", op="none"),
        Column(name="payload", type="bytea", op="none", role="document"),
    ),
)
"""Requests that PostgreSQL refused although every rule was kept: for people to look at and to send again."""

MODEL_PRICES = Table(
    name="model_prices",
    kind="price",
    columns=(
        TENANT,
        Column(name="source", type="text", op="none"),
        Column(name="provider", type="text", op="none"),
        Column(name="model", type="text", op="none"),
        Column(name="service_tier", type="text", op="none"),
        Column(name="input_band", type="int8", op="none"),
        Column(name="valid_from", type="date", op="none", nullable=True),
        Column(name="valid_to", type="date", op="none", nullable=True),
        Column(name="input_usd_per_token", type="numeric", op="none"),
        Column(name="cache_read_usd_per_token", type="numeric", op="none"),
        Column(name="cache_write_usd_per_token", type="numeric", op="none"),
        Column(name="output_usd_per_token", type="numeric", op="none"),
    ),
)
"""What tokens cost, day by day. Rows of source `operator` win; the others are of one version of genai-prices."""

MODEL_PRICE_NAMES = Table(
    name="model_price_names",
    kind="price",
    columns=(
        TENANT,
        Column(name="source", type="text", op="none"),
        Column(name="subject", type="text", op="none"),
        Column(name="provider", type="text", op="none"),
        Column(name="place", type="int8", op="none"),
        Column(name="operator", type="text", op="none"),
        Column(name="pattern", type="text", op="none"),
        Column(name="price_provider", type="text", op="none"),
        Column(name="price_model", type="text", op="none"),
    ),
)
"""Which priced model a provider and a model stand for, as spans have them."""
