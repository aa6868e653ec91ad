"""Reads what a run became from the service's database, and says which acknowledged item has no row."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from demo import DemoError
from demo.queries import CONTENT, READ_LOGS, READ_POINTS, READ_SPANS, Reading, Row, microseconds
from demo.watch import Key, Sent

WAIT_SECONDS = 15.0
_POLL_SECONDS = 0.1
_CONNECT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one run, oldest first; data points by metric."""

    spans: list[Row]
    logs: list[Row]
    metrics: list[Row]
    content: list[Row]


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


def missing(reading: Reading, expected: Sequence[Key], rows: Sequence[Row]) -> list[Key]:
    """The items that have no row, as often as they have none."""
    return list((Counter(expected) - Counter(reading.key(row) for row in rows)).elements())


def _complaint(reading: Reading, lost: Sequence[Key], expected: Sequence[Key]) -> str:
    first = ", ".join(f"{name} {value}" for name, value in zip(reading.names, lost[0], strict=True))
    return (
        f"{len(lost)} of {len(expected)} acknowledged {reading.items} are not in {reading.table}: is it the database the"
        f" service writes to, and does its log speak of rejected records? First missing: {first}."
    )


class _Reader:
    """One connection and the bounds of one run. All looks together end at one deadline."""

    def __init__(self, connection: psycopg.Connection[DictRow], parameters: dict[str, Any], wait_seconds: float) -> None:
        self._connection, self._parameters = connection, parameters
        self._deadline = time.monotonic() + wait_seconds

    def all(self, statement: str) -> list[Row]:
        return self._connection.execute(statement.encode(), self._parameters).fetchall()

    def every(self, reading: Reading, expected: Sequence[Key]) -> list[Row]:
        """The rows, once each of `expected` has one. Raises DemoError at the deadline."""
        while lost := missing(reading, expected, rows := self.all(reading.sql)):
            if time.monotonic() >= self._deadline:
                raise DemoError(_complaint(reading, lost, expected))
            time.sleep(_POLL_SECONDS)
        return rows


def read_back(dsn: str, sent: Sent, since: datetime, wait_seconds: float = WAIT_SECONDS) -> Rows:
    """The rows of exactly this run. Raises DemoError if something acknowledged has no row after `wait_seconds`.

    What is acknowledged is committed, so the first look finds everything; a read replica may need the wait.
    """
    parameters = {
        "since": since,
        "trace_ids": sorted({str(trace_id) for trace_id, _ in sent.spans.acknowledged}),
        "point_times": sorted({microseconds(int(at or 0)) for _, at, _ in sent.points.acknowledged}),
    }
    try:
        with psycopg.connect(
            dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_SECONDS, row_factory=dict_row
        ) as connection:
            reader = _Reader(connection, parameters, wait_seconds)
            return Rows(
                spans=reader.every(READ_SPANS, sent.spans.acknowledged),
                logs=reader.every(READ_LOGS, sent.logs.acknowledged),
                metrics=reader.every(READ_POINTS, sent.points.acknowledged),
                content=reader.all(CONTENT),
            )
    except psycopg.Error as error:
        message = f"the database cannot be read: {error}"
        raise DemoError(message) from error
