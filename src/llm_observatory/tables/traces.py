"""`llm_traces`: one row per span, and what is written beside it."""

from __future__ import annotations

from llm_observatory.tables.column import SERVICE_NAME, TENANT, Column, Table
from llm_observatory.tables.llm import LLM_COLUMNS

LLM_TRACES = Table(
    name="llm_traces",
    kind="fact",
    one_row_per="span",
    kept_for="retention",
    segments="telemetry_sources",
    order_by=("timestamp DESC",),
    sparse_indexes=(("bloom", "trace_id"), ("minmax", "duration_ms")),
    columns=(
        TENANT,
        Column(name="timestamp", type="timestamptz", op="span.start_us", role="time", description="start, to the microsecond"),
        Column(name="timestamp_nanos", type="int2", op="span.start_nanos", description="nanoseconds to add to it, 0 to 999"),
        Column(
            name="trace_id",
            type="uuid",
            op="span.trace_id",
            role="id",
            description="its 16 bytes; `encode(uuid_send(trace_id), 'hex')` is the usual form",
        ),
        Column(name="span_id", type="bytea", op="span.span_id", role="id", description="its 8 bytes; `encode(span_id, 'hex')`"),
        Column(
            name="parent_span_id",
            type="bytea",
            op="span.parent_span_id",
            nullable=True,
            role="id",
            description="NULL for a root",
        ),
        Column(
            name="trace_state", type="text", op="span.trace_state", nullable=True, description="W3C tracestate, NULL if empty"
        ),
        Column(name="flags", type="int8", op="span.flags", description="as sent"),
        Column(
            name="is_entry",
            type="bool",
            op="span.is_entry",
            role="label",
            description="a request to this service: no parent, a remote parent, or kind SERVER or CONSUMER",
        ),
        SERVICE_NAME,
        Column(name="span_name", type="text", op="span.name", role="label", description="name"),
        Column(
            name="span_kind",
            type="int2",
            op="span.kind",
            role="label",
            description="0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer",
        ),
        Column(
            name="duration_ns",
            type="int8",
            op="span.duration_ns",
            nullable=True,
            description="nanoseconds, exact; NULL if there is no end",
        ),
        Column(
            name="duration_ms",
            type="float8",
            op="span.duration_ms",
            nullable=True,
            description="milliseconds; NULL unless 0 < start ≤ end",
        ),
        Column(name="status_code", type="int2", op="span.status_code", role="label", description="0 unset, 1 ok, 2 error"),
        Column(name="status_message", type="text", op="span.status_message", nullable=True, description="its description"),
        Column(name="source_id", type="uuid", op="source.id", role="id", description="row of `telemetry_sources`"),
        *LLM_COLUMNS,
        Column(name="attributes", type="jsonb", op="span.attributes", role="document", description="every other attribute"),
        Column(
            name="events",
            type="jsonb",
            op="span.events",
            nullable=True,
            role="document",
            description="span events, NULL if none",
        ),
        Column(
            name="links", type="jsonb", op="span.links", nullable=True, role="document", description="span links, NULL if none"
        ),
        Column(name="dropped_attributes_count", type="int8", op="span.dropped_attributes_count", description="as sent"),
        Column(name="dropped_events_count", type="int8", op="span.dropped_events_count", description="as sent"),
        Column(
            name="dropped_links_count",
            type="int8",
            op="span.dropped_links_count",
            description="as sent, and links that were dropped here",
        ),
    ),
)

TRACE_INDEX = Table(
    name="trace_index",
    kind="index",
    one_row_per="trace and request: between which times its spans lie",
    kept_for="retention",
    order_by=("trace_id", "timestamp DESC"),
    columns=(
        TENANT,
        Column(
            name="timestamp", type="timestamptz", op="trace.first_us", role="time", description="the first start of these spans"
        ),
        Column(name="last_timestamp", type="timestamptz", op="trace.last_us", description="the last start of them"),
        Column(name="trace_id", type="uuid", op="trace.id", role="id", description="of the spans"),
    ),
)
"""One row per trace and request: between which timestamps its spans lie. Bounds a look-up by trace id in time."""
