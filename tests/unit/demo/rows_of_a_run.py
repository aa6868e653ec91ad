"""Rows as the database gives them, for tests of what is printed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from demo import queries
from demo.queries import Row
from demo.rows import Rows

AT = datetime(2026, 11, 23, 8, 30, 12, 345678, tzinfo=UTC)
TRACE, CALL, ROOT = "a" * 32, "1" * 16, "2" * 16
LABELS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.response.model": "gpt-5-mini-2026-08-07",
    "openai.response.service_tier": "default",
}


def selected(statement: str) -> list[str]:
    """The names of the columns of a SELECT, as a row has them."""
    listed = re.sub(r"encode\((?:[^()]|\([^()]*\))*\) AS ", "", statement.partition("FROM")[0].replace("SELECT", ""))
    return [name.strip().rpartition(".")[2] for name in listed.split(",")]


def span(**columns: Any) -> Row:
    """A row of llm_traces that reports nothing, but for `columns`."""
    plain = dict.fromkeys(selected(queries.SPANS)) | {"timestamp": AT, "service_name": "demo", "usage_role": "none"}
    return plain | {"span_name": "chat", "status_code": 0, "attributes": {}, "trace_id": TRACE, "span_id": ROOT} | columns


def call(**columns: Any) -> Row:
    """The row of a call that reports all."""
    reported = {
        "span_id": CALL, "parent_span_id": ROOT, "usage_role": "call", "provider": "openai", "operation": "chat",
        "request_model": "gpt-5-mini", "response_model": "gpt-5-mini-2026-08-07", "service_tier": "default",
        "input_tokens": 120, "output_tokens": 45, "cache_read_tokens": 64, "reasoning_tokens": 16,
        "duration_ms": 54.25, "finish_reasons": ["stop"], "span_name": "chat gpt-5-mini",
    }  # fmt: skip
    return span(**reported | columns)


def log(**columns: Any) -> Row:
    """A row of llm_logs: the event of the call, but for `columns`."""
    plain = dict.fromkeys(selected(queries.LOGS)) | {"timestamp": AT, "observed_timestamp": AT, "observed_timestamp_nanos": 9}
    event = {"trace_id": TRACE, "span_id": CALL, "level": "INFO", "event_name": "gen_ai.details", "attributes": {"a": 1}}
    return plain | event | columns


def point(**columns: Any) -> Row:
    """A row of llm_metrics with its labels: input tokens of calls like the call, but for `columns`."""
    plain = dict.fromkeys(selected(queries.METRICS)) | {"timestamp": AT, "timestamp_nanos": 9, "service_name": "demo"}
    tokens = {"metric_name": "gen_ai.client.token.usage", "unit": "{token}", "count": 2, "sum": 240.0}
    return plain | tokens | {"labels": LABELS | {"gen_ai.token.type": "input"}} | columns


def content(**columns: Any) -> Row:
    """A row of llm_content: the prompt of the call, but for `columns`."""
    plain = dict.fromkeys(selected(queries.CONTENT)) | {"timestamp": AT, "trace_id": TRACE, "span_id": CALL}
    return plain | {"kind": "input", "carrier": "span_attribute", "body": "What is a span?", "original_length": 15} | columns


def rows(*spans: Row, logs: tuple[Row, ...] = (), metrics: tuple[Row, ...] = (), said: tuple[Row, ...] = ()) -> Rows:
    """The rows of a run."""
    return Rows(list(spans), list(logs), list(metrics), list(said))
