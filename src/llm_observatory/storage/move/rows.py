"""Rows from the partitions that stand aside into the hypertable: a partition a transaction, counted and summed on both sides.

What is moved is gone from the old place in the same transaction, so that a row is always in exactly one of them and an
interrupted move goes on where it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from psycopg import sql

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.partitions import Partition, Range, existing, gaps, moment, time_us
from llm_observatory.storage.names import aside
from llm_observatory.storage.rollups import that_are_tables
from llm_observatory.storage.statements import statement

STEP_BLOCKS = 8192
"""A partition is copied in parts of this size (64 MiB), so that progress is seen. By where rows lie, not by time: each part
reads its blocks and no other, on tables without an index that begins with the time as well."""

_CHUNKS = """
SELECT chunk_schema, chunk_name, range_start, range_end FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %s ORDER BY range_start
"""


class Sums(NamedTuple):
    """What is compared: rows, and the sum of the hashes of their text, which does not depend on their order."""

    rows: int
    checksum: int

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.rows - other.rows, self.checksum - other.checksum)


class MoveFailed(StorageError):
    """Rows in the new place are not those of the old. Nothing of the partition was moved."""


async def waiting(connection: AsyncConnection, table: str) -> list[Partition]:
    """The partitions of `table` that are still aside, by time."""
    cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", [aside(table)])
    if await cursor.fetchone() != (True,):
        return []
    return await existing(connection, aside(table))


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
    await _make_chunks(connection, table, time_column, partition)
    async with _repeatable_read(connection):
        old = await _sums(connection, _name(partition))
        within = _within(time_column, partition.lower, partition.upper)
        before = await _sums(connection, sql.Identifier(table), within)
        copied = 0
        for step in await _steps(connection, table, partition):
            copied += (await connection.execute(step)).rowcount
            yield copied
        new = await _sums(connection, sql.Identifier(table), within) - before
        if new != old:
            message = f"{partition.name}: {new} in {table}, expected {old}; the partition was left where it was"
            raise MoveFailed(message)
        # Of continuous aggregates TimescaleDB notices by itself.
        for signal in {rollup.signal for rollup in await that_are_tables(connection) if rollup.source == table}:
            queue = statement("queue_rollup_hours").format(signal=signal, source=_name(partition).as_string())
            await connection.execute(queue.encode(), {"oldest": moment(partition.lower)})
        await connection.execute(sql.SQL("DROP TABLE {}").format(_name(partition)))


async def _make_chunks(connection: AsyncConnection, table: str, time_column: str, partition: Partition) -> None:
    """Have the chunks before the long transaction: who makes one keeps all others from making any until COMMIT."""
    spans = gaps(await _chunks(connection, table), Range(partition.lower, partition.upper))
    while spans:
        span = spans.pop()
        if await _make_chunk(connection, table, partition, _within(time_column, *span)):
            spans += gaps(await _chunks(connection, table), span)


async def _make_chunk(connection: AsyncConnection, table: str, partition: Partition, within: sql.Composed) -> bool:
    """Have the chunk of some row that lies there, by storing it and taking it away again. False where none lies."""
    async with connection.transaction():
        cursor = await connection.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {} LIMIT 1 RETURNING tableoid::regclass::text, ctid::text").format(
                sql.Identifier(table), _name(partition), within
            )
        )
        row = await cursor.fetchone()
        if row is not None:
            await connection.execute(f"DELETE FROM {row[0]} WHERE ctid = %s::tid".encode(), [row[1]])
    return row is not None


async def _chunks(connection: AsyncConnection, table: str) -> list[Partition]:
    """The chunks of `table`, which are what partitions are."""
    rows = await (await connection.execute(_CHUNKS, [table])).fetchall()
    return [
        Partition(schema, name, detaching=False, lower=time_us(lower), upper=time_us(upper))
        for schema, name, lower, upper in rows
    ]


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


async def _steps(connection: AsyncConnection, table: str, partition: Partition) -> list[sql.Composed]:
    """An INSERT for each part of `partition`."""
    cursor = await connection.execute(
        "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int8", [_name(partition).as_string()]
    )
    row = await cursor.fetchone()
    return [
        sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE ctid >= {} AND ctid < {}").format(
            sql.Identifier(table), _name(partition), f"({begin},0)", f"({begin + STEP_BLOCKS},0)"
        )
        for begin in range(0, row[0] if row else 0, STEP_BLOCKS)
    ]


def _name(partition: Partition) -> sql.Identifier:
    return sql.Identifier(partition.schema, partition.name)


@asynccontextmanager
async def _repeatable_read(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction with one snapshot and no time limit; a copy of a large partition takes minutes."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SET LOCAL statement_timeout = 0")
        yield
