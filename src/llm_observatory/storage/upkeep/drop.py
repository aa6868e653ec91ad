"""Chunks and partitions dropped by hand, before their retention is over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
import structlog

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine import detect, expiry
from llm_observatory.storage.engine.partitions import time_us
from llm_observatory.storage.engine.protocol import LOCK_TIMEOUT
from llm_observatory.storage.engine.whole import remember_dropped
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUPS

_log = structlog.get_logger(__name__)

ATTEMPTS = 10
PAUSE_SECONDS = 1.0
"""Whoever comes while a chunk is waited for waits behind us: shortly (LOCK_TIMEOUT), and often."""

MAX_BUSY = 3
"""So many busy chunks of a table, and the rest stays too: mostly the table is in use as a whole."""

_PARTITIONS = """
SELECT c.relname, upper::timestamptz, pg_total_relation_size(c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (
    SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'')]+)''\\)'))[1] AS upper
) bound
WHERE i.inhparent = to_regclass(%(table)s) AND upper::timestamptz <= %(horizon)s
ORDER BY 2
"""

_CHUNK_RANGES = """
SELECT chunk_name, range_start, range_end FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %s AND range_end <= %s
ORDER BY 2
"""

_CHUNKS = """
SELECT c.chunk_name, c.range_end, s.total_bytes
FROM timescaledb_information.chunks c
LEFT JOIN chunks_detailed_size(to_regclass(%(table)s::text)) s USING (chunk_schema, chunk_name)
WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = %(table)s::text AND c.range_end <= %(horizon)s
ORDER BY 2
"""

_DROP_CHUNK = "SELECT drop_chunks(%s::regclass, newer_than => %s::timestamptz, older_than => %s::timestamptz)"


class Expendable(NamedTuple):
    """A chunk or partition that lies wholly before the horizon."""

    name: str
    end: datetime
    size: int | None


async def before(connection: AsyncConnection, table: str, horizon: datetime) -> list[Expendable]:
    """What of `table` would be dropped, the oldest first. Raises StorageError."""
    engine = await detect(connection, Settings())
    with translated():
        statement = _CHUNKS if engine.name == "timescaledb" else _PARTITIONS
        cursor = await connection.execute(statement, {"table": table, "horizon": horizon})
        return [Expendable(*row) for row in await cursor.fetchall()]


async def prepare(connection: AsyncConnection, table: str, end: datetime, settings: Settings) -> None:
    """Have sums outlive the rows of `table` until `end`: none is computed from what is left of them. Raises StorageError."""
    if table not in {rollup.source for rollup in ROLLUPS}:
        return
    hour = datetime.fromtimestamp(-(-end.timestamp() // 3600) * 3600, UTC)
    await remember_dropped(connection, hour, spans=table in {rollup.source for rollup in ROLLUPS if rollup.signal == "traces"})
    # The policies of continuous aggregates, which would otherwise refresh what is gone.
    await (await detect(connection, settings)).reconcile(connection, settings)


async def drop(connection: AsyncConnection, table: str, horizon: datetime) -> None:
    """Drop what lies wholly before `horizon`; what is in use may stay. Nobody waits for it. Raises StorageError."""
    engine = await detect(connection, Settings())
    if engine.name != "timescaledb":
        await expiry.drop_before(connection, table, time_us(horizon))
        return
    busy = 0
    with translated():
        for name, begin, end in await (await connection.execute(_CHUNK_RANGES, [table, horizon])).fetchall():
            if not await _patiently(connection, name, [table, begin, end]):
                busy += 1
            if busy == MAX_BUSY:
                break


async def _patiently(connection: AsyncConnection, chunk: str, parameters: list[object]) -> bool:
    """Drop one chunk as soon as it gets its locks, each try a transaction. False when it did not."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                await connection.execute(_DROP_CHUNK, parameters)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            _log.debug("a chunk is busy", chunk=chunk, attempt=attempt, reason=type(error).__name__)
        else:
            return True
        if attempt < ATTEMPTS:
            await asyncio.sleep(PAUSE_SECONDS)
    return False
