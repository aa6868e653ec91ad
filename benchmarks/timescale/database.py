"""The databases of the benchmark: made and dropped on the server that BENCH_DATABASE_URL names, and what that server is."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any

import psycopg

from llm_observatory.operate.bench.query import database
from llm_observatory.operate.bench.query.database import drop, elapsed, exists, opened, row, rows
from llm_observatory.storage.engine import edition

__all__ = ["Refused", "create", "drop", "elapsed", "exists", "facts", "free_bytes", "opened", "row", "rows", "say"]

_SETTINGS = [
    "checkpoint_timeout", "default_toast_compression", "effective_io_concurrency", "fsync", "full_page_writes",
    "maintenance_work_mem", "max_parallel_workers_per_gather", "max_wal_size", "shared_buffers", "synchronous_commit",
    "wal_compression", "wal_level", "work_mem",
]  # fmt: skip


class Refused(Exception):
    """The benchmark cannot run here; the message says why."""


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


async def create(server: str, name: str) -> str:
    """A new, migrated database whose jobs are paused: what they do is measured, so it must not begin by itself."""
    conninfo = await database.create(server, name)
    say(f"{name} is made and migrated")
    async with opened(conninfo) as connection:
        found = await edition(connection)
        if found is None or not found[0].community:
            raise Refused("the server has no TimescaleDB with the Timescale licence")
    return conninfo


async def free_bytes(server: str) -> int | None:
    """Room left where the server keeps its data; None where it may not be asked."""
    async with opened(server) as connection:
        await connection.execute("CREATE TEMPORARY TABLE disk (line text)")
        try:
            # The working directory of a server process is its data directory.
            await connection.execute("COPY disk FROM PROGRAM 'df -Pk . | tail -n 1'")
        except psycopg.Error:
            return None
        (line,) = await row(connection, "SELECT line FROM disk")
    return int(line.split()[3]) * 1024


async def facts(conninfo: str) -> dict[str, Any]:
    """Versions and settings, the date and how many cores there are here."""
    async with opened(conninfo) as connection:
        (version, timescaledb) = await row(
            connection,
            "SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'timescaledb'",
        )
        settings = await rows(connection, "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", _SETTINGS)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "postgresql": version,
        "timescaledb": timescaledb,
        "cores of this machine": os.cpu_count(),
        "settings": dict(settings),
    }
