"""Reading for queries: statements on a connection of the read pool, ended in the database when nobody waits any more.

A statement has no time limit of its own: who asks puts it under `asyncio.timeout`. Where the task is cancelled, psycopg cancels
the statement in the database before it lets go of the connection.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Protocol

from psycopg.pq.abc import PGresult

from llm_observatory.codec.rows import Fields
from llm_observatory.storage.compose import SQL, Identifier, Statement
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.pace import paced
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.translate import translated

ROWS_AT_ONCE = 500
"""Made Python values in 2 to 5 ms, in which the event loop does nothing else."""

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

    def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncGenerator[list[Fields], None]:
        """As `fields`, at most so many rows at a time; a connection is held while the caller iterates."""
        ...

    def on_one_connection(self) -> AbstractAsyncContextManager[Reader]:
        """A reader of one transaction: streams and statements by turns, without a second connection."""
        ...


class PoolReader:
    """Reads from the pool that `pool` gives; StorageUnavailable while it gives none."""

    def __init__(self, pool: PoolSource) -> None:
        self._pool = pool

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        """See Reader."""
        async with self._connection() as connection:
            return await _OneConnection(connection).rows(statement, parameters)

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        """See Reader."""
        async with self._connection() as connection:
            return await _OneConnection(connection).fields(statement, parameters)

    async def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncGenerator[list[Fields], None]:
        """See Reader."""
        async with self.on_one_connection() as reader, aclosing(reader.stream(statement, parameters, rows)) as stream:
            async for found in stream:
                yield found

    @asynccontextmanager
    async def on_one_connection(self) -> AsyncIterator[Reader]:
        """See Reader."""
        async with self._connection() as connection, connection.transaction():
            yield _OneConnection(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        async with self._pool().connection() as connection:
            with translated():
                yield connection


class _OneConnection:
    """A Reader on a connection; streams are for transactions."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._cursors = 0

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(statement, parameters, binary=True)
        found: list[tuple[Any, ...]] = []
        async for _ in paced(range(0, cursor.rowcount, ROWS_AT_ONCE)):
            found += await cursor.fetchmany(ROWS_AT_ONCE)
        return found

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        cursor = await self._connection.execute(statement, parameters, binary=True)
        return _fields(cursor.pgresult)

    async def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncGenerator[list[Fields], None]:
        # Not a server-side cursor of psycopg: it makes Python values of every row, which nobody asks for.
        self._cursors += 1
        name = Identifier(f"rows_{self._cursors}")
        declare = SQL("DECLARE {} NO SCROLL CURSOR FOR {}").format(name, statement)
        await self._connection.execute(declare, parameters)
        fetch = SQL("FETCH {} FROM {}").format(SQL(f"{rows:d}"), name)
        while True:
            cursor = await self._connection.execute(fetch, binary=True)
            found = _fields(cursor.pgresult)
            if found:
                yield found
            if len(found) < rows:
                return

    @asynccontextmanager
    async def on_one_connection(self) -> AsyncIterator[Reader]:
        yield self


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
