"""Reads the rows of given spans from the service's database, with plain SQL, as any user may."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from demo import DemoError
from demo.export import SpanKey

Row = dict[str, Any]

WAIT_SECONDS = 15.0
_POLL_SECONDS = 0.1
_CONNECT_TIMEOUT_SECONDS = 10

SELECT_SPANS = """
SELECT timestamp, encode(uuid_send(trace_id), 'hex') AS trace_id, encode(span_id, 'hex') AS span_id,
       encode(parent_span_id, 'hex') AS parent_span_id, service_name, span_name, span_kind, status_code, duration_ms,
       provider, operation, request_model, response_model, service_tier, is_streaming, ttft_ms,
       input_tokens, output_tokens, cache_read_tokens, reasoning_tokens, usage_role, finish_reasons, error_type,
       environment, attributes
FROM llm_traces
WHERE tenant = 'default' AND timestamp >= %(since)s AND trace_id = ANY(%(trace_ids)s::uuid[])
ORDER BY timestamp, timestamp_nanos
"""


def service_dsn() -> str:
    """Ask `llm-observatory dsn` of the environment this runs in. Raises DemoError with what the command said."""
    command = Path(sys.executable).with_name("llm-observatory")
    try:
        run = subprocess.run([command, "dsn"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"`llm-observatory dsn` cannot be run ({error}). Give the database with --dsn."
        raise DemoError(message) from error
    if run.returncode != 0 or not run.stdout.strip():
        message = f"`llm-observatory dsn` does not know the database: {run.stderr.strip() or 'it printed nothing'}"
        raise DemoError(message)
    return run.stdout.strip()


def missing(expected: Sequence[SpanKey], rows: Sequence[Row]) -> list[SpanKey]:
    """The spans that have no row."""
    stored = {(row["trace_id"], row["span_id"]) for row in rows}
    return [key for key in expected if key not in stored]


def read_back(dsn: str, expected: Sequence[SpanKey], since: datetime, wait_seconds: float = WAIT_SECONDS) -> list[Row]:
    """The rows of exactly these traces, oldest first. Raises DemoError if a span has no row after `wait_seconds`.

    What is acknowledged is committed, so the first look finds everything; a read replica may need the wait.
    """
    parameters = {"since": since, "trace_ids": sorted({trace_id for trace_id, _ in expected})}
    deadline = time.monotonic() + wait_seconds
    try:
        with psycopg.connect(
            dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_SECONDS, row_factory=dict_row
        ) as connection:
            while missing(expected, rows := connection.execute(SELECT_SPANS, parameters).fetchall()):
                if time.monotonic() >= deadline:
                    lost = missing(expected, rows)
                    message = (
                        f"{len(lost)} of {len(expected)} acknowledged spans are not in the database: is it the one the"
                        f" service writes to? First missing: trace {lost[0][0]}, span {lost[0][1]}."
                    )
                    raise DemoError(message)
                time.sleep(_POLL_SECONDS)
    except psycopg.Error as error:
        message = f"the database cannot be read: {error}"
        raise DemoError(message) from error
    return rows
