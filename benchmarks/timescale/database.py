"""The databases of the benchmark: made and dropped on the server that BENCH_DATABASE_URL names, and what that server is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from llm_observatory.storage import migrate
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import edition

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


async def rows(connection: AsyncConnection, query: LiteralString | sql.Composed, *values: object) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    cursor = await connection.execute(query, values or None)
    return await cursor.fetchall() if cursor.description is not None else []


async def row(connection: AsyncConnection, query: LiteralString | sql.Composed, *values: object) -> tuple[Any, ...]:
    """The only row of a statement."""
    [found] = await rows(connection, query, *values)
    return found


@asynccontextmanager
async def opened(conninfo: str) -> AsyncIterator[AsyncConnection]:
    """A connection as the service has it."""
    connection = await connect(conninfo, "llm-observatory-benchmark")
    try:
        yield connection
    finally:
        await connection.close()


async def exists(server: str, name: str) -> bool:
    """Whether there is a database of this name."""
    async with opened(server) as connection:
        return bool(await rows(connection, "SELECT FROM pg_database WHERE datname = %s", name))


async def create(server: str, name: str) -> str:
    """A new, migrated database whose jobs are paused: what they do is measured, so it must not begin by itself."""
    async with opened(server) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    conninfo = make_conninfo(server, dbname=name)
    await migrate.up(conninfo, lambda _line: None)
    say(f"{name} is made and migrated")
    async with opened(conninfo) as connection:
        found = await edition(connection)
        if found is None or not found[0].community:
            raise Refused("the server has no TimescaleDB with the Timescale licence")
        await rows(connection, "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
    return conninfo


async def drop(server: str, name: str) -> None:
    """Drop a database of ours; whoever is connected to it is a job of it."""
    async with opened(server) as connection:
        await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


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


async def elapsed(connection: AsyncConnection, query: LiteralString | sql.Composed, *values: object) -> float:
    """Run it; seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await rows(connection, query, *values)
    return loop.time() - began
