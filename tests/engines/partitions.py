"""Probes: what the facts are cut into, and who makes the pieces."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from tests.engines.capability import NO, YES, Section
from tests.engines.target import Target, noon

PARTITIONS = Section(
    "Partitions",
    "Every table that is kept for `RETENTION` or `CONTENT_RETENTION` is cut by time, into pieces of `CHUNK_INTERVAL`. Queries"
    " that are bounded in time read only the pieces they need, and old data goes by whole pieces. Tables and columns are the"
    " same on all engines.",
)

_HOME = """
SELECT relispartition, relnamespace::regnamespace::text FROM pg_class WHERE oid = (SELECT tableoid FROM trace_index LIMIT 1)
"""

_INSERT = "INSERT INTO trace_index VALUES ('default', %s, %s, gen_random_uuid())"

_AHEAD = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'trace_index'::regclass AND inhrelid::regclass::text = ANY(%s)"


@PARTITIONS.capability(
    "facts are",
    text="*hypertables* of TimescaleDB, whose pieces are chunks, or range *partitions* of PostgreSQL. A database stays with"
    " what it began with until `llm-observatory migrate timescaledb` moves it.",
    tried="a row is written, and the table that holds it looked at.",
)
async def facts_are(target: Target) -> str:
    await target.write(noon(1))
    [(is_partition, schema)] = await target.fetch(_HOME)
    if is_partition:
        return "partitions"
    assert schema == "_timescaledb_internal"
    return "hypertables"


@PARTITIONS.capability(
    "partitions made ahead",
    text="The maintenance loop makes the partitions of the next seven days. Chunks need no such thing.",
    tried="a round of maintenance, and whether there is a partition for each of the next seven days.",
)
async def partitions_made_ahead(target: Target) -> str:
    await target.maintain()
    names = [f"trace_index_p{noon(-day):%Y%m%d}" for day in range(8)]
    made = await target.one(_AHEAD, names)
    assert made in (0, 8)
    return YES if made else NO


@PARTITIONS.capability(
    "a day without one",
    text="Gets its chunk *by the insert*; or its partition from the committer, *on demand*, before it begins the transaction."
    " A bare `INSERT` of your own into such a day is refused on partitions (SQLSTATE 23514): there is no DEFAULT partition.",
    tried="a bare `INSERT` into a day that has nothing, and if that is refused a commit.",
)
async def a_day_without_one(target: Target) -> str:
    at = noon(60)
    try:
        await target.connection.execute(_INSERT, [at, at + timedelta(seconds=1)])
    except psycopg.errors.CheckViolation:
        await target.write(at)
        assert await target.one("SELECT count(*) FROM trace_index WHERE timestamp = %s", at) == 1
        return "on demand"
    return "by the insert"
