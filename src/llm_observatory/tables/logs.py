"""`llm_logs`: one row per log record."""

from __future__ import annotations

from llm_observatory.tables.column import SERVICE_NAME, TENANT, Column, Table

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""The ranges of SeverityNumber, four numbers each, from 1 on (OpenTelemetry logs data model)."""

LEVEL_ALIASES = {
    "VERBOSE": "TRACE",
    "INFORMATION": "INFO",
    "NOTICE": "INFO",
    "WARNING": "WARN",
    "ERR": "ERROR",
    "SEVERE": "ERROR",
    "CRITICAL": "FATAL",
    "ALERT": "FATAL",
    "EMERGENCY": "FATAL",
    "PANIC": "FATAL",
}
"""Severity texts, in upper case, and the level they mean when a record has no severity number."""

LLM_LOGS = Table(
    name="llm_logs",
    kind="fact",
    one_row_per="log record",
    kept_for="retention",
    segments="telemetry_sources",
    order_by=("timestamp DESC",),
    sparse_indexes=(("bloom", "trace_id"), ("minmax", "severity_number")),
    columns=(
        TENANT,
        Column(
            name="timestamp",
            type="timestamptz",
            op="log.time_us",
            role="time",
            description="time of the record, see `time_source`, to the microsecond",
        ),
        Column(name="timestamp_nanos", type="int2", op="log.time_nanos", description="nanoseconds to add to it, 0 to 999"),
        Column(
            name="time_source",
            type="int2",
            op="log.time_source",
            role="label",
            description="what `timestamp` is: 0 the record's time, 1 the observed time, 2 when it was received: it had neither",
        ),
        Column(
            name="observed_timestamp",
            type="timestamptz",
            op="log.observed_us",
            nullable=True,
            description="when it was collected; NULL if not reported",
        ),
        Column(
            name="observed_timestamp_nanos",
            type="int2",
            op="log.observed_nanos",
            nullable=True,
            description="nanoseconds to add to it",
        ),
        Column(
            name="id",
            type="uuid",
            op="log.id",
            role="id",
            description="UUIDv7: sorts by time; the same when the request is sent again",
        ),
        Column(
            name="trace_id",
            type="uuid",
            op="log.trace_id",
            nullable=True,
            role="id",
            description="NULL if it belongs to no trace",
        ),
        Column(
            name="span_id",
            type="bytea",
            op="log.span_id",
            nullable=True,
            role="id",
            description="NULL if it belongs to no span",
        ),
        SERVICE_NAME,
        Column(
            name="level",
            type="text",
            op="log.level",
            role="label",
            description="`TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL`, or `''`",
        ),
        Column(
            name="severity_number", type="int2", op="log.severity_number", role="label", description="as sent, 0 if missing"
        ),
        Column(name="severity_text", type="text", op="log.severity_text", nullable=True, description="as sent, NULL if empty"),
        Column(name="event_name", type="text", op="log.event_name", nullable=True, role="label", description="NULL if empty"),
        Column(
            name="message",
            type="text",
            op="log.message",
            nullable=True,
            role="document",
            description="the body, if it is a string and no content",
        ),
        Column(
            name="body",
            type="jsonb",
            op="log.body",
            nullable=True,
            role="document",
            description="the body, if it is anything else and no content",
        ),
        Column(name="source_id", type="uuid", op="source.id", role="id", description="row of `telemetry_sources`"),
        Column(name="attributes", type="jsonb", op="log.attributes", role="document", description="an attribute document"),
        Column(name="flags", type="int8", op="log.flags", description="as sent"),
        Column(name="dropped_attributes_count", type="int8", op="log.dropped_attributes_count", description="as sent"),
    ),
)
"""`timestamp` is the record's time, else the observed time, else when it was received: `time_source` 0, 1, 2. A body that is
a string is `message`, any other is `body`; that of a message event is neither, it is content."""
