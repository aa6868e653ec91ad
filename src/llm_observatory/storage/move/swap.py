"""A hypertable in the place of a partitioned table: its name, indexes, comments, grants, and the views over it.

Two short transactions, between which nothing has the name. With one, a COPY that waits for the lock goes on with a name that
means a hypertable by then, and TimescaleDB, which looked before the wait, lets it write into the root of the hypertable, where
no query ever looks: one acknowledged request of each table was lost. So whoever waits is turned away (42P01, clients come
again), and the name comes back when nobody waits any more. The old table stays, as `NAME_partitions`, until its rows are moved.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import psycopg
from psycopg import sql

from llm_observatory.errors import StorageUnavailable
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.grants import grants_on, run_grants
from llm_observatory.storage.names import aside
from llm_observatory.tables import BY_NAME

LOCK_TIMEOUT = "200ms"
ATTEMPTS = 100
"""Everybody who comes while the lock is waited for waits behind it: shortly, and often."""

_KINDS = """
SELECT relname, relkind FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY(%s)
"""

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


async def swap_table(
    connection: AsyncConnection, table: str, chunk_interval: timedelta, progress: Callable[[str], None]
) -> None:
    """Have `table` be a hypertable of such chunks. Goes on where an earlier call was interrupted; what is one stays as it is.

    Raises StorageUnavailable when it is always in use; then it is what it was, or a hypertable whose views are still to follow.
    """
    if (await _kinds(connection, table)).get(table) == "p":
        await _patiently(connection, table, _put_aside, progress)
    if table not in await _kinds(connection, table):
        try:
            await _patiently(connection, table, partial(_put_in_place, chunk_interval=chunk_interval), progress)
        except BaseException:
            await _patiently(connection, table, _put_back, progress)
            raise
        progress(f"{table} is a hypertable now, its partitions stand aside")
    if aside(table) in await _kinds(connection, table):
        await _patiently(connection, table, _redefine_views, progress)


async def rehearse(connection: AsyncConnection, table: str, chunk_interval: timedelta) -> None:
    """Do all of it in one transaction that is rolled back: what cannot be done shows before anything is changed.

    Raises psycopg.Error; LockNotAvailable only says that the table is in use now.
    """
    if (await _kinds(connection, table)).get(table) != "p":
        return
    async with connection.transaction(force_rollback=True):
        await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        for step in (_put_aside, partial(_put_in_place, chunk_interval=chunk_interval), _redefine_views):
            await step(connection, table)


async def _kinds(connection: AsyncConnection, table: str) -> dict[str, str]:
    return dict(await (await connection.execute(_KINDS, [[table, aside(table)]])).fetchall())


async def _patiently(
    connection: AsyncConnection,
    table: str,
    step: Callable[[AsyncConnection, str], Awaitable[None]],
    progress: Callable[[str], None],
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                await step(connection, table)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt % 10 == 0:
                progress(f"{table} is in use, trying again ({attempt} of {ATTEMPTS})")
        else:
            return
    message = f"{table} is always in use: end long readers (pg_stat_activity), then run this again"
    raise StorageUnavailable(message)


async def _put_aside(connection: AsyncConnection, table: str) -> None:
    await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
    for name, _ in await (await connection.execute(_INDEXES, [table])).fetchall():
        await _rename(connection, "INDEX", name)
    await _rename(connection, "TABLE", table)


async def _put_in_place(connection: AsyncConnection, table: str, chunk_interval: timedelta) -> None:
    """All of it is told by what stands aside."""
    old = aside(table)
    # After every COPY that waited for the old table by its name; readers through views may go on reading it.
    await connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(old)))
    await connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)").format(sql.Identifier(table), sql.Identifier(old))
    )
    time = next(column.name for column in BY_NAME[table].columns if column.role == "time")
    await connection.execute(
        "SELECT create_hypertable(%s, by_range(%s, %s), create_default_indexes => false)", [table, time, chunk_interval]
    )
    for name, definition in await (await connection.execute(_INDEXES, [old])).fetchall():
        # Of a partitioned table it says ON ONLY, which a hypertable does not know.
        renamed = _renamed(definition, name).replace(" ON ONLY ", " ON ", 1)
        await connection.execute(_renamed(renamed, old).encode())
    await run_grants(connection, await grants_on(connection, old, table))
    comment = await (await connection.execute(_COMMENT, [old])).fetchone()
    if comment and comment[0]:
        await connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(table), comment[0]))


async def _put_back(connection: AsyncConnection, table: str) -> None:
    """What stands aside gets its name again: without it nothing could be stored."""
    old = aside(table)
    for name, _ in await (await connection.execute(_INDEXES, [old])).fetchall():
        await connection.execute(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(name.removesuffix(aside(""))))
        )
    await connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(table)))


async def _redefine_views(connection: AsyncConnection, table: str) -> None:
    """Until then they show what stands aside. Whoever reads through one keeps it for as long."""
    old = aside(table)
    for view, definition in await (await connection.execute(_VIEWS, [old])).fetchall():
        await connection.execute(f"CREATE OR REPLACE VIEW {view} AS {_renamed(definition, old)}".encode())


def _renamed(definition: str, old: str) -> str:
    """`definition` with the name that stands aside put back to what it was."""
    return re.sub(rf"\b{re.escape(old)}\b", old.removesuffix(aside("")), definition)


async def _rename(connection: AsyncConnection, kind: str, name: str) -> None:
    await connection.execute(
        sql.SQL("ALTER {} {} RENAME TO {}").format(sql.SQL(kind), sql.Identifier(name), sql.Identifier(aside(name)))
    )
