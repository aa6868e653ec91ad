"""A committer's own connection: opened when needed, severed at a deadline, never used by queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import MissingPartition
from llm_observatory.storage import dead_letters, dimensions
from llm_observatory.storage.connection import AsyncConnection, Connect
from llm_observatory.storage.copy_writer import ConnectionWriter
from llm_observatory.storage.deadline import deadline
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.translate import translated
from llm_observatory.storage.write import Outcome, Stored, WriteRequest

DEADLINE_SECONDS = 20.0
"""From taking the connection to COMMIT. The server's own statement_timeout (15 s) comes first wherever it still answers;
this one is for a server that is frozen or cut off."""

_DAY_US = 86_400_000_000


class CommitSession:
    """The `pipeline.commit.Store` of one committer, over one connection of its own."""

    def __init__(
        self,
        connect: Connect,
        writer: ConnectionWriter,
        engine: CurrentEngine,
        known: dimensions.KnownDimensions,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._connect = connect
        self._writer = writer
        self._engine = engine
        self._known = known
        self._deadline_seconds = deadline_seconds
        self._connection: AsyncConnection | None = None

    async def write(self, group: Sequence[WriteRequest]) -> list[Outcome]:
        """Partitions, then dimensions, then the group in one transaction."""
        await self._ensure_partitions(group)
        connection = await self._ready()
        with deadline(connection, self._deadline_seconds), self._partitions_remembered():
            await self._store_dimensions(connection, group)
            return await self._writer.write(connection, group)

    async def dry_run(self, request: WriteRequest) -> None:
        """Send the rows of `request` and roll back. Raises as `write` does: tells whether good rows can be stored at all."""
        await self._ensure_partitions([request])
        connection = await self._ready()
        with deadline(connection, self._deadline_seconds), self._partitions_remembered():
            await self._writer.dry_run(connection, request)

    async def bury(self, request: WriteRequest, payload: bytes, error: str) -> Stored:
        """Keep a refused request in `dead_letters`, with its answer in the ledger."""
        connection = await self._ready()
        with deadline(connection, self._deadline_seconds):
            return await dead_letters.bury(connection, request, payload, error)

    async def close(self) -> None:
        """Close the connection; the session may be used again and then connects anew."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _ready(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = None
            connection = await self._connect()
            # What we believe to be stored may have gone with a failover or a restore.
            self._known.clear()
            self._connection = connection
        return self._connection

    async def _ensure_partitions(self, group: Sequence[WriteRequest]) -> None:
        """Of the tables that each request writes and no others: those may be locked."""
        wanted: dict[tuple[str, ...], set[int]] = {}
        for request in group:
            encoded = request.encoded
            wanted.setdefault(tuple(table.name for table in encoded.tables), set()).update(encoded.hours)
        for tables, hours in wanted.items():
            await self._engine.ensure_partitions(hours, tables)

    @contextmanager
    def _partitions_remembered(self) -> Iterator[None]:
        """A missing partition shows that what the engine remembers is no longer so: another process dropped it."""
        try:
            yield
        except MissingPartition:
            self._engine.forget_partitions()
            raise

    async def _store_dimensions(self, connection: AsyncConnection, group: Sequence[WriteRequest]) -> None:
        generation = self._known.generation
        by_day: dict[int, list[EncodedRequest]] = {}
        for request in group:
            by_day.setdefault(request.received_at // _DAY_US, []).append(request.encoded)
        for day, requests in sorted(by_day.items()):
            for table, rows in self._known.missing(requests, day).items():
                with translated():
                    await dimensions.upsert(connection, table, rows)
                self._known.add(table, rows, day, generation)
