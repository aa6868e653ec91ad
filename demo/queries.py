"""The SQL the demo reads with, plain as any user may write it, and how a row answers to the key of what was sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from demo.watch import Key, labels_key

Row = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SPANS = """
SELECT timestamp, encode(uuid_send(trace_id), 'hex') AS trace_id, encode(span_id, 'hex') AS span_id,
       encode(parent_span_id, 'hex') AS parent_span_id, service_name, span_name, span_kind, status_code, duration_ms,
       provider, operation, request_model, response_model, service_tier, is_streaming, ttft_ms,
       input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_role,
       finish_reasons, error_type, environment, attributes
FROM llm_traces
WHERE tenant = 'default' AND timestamp >= %(since)s AND trace_id = ANY(%(trace_ids)s::uuid[])
ORDER BY timestamp, timestamp_nanos
"""

LOGS = """
SELECT timestamp, observed_timestamp, observed_timestamp_nanos, encode(uuid_send(trace_id), 'hex') AS trace_id,
       encode(span_id, 'hex') AS span_id, service_name, level, severity_number, severity_text, event_name,
       message, body, attributes
FROM llm_logs
WHERE tenant = 'default' AND timestamp >= %(since)s AND trace_id = ANY(%(trace_ids)s::uuid[])
ORDER BY timestamp, timestamp_nanos
"""

METRICS = """
SELECT point.timestamp, point.timestamp_nanos, point.start_timestamp, point.service_name, point.metric_name,
       series.metric_type, series.unit, series.temporality, series.labels,
       point.value, point.count, point.sum, point.min, point.max, point.bounds, point.bucket_counts, point.exemplars,
       encode(uuid_send(point.trace_id), 'hex') AS trace_id
FROM llm_metrics AS point
LEFT JOIN metric_labels AS series USING (tenant, series_id)
WHERE tenant = 'default' AND point.timestamp = ANY(%(point_times)s)
ORDER BY point.metric_name, series.labels
"""

CONTENT = """
SELECT timestamp, encode(uuid_send(trace_id), 'hex') AS trace_id, encode(span_id, 'hex') AS span_id, service_name,
       kind, carrier, attribute, is_json, body, original_length
FROM llm_content
WHERE tenant = 'default' AND timestamp >= %(since)s AND trace_id = ANY(%(trace_ids)s::uuid[])
ORDER BY timestamp, span_id, kind, attribute
"""


class Reading(NamedTuple):
    """How the items of one signal are read back and told apart. `names` are those of the parts of a key."""

    items: str
    table: str
    sql: str
    names: tuple[str, ...]
    key: Callable[[Row], Key]


def microseconds(nanoseconds: int) -> datetime:
    """A time of OTLP as PostgreSQL holds it; the rest stands in a column of its own."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _nanoseconds(time: datetime | None, rest: int) -> int | None:
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1) * 1000 + rest


def _span_key(row: Row) -> Key:
    return row["trace_id"], row["span_id"]


def _log_key(row: Row) -> Key:
    observed = _nanoseconds(row["observed_timestamp"], row["observed_timestamp_nanos"] or 0)
    return row["trace_id"], row["span_id"], observed


def _point_key(row: Row) -> Key:
    return row["metric_name"], _nanoseconds(row["timestamp"], row["timestamp_nanos"]), labels_key(row["labels"])


READ_SPANS = Reading("spans", "llm_traces", SPANS, ("trace", "span"), _span_key)
READ_LOGS = Reading("log records", "llm_logs", LOGS, ("trace", "span", "observed at"), _log_key)
READ_POINTS = Reading("data points", "llm_metrics", METRICS, ("metric", "time", "labels"), _point_key)
