"""Rows from the partitions that stand aside into the hypertable: a partition a transaction, counted and summed on both sides.

What is moved is gone from the old place in the same transaction, so that a row is always in exactly one of them and an
interrupted move goes on where it was. The newest partitions come first: they are what is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

from psycopg import sql

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.partitions import Partition, existing, moment
from llm_observatory.storage.names import aside
from llm_observatory.storage.statements import statement
from llm_observatory.tables import ROLLUPS

STEP = timedelta(hours=1)
"""Of progress: a partition is copied in parts of this length."""


class Sums(NamedTuple):
    """What is compared: rows, and the sum of the hashes of their text, which does not depend on their order."""

    rows: int
    checksum: int

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.rows - other.rows, self.checksum - other.checksum)


class MoveFailed(StorageError):
    """Rows in the new place are not those of the old. Nothing of the partition was moved."""


async def waiting(connection: AsyncConnection, table: str) -> list[Partition]:
    """The partitions of `table` that are still aside, the newest first."""
    cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", [aside(table)])
    if await cursor.fetchone() != (True,):
        return []
    return sorted(await existing(connection, aside(table)), key=lambda partition: -partition.lower)


async def size(connection: AsyncConnection, partition: Partition) -> int:
    """Its bytes, for an estimate of what is left."""
    cursor = await connection.execute("SELECT pg_total_relation_size(%s::regclass)", [_name(partition).as_string()])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def move(connection: AsyncConnection, table: str, time_column: str, partition: Partition) -> AsyncIterator[int]:
    """Move one partition; yields the rows copied so far after each step, and ends when all is committed.

    Raises MoveFailed when counts or checksums differ. In one snapshot: what others write into the same time meanwhile does not
    show in the sums.
    """
    await _make_chunk(connection, table, partition)
    async with _repeatable_read(connection):
        old = await _sums(connection, _name(partition))
        within = _within(time_column, partition.lower, partition.upper)
        before = await _sums(connection, sql.Identifier(table), within)
        copied = 0
        for lower, upper in _steps(partition):
            cursor = await connection.execute(
                sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {}").format(
                    sql.Identifier(table), _name(partition), _within(time_column, lower, upper)
                )
            )
            copied += cursor.rowcount
            yield copied
        new = await _sums(connection, sql.Identifier(table), within) - before
        if new != old:
            message = f"{partition.name}: {new} in {table}, expected {old}; the partition was left where it was"
            raise MoveFailed(message)
        for rollup in ROLLUPS:
            if rollup.source == table:
                # Where they are continuous aggregates, TimescaleDB notices by itself, and the queue is emptied at the end.
                await connection.execute(
                    sql.SQL(statement("queue_rollup_hours").format(signal=rollup.signal, source="{}")).format(_name(partition)),
                    {"oldest": moment(partition.lower)},
                )
        await connection.execute(sql.SQL("DROP TABLE {}").format(_name(partition)))


async def _make_chunk(connection: AsyncConnection, table: str, partition: Partition) -> None:
    """Have the chunk before the long transaction: who makes one keeps all others from making any until COMMIT."""
    async with connection.transaction():
        cursor = await connection.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM {} LIMIT 1 RETURNING tableoid::regclass::text, ctid::text").format(
                sql.Identifier(table), _name(partition)
            )
        )
        row = await cursor.fetchone()
        if row is not None:
            await connection.execute(f"DELETE FROM {row[0]} WHERE ctid = %s::tid".encode(), [row[1]])


async def _sums(connection: AsyncConnection, relation: sql.Composable, where: sql.Composable | None = None) -> Sums:
    cursor = await connection.execute(
        sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {} t WHERE {}").format(
            relation, where or sql.SQL("true")
        )
    )
    row = await cursor.fetchone()
    return Sums(int(row[0]), int(row[1])) if row else Sums(0, 0)


def _within(column: str, lower: int, upper: int) -> sql.Composed:
    return sql.SQL("{column} >= {lower} AND {column} < {upper}").format(
        column=sql.Identifier(column), lower=moment(lower), upper=moment(upper)
    )


def _steps(partition: Partition) -> list[tuple[int, int]]:
    length = STEP // timedelta(microseconds=1)
    starts = range(partition.lower, partition.upper, length)
    return [(start, min(start + length, partition.upper)) for start in starts]


def _name(partition: Partition) -> sql.Identifier:
    return sql.Identifier(partition.schema, partition.name)


@asynccontextmanager
async def _repeatable_read(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction with one snapshot and no time limit; a copy of a large partition takes minutes."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SET LOCAL statement_timeout = 0")
        yield
