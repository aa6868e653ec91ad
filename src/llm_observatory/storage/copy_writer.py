"""CopyWriter: a group of requests, one transaction: settings, ledger, rows by COPY, COMMIT.

TraceWriter, MetricWriter and LogWriter are instances: nothing here depends on the signal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg
import psycopg.errors

from llm_observatory.codec.request import EncodedTable
from llm_observatory.storage import dimensions, ledger, log_feed
from llm_observatory.storage.binary import copy_blocks, copy_statement, insert, split_rows
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.direct_compress import DirectCompress, pays
from llm_observatory.storage.transaction import BEGIN, rollback, transaction
from llm_observatory.storage.translate import translated
from llm_observatory.storage.write import Outcome, Stored, WriteRequest
from llm_observatory.tables import TABLES, Table

INSERT_MAX_BYTES = 64 * 1024
"""More than this goes by COPY whatever its fields: libpq holds a statement's parameters whole, a span may have 60 MiB."""


class ConnectionWriter(Protocol):
    """What writes a group on a connection it is lent: CopyWriter, and whatever wraps it."""

    def method(self, group: Sequence[WriteRequest]) -> str:
        """`copy` or `insert`: how the records of `group` would be sent."""
        ...

    async def write(self, connection: AsyncConnection, group: Sequence[WriteRequest]) -> list[Outcome]:
        """Write `group` in one transaction; the guarantees are those of `storage.write.Writer`."""
        ...

    async def dry_run(self, connection: AsyncConnection, request: WriteRequest) -> None:
        """Send the rows of `request` and roll back."""
        ...


@dataclass(frozen=True, slots=True)
class CopyWriter:
    """Writes groups on one connection that it is lent.

    Up to `insert_max_fields` fields of a table go as one INSERT: one round trip instead of two, but a parameter costs
    more than a field of a COPY row. Measured against COPY, whole transactions: one span 0.91-1.0 x the time, ten spans
    with their side tables by INSERT 0.95 x, ten spans all by INSERT 1.37 x, a hundred 3.0 x.
    """

    insert_max_fields: int
    compressed_chunk_us: Callable[[], int | None] = lambda: None
    """Asked for every transaction, see Engine."""

    def method(self, group: Sequence[WriteRequest]) -> str:
        """How the facts of `group` are sent: `insert` when all of them are few, else `copy`."""
        facts = [table for table in TABLES if table.kind == "fact"]
        few = all(self._is_little(table, _parts(group, table)) for table in facts)
        return "insert" if few else "copy"

    async def write(self, connection: AsyncConnection, group: Sequence[WriteRequest]) -> list[Outcome]:
        """Write `group` in one transaction; the guarantees are those of `storage.write.Writer`."""
        with translated():
            try:
                return await self._write(connection, group, ledger.claim)
            except DigestHeld:
                return await self._write(connection, group, ledger.claim_one_by_one)

    async def dry_run(self, connection: AsyncConnection, request: WriteRequest) -> None:
        """Send all that `write` sends for `request`, its dimensions included, in a transaction that is rolled back."""
        with translated():
            try:
                await connection.execute(BEGIN)
                await dimensions.insert_all(connection, request.encoded.dimensions)
                await ledger.claim(connection, [request])
                await self._send_all(connection, [request])
            finally:
                await rollback(connection)

    async def _write(self, connection: AsyncConnection, group: Sequence[WriteRequest], claim: ledger.Claim) -> list[Outcome]:
        async with transaction(connection):
            try:
                outcomes = await claim(connection, group)
            except psycopg.errors.LockNotAvailable as error:
                raise DigestHeld from error
            claimed = _claimed(group, outcomes)
            await self._send_all(connection, claimed)
            await log_feed.announce(connection, claimed)
        return outcomes

    async def _send_all(self, connection: AsyncConnection, requests: Sequence[WriteRequest]) -> None:
        chunk_us, direct_compress = self.compressed_chunk_us(), DirectCompress(connection)
        for table in TABLES:
            parts = _parts(requests, table)
            if not parts:
                continue
            if chunk_us is not None and table.partitioned:
                await direct_compress.set(on=pays(table, sum(part.rows for part in parts), requests, chunk_us))
            await self._send(connection, table, parts)

    def _is_little(self, table: Table, parts: Sequence[EncodedTable]) -> bool:
        fields = sum(part.rows for part in parts) * len(table.columns)
        return fields <= self.insert_max_fields and sum(part.size for part in parts) <= INSERT_MAX_BYTES

    async def _send(self, connection: AsyncConnection, table: Table, parts: Sequence[EncodedTable]) -> None:
        chunks = [chunk for part in parts for chunk in part.chunks]
        if self._is_little(table, parts):
            await insert(connection, table, list(split_rows(chunks, len(table.columns))))
            return
        async with connection.cursor() as cursor, cursor.copy(copy_statement(table)) as copy:
            for block in copy_blocks(chunks):
                await copy.write(block)


class DigestHeld(psycopg.errors.LockNotAvailable):
    """Another transaction holds a digest of the group for longer than lock_timeout; a lock on a table is no such thing."""


def _parts(requests: Sequence[WriteRequest], table: Table) -> list[EncodedTable]:
    return [part for request in requests for part in request.encoded.tables if part.name == table.name]


def _claimed(group: Sequence[WriteRequest], outcomes: Sequence[Outcome]) -> list[WriteRequest]:
    """The requests whose rows are to be written now."""
    pairs = zip(group, outcomes, strict=True)
    return [request for request, outcome in pairs if isinstance(outcome, Stored) and not outcome.duplicate]
