"""`llm_logs`: one row per log record."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, TENANT, Column, Table

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
    kept_for="retention",
    segments="telemetry_sources",
    order_by=("timestamp DESC",),
    sparse_indexes=(("bloom", "trace_id"), ("minmax", "severity_number")),
    columns=(
        TENANT,
        Column(name="timestamp", type="timestamptz", op="log.time_us", role="time"),
        Column(name="timestamp_nanos", type="int2", op="log.time_nanos"),
        Column(name="time_source", type="int2", op="log.time_source", role="label"),
        Column(name="observed_timestamp", type="timestamptz", op="log.observed_us", nullable=True),
        Column(name="observed_timestamp_nanos", type="int2", op="log.observed_nanos", nullable=True),
        Column(name="id", type="uuid", op="log.id", role="id"),
        Column(name="trace_id", type="uuid", op="log.trace_id", nullable=True, role="id"),
        Column(name="span_id", type="bytea", op="log.span_id", nullable=True, role="id"),
        Column(name="service_name", type="text", op="source.service_name", role="key", max_bytes=INDEXED_TEXT_MAX_BYTES),
        Column(name="level", type="text", op="log.level", role="label"),
        Column(name="severity_number", type="int2", op="log.severity_number", role="label"),
        Column(name="severity_text", type="text", op="log.severity_text", nullable=True),
        Column(name="event_name", type="text", op="log.event_name", nullable=True, role="label"),
        Column(name="message", type="text", op="log.message", nullable=True, role="document"),
        Column(name="body", type="jsonb", op="log.body", nullable=True, role="document"),
        Column(name="source_id", type="uuid", op="source.id", role="id"),
        Column(name="attributes", type="jsonb", op="log.attributes", role="document"),
        Column(name="flags", type="int8", op="log.flags"),
        Column(name="dropped_attributes_count", type="int8", op="log.dropped_attributes_count"),
    ),
)
"""`timestamp` is the record's time, else the observed time, else when it was received: `time_source` 0, 1, 2. A body that is
a string is `message`, any other is `body`; that of a message event is neither, it is content."""
