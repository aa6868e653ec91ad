"""`llm_traces`: one row per span, and what is written beside it."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, TENANT, Column, Table
from llm_observatory.tables.llm import LLM_COLUMNS

LLM_TRACES = Table(
    name="llm_traces",
    kind="fact",
    kept_for="retention",
    segments="telemetry_sources",
    order_by=("timestamp DESC",),
    sparse_indexes=(("bloom", "trace_id"), ("minmax", "duration_ms")),
    columns=(
        TENANT,
        Column(name="timestamp", type="timestamptz", op="span.start_us", role="time"),
        Column(name="timestamp_nanos", type="int2", op="span.start_nanos"),
        Column(name="trace_id", type="uuid", op="span.trace_id", role="id"),
        Column(name="span_id", type="bytea", op="span.span_id", role="id"),
        Column(name="parent_span_id", type="bytea", op="span.parent_span_id", nullable=True, role="id"),
        Column(name="trace_state", type="text", op="span.trace_state", nullable=True),
        Column(name="flags", type="int8", op="span.flags"),
        Column(name="is_entry", type="bool", op="span.is_entry", role="label"),
        Column(name="service_name", type="text", op="source.service_name", role="key", max_bytes=INDEXED_TEXT_MAX_BYTES),
        Column(name="span_name", type="text", op="span.name", role="label"),
        Column(name="span_kind", type="int2", op="span.kind", role="label"),
        Column(name="duration_ns", type="int8", op="span.duration_ns", nullable=True),
        Column(name="duration_ms", type="float8", op="span.duration_ms", nullable=True),
        Column(name="status_code", type="int2", op="span.status_code", role="label"),
        Column(name="status_message", type="text", op="span.status_message", nullable=True),
        Column(name="source_id", type="uuid", op="source.id", role="id"),
        *LLM_COLUMNS,
        Column(name="attributes", type="jsonb", op="span.attributes", role="document"),
        Column(name="events", type="jsonb", op="span.events", nullable=True, role="document"),
        Column(name="links", type="jsonb", op="span.links", nullable=True, role="document"),
        Column(name="dropped_attributes_count", type="int8", op="span.dropped_attributes_count"),
        Column(name="dropped_events_count", type="int8", op="span.dropped_events_count"),
        Column(name="dropped_links_count", type="int8", op="span.dropped_links_count"),
    ),
)

TRACE_INDEX = Table(
    name="trace_index",
    kind="index",
    kept_for="retention",
    order_by=("trace_id", "timestamp DESC"),
    columns=(
        TENANT,
        Column(name="timestamp", type="timestamptz", op="trace.first_us", role="time"),
        Column(name="last_timestamp", type="timestamptz", op="trace.last_us"),
        Column(name="trace_id", type="uuid", op="trace.id", role="id"),
    ),
)
"""One row per trace and request: between which timestamps its spans lie. Bounds a look-up by trace id in time."""
