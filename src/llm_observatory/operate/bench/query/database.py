"""The database of the benchmark: made, opened, and dropped; statements and how long they take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg import sql
from psycopg.conninfo import make_conninfo

from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from llm_observatory.storage.connection import AsyncConnection, connected

Say = Callable[[str], None]
Query = LiteralString | sql.SQL | sql.Composed

_JOBS = "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs"


async def rows(connection: AsyncConnection, query: Query, *values: object) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    cursor = await connection.execute(query, values or None)
    return await cursor.fetchall() if cursor.description is not None else []


async def row(connection: AsyncConnection, query: Query, *values: object) -> tuple[Any, ...]:
    """The only row of a statement."""
    [found] = await rows(connection, query, *values)
    return found


async def elapsed(connection: AsyncConnection, query: Query, *values: object) -> float:
    """Run it; seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await rows(connection, query, *values)
    return loop.time() - began


@asynccontextmanager
async def opened(conninfo: str) -> AsyncIterator[AsyncConnection]:
    """A connection as the service has it, which also sees what the data set is made of."""
    async with connected(conninfo, "llm-observatory-benchmark") as connection:
        await connection.execute("SET search_path = public, benchmark")
        yield connection


async def exists(server: str, name: str) -> bool:
    """Whether there is a database of this name."""
    async with opened(server) as connection:
        return bool(await rows(connection, "SELECT FROM pg_database WHERE datname = %s", name))


async def create(server: str, name: str) -> str:
    """A new, migrated database whose jobs are paused: what they do would come in the middle of what is measured."""
    async with opened(server) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    conninfo = make_conninfo(server, dbname=name)
    await migrate.up(conninfo, lambda _line: None, Settings())
    async with opened(conninfo) as connection:
        if await timescaledb(connection):
            await rows(connection, _JOBS)
    return conninfo


async def timescaledb(connection: AsyncConnection) -> str | None:
    """The version of TimescaleDB in a database that has it."""
    (version,) = await row(connection, "SELECT max(extversion) FROM pg_extension WHERE extname = 'timescaledb'")
    return version if version is None else str(version)


async def drop(server: str, name: str) -> None:
    """Drop a database of ours; whoever is connected to it is a job of it."""
    async with opened(server) as connection:
        await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
