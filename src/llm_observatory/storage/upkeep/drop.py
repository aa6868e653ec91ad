"""Chunks and partitions dropped by hand, before their retention is over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine import detect, expiry
from llm_observatory.storage.engine.partitions import time_us
from llm_observatory.storage.engine.whole import remember_dropped
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUPS

_PARTITIONS = """
SELECT c.relname, upper::timestamptz, pg_total_relation_size(c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (
    SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'')]+)''\\)'))[1] AS upper
) bound
WHERE i.inhparent = to_regclass(%(table)s) AND upper::timestamptz <= %(horizon)s
ORDER BY 2
"""

_CHUNKS = """
SELECT c.chunk_name, c.range_end, s.total_bytes
FROM timescaledb_information.chunks c
LEFT JOIN chunks_detailed_size(to_regclass(%(table)s::text)) s USING (chunk_schema, chunk_name)
WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = %(table)s::text AND c.range_end <= %(horizon)s
ORDER BY 2
"""

_DROP_CHUNKS = "SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)"


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
    await remember_dropped(connection, datetime.fromtimestamp(-(-end.timestamp() // 3600) * 3600, UTC))
    # The policies of continuous aggregates, which would otherwise refresh what is gone.
    await (await detect(connection, settings)).reconcile(connection, settings)


async def drop(connection: AsyncConnection, table: str, horizon: datetime) -> None:
    """Drop what lies wholly before `horizon`; a partition that is in use may stay. Raises StorageError."""
    engine = await detect(connection, Settings())
    if engine.name == "timescaledb":
        with translated():
            await connection.execute(_DROP_CHUNKS, [table, horizon])
    else:
        await expiry.drop_before(connection, table, time_us(horizon))
