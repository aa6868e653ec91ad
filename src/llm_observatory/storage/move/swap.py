"""A hypertable in the place of a partitioned table: its name, indexes, comments, grants, and the views over it.

One short transaction. The old table stays, as `NAME_partitions`, until its rows have been moved; who writes meanwhile writes
into the hypertable.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql

from llm_observatory.errors import StorageUnavailable
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.grants import grant_again, grants_on
from llm_observatory.storage.move.rows import aside
from llm_observatory.tables import BY_NAME

LOCK_TIMEOUT = "200ms"
ATTEMPTS = 100
"""Everybody who comes while the lock is waited for waits behind it: shortly, and often."""

_IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"

_INDEXES = """
SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s::regclass ORDER BY 1
"""

_VIEWS = """
SELECT DISTINCT v.oid::regclass::text, pg_get_viewdef(v.oid)
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = %s::regclass AND d.deptype = 'n' AND v.relkind = 'v'
"""
"""Every view that reads the table itself, ours and others': a view follows a renamed table, so it is defined anew."""

_COMMENT = "SELECT obj_description(to_regclass(%s), 'pg_class')"


async def swap_table(connection: AsyncConnection, table: str, progress: Callable[[str], None]) -> None:
    """Have `table` be a hypertable. Nothing to do where it is one. Raises StorageUnavailable when it is always in use."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                if await (await connection.execute(_IS_PARTITIONED, [table])).fetchone() == (True,):
                    await _swap(connection, table)
                    progress(f"{table} is a hypertable now, its partitions stand aside")
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt % 10 == 0:
                progress(f"{table} is in use, trying again ({attempt} of {ATTEMPTS})")
        else:
            return
    message = f"{table} is always in use: end long readers (pg_stat_activity), then run this again"
    raise StorageUnavailable(message)


async def _swap(connection: AsyncConnection, table: str) -> None:
    await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
    indexes = await (await connection.execute(_INDEXES, [table])).fetchall()
    views = await (await connection.execute(_VIEWS, [table])).fetchall()
    grants = await grants_on(connection, table)
    comment = await (await connection.execute(_COMMENT, [table])).fetchone()
    for name, _ in indexes:
        await _rename(connection, "INDEX", name)
    await _rename(connection, "TABLE", table)
    await connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)").format(
            sql.Identifier(table), sql.Identifier(aside(table))
        )
    )
    time = next(column.name for column in BY_NAME[table].columns if column.role == "time")
    await connection.execute(
        "SELECT create_hypertable(%s, by_range(%s, INTERVAL '1 day'), create_default_indexes => false)", [table, time]
    )
    for _, definition in indexes:
        # Of a partitioned table it says ON ONLY, which a hypertable does not know.
        await connection.execute(definition.replace(" ON ONLY ", " ON ", 1))
    for view, definition in views:
        await connection.execute(f"CREATE OR REPLACE VIEW {view} AS {definition}".encode())
    await grant_again(connection, grants)
    if comment and comment[0]:
        await connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(table), comment[0]))


async def _rename(connection: AsyncConnection, kind: str, name: str) -> None:
    await connection.execute(
        sql.SQL("ALTER {} {} RENAME TO {}").format(sql.SQL(kind), sql.Identifier(name), sql.Identifier(aside(name)))
    )
