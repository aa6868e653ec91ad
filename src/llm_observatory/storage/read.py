"""Reading for queries: statements on a connection of the read pool, ended in the database when nobody waits any more.

A statement has no time limit of its own: who asks puts it under `asyncio.timeout`. Where the task is cancelled, psycopg cancels
the statement in the database before it lets go of the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from psycopg.pq.abc import PGresult

from llm_observatory.codec.rows import Fields
from llm_observatory.storage.compose import Statement
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.translate import translated

Parameters = Mapping[str, object]
"""By name, as `%(name)s` stands in the statement."""


class Reader(Protocol):
    """What repositories read with. Every method raises StorageError."""

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        """All rows, as Python values."""
        ...

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        """All rows, each field in PostgreSQL's binary format: what `codec.decode` takes."""
        ...

    def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncIterator[list[Fields]]:
        """As `fields`, at most so many rows at a time; a connection is held while the caller iterates."""
        ...


class PoolReader:
    """Reads from the pool that `pool` gives; StorageUnavailable while it gives none."""

    def __init__(self, pool: PoolSource) -> None:
        self._pool = pool

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        """See Reader."""
        async with self._connection() as connection:
            cursor = await connection.execute(statement, parameters, binary=True)
            return await cursor.fetchall()

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        """See Reader."""
        async with self._connection() as connection:
            cursor = await connection.execute(statement, parameters, binary=True)
            return _fields(cursor.pgresult)

    async def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncIterator[list[Fields]]:
        """See Reader."""
        async with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor("rows", binary=True) as cursor,
        ):
            await cursor.execute(statement, parameters)
            while True:
                await cursor.fetchmany(rows)
                found = _fields(cursor.pgresult)
                if found:
                    yield found
                if len(found) < rows:
                    return

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        async with self._pool().connection() as connection:
            with translated():
                yield connection


class PoolSource(Protocol):
    """Gives the read pool as it is now. Raises StorageUnavailable while there is none."""

    def __call__(self) -> ReadPool:
        """See the class."""
        ...


def _fields(result: PGresult | None) -> list[Fields]:
    if result is None:
        return []
    columns = range(result.nfields)
    return [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]
