"""Retention of partitions: mark, DETACH CONCURRENTLY, DROP, each step fit to be interrupted and taken up again.

Nobody waits for it: DETACH CONCURRENTLY blocks neither readers nor COPY, and what a long reader keeps busy is left for
the next round. Only tables that carry our mark are dropped: a partition that an operator detached to keep it stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import psycopg
import structlog
from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.partitions import Partition, existing
from llm_observatory.storage.engine.protocol import LOCK_TIMEOUT
from llm_observatory.storage.translate import translated

_log = structlog.get_logger(__name__)

_ATTEMPTS = 5
"""DETACH CONCURRENTLY waits for every transaction that uses the table, one after the other. While it waits no partition can be
attached, so it waits shortly (LOCK_TIMEOUT) and often."""

_MAX_BUSY = 3
"""So many busy partitions of a table, and the rest is left for the next round: mostly the table is in use as a whole."""

_MARK = "llm-observatory: expired, upper bound "
_BUSY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.ObjectNotInPrerequisiteState,  # another partition of the table is still being detached
)

_MARKED = """
SELECT n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE c.relkind = 'r' AND NOT c.relispartition
  AND n.oid = (SELECT relnamespace FROM pg_class WHERE oid = %(table)s::regclass)
  AND starts_with(c.relname, %(table)s || '_p') AND starts_with(d.description, %(mark)s)
  AND substr(d.description, length(%(mark)s) + 1)::int8 <= %(horizon)s
ORDER BY 2
"""


async def drop_before(connection: AsyncConnection, table: str, horizon_us: int) -> list[str]:
    """Drop the partitions of `table` that end at or before `horizon_us`. Returns the names of the dropped."""
    with translated():
        async with _lock_timeout(connection):
            await _detach_all(connection, table, await existing(connection, table), horizon_us)
            return await _drop_marked(connection, table, horizon_us)


async def _detach_all(connection: AsyncConnection, table: str, partitions: list[Partition], horizon_us: int) -> None:
    """What is half detached first: until it is through no other partition of the table can be detached."""
    expired = [partition for partition in partitions if partition.detaching or partition.upper <= horizon_us]
    busy: list[str] = []
    for partition in sorted(expired, key=lambda partition: not partition.detaching):
        if partition.detaching:
            detached = await _patiently(connection, partition, _alter(table, partition, "FINALIZE"))
        else:
            detached = await _detach(connection, table, partition)
        if not detached:
            busy.append(partition.name)
        if len(busy) == _MAX_BUSY:
            break
    if busy:
        _log.info("expired partitions are busy, dropped later", table=table, names=busy)


async def _detach(connection: AsyncConnection, table: str, partition: Partition) -> bool:
    """Whether it is detached."""
    if not await _patiently(connection, partition, _comment(partition, f"{_MARK}{partition.upper}")):
        return False
    if await _patiently(connection, partition, _alter(table, partition, "CONCURRENTLY"), attempts=1):
        return True
    # Interrupted, it either left the partition as it was (next round) or in between, from where FINALIZE leads on.
    if any(seen.name == partition.name and seen.detaching for seen in await existing(connection, table)):
        return await _patiently(connection, partition, _alter(table, partition, "FINALIZE"))
    # Attached it carries no mark: an operator may detach it to keep it before the next round.
    await _patiently(connection, partition, _comment(partition, None))
    return False


async def _drop_marked(connection: AsyncConnection, table: str, horizon_us: int) -> list[str]:
    cursor = await connection.execute(_MARKED, {"table": table, "mark": _MARK, "horizon": horizon_us})
    dropped: list[str] = []
    for schema, name in await cursor.fetchall():
        try:
            await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))
        except _BUSY as error:
            _log.info("expired partition is busy, dropped later", partition=name, reason=type(error).__name__)
        else:
            _log.debug("expired partition dropped", partition=name)
            dropped.append(name)
    if dropped:
        _log.info("expired partitions dropped", table=table, count=len(dropped), first=dropped[0], last=dropped[-1])
    return dropped


def _comment(partition: Partition, words: str | None) -> sql.Composed:
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(
        sql.Identifier(partition.schema, partition.name), sql.Literal(words) if words else sql.SQL("NULL")
    )


def _alter(table: str, partition: Partition, how: Literal["CONCURRENTLY", "FINALIZE"]) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}").format(
        sql.Identifier(table), sql.Identifier(partition.schema, partition.name), sql.SQL(how)
    )


async def _patiently(
    connection: AsyncConnection, partition: Partition, statement: sql.Composed, attempts: int = _ATTEMPTS
) -> bool:
    """Run `statement` until it gets its locks, at most `attempts` times. False when it did not."""
    for attempt in range(1, attempts + 1):
        try:
            await connection.execute(statement)
        except _BUSY as error:
            _log.debug("expired partition is busy", partition=partition.name, attempt=attempt, reason=type(error).__name__)
        else:
            return True
    return False


@asynccontextmanager
async def _lock_timeout(connection: AsyncConnection) -> AsyncIterator[None]:
    """Bound waits on this session; SET LOCAL needs a transaction, in which DETACH CONCURRENTLY cannot run."""
    cursor = await connection.execute("SELECT current_setting('lock_timeout')")
    row = await cursor.fetchone()
    before = row[0] if row else "0"
    await connection.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
    try:
        yield
    finally:
        if not connection.broken:
            await connection.execute("SELECT set_config('lock_timeout', %s, false)", [before])
