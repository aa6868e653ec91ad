"""CopyWriter: a group of requests, one transaction: settings, ledger, rows by COPY, COMMIT.

TraceWriter, MetricWriter and LogWriter are instances: nothing here depends on the signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg
import psycopg.errors

from llm_observatory.codec.request import EncodedTable
from llm_observatory.storage import dimensions, ledger, log_feed, script
from llm_observatory.storage.binary import copy_statement, insert, split_rows
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.direct_compress import DirectCompress, pays
from llm_observatory.storage.script import Step
from llm_observatory.storage.transaction import BEGIN, COMMIT, committed, rollback
from llm_observatory.storage.translate import translated
from llm_observatory.storage.write import Outcome, Stored, WriteRequest
from llm_observatory.tables import TABLES, Table

INSERT_MAX_BYTES = 64 * 1024
"""More than this goes by COPY whatever its fields: libpq holds a statement's parameters whole, a span may have 60 MiB."""


class ConnectionWriter(Protocol):
    """What writes a group on a connection it is lent: CopyWriter, and whatever wraps it."""

    def method(self, group: Sequence[WriteRequest]) -> str:
        """`copy` or `insert`: how the rows of `group` would be sent."""
        ...

    async def write(self, connection: AsyncConnection, group: Sequence[WriteRequest]) -> list[Outcome]:
        """Write `group` in one transaction; the guarantees are those of `pipeline.commit.Store`."""
        ...

    async def dry_run(self, connection: AsyncConnection, request: WriteRequest) -> None:
        """Send the rows of `request` and roll back."""
        ...


@dataclass(frozen=True, slots=True)
class CopyWriter:
    """Writes groups on one connection that it is lent.

    Two messages, two waits for the server: BEGIN, settings and digests in one, then every COPY and COMMIT in another. A group
    of which no table has more than `insert_max_fields` fields goes by INSERT, one a table.
    """

    insert_max_fields: int
    compressed_chunk_us: Callable[[], int | None] = lambda: None
    """Asked for every transaction, see Engine."""

    def method(self, group: Sequence[WriteRequest]) -> str:
        """How the rows of `group` are sent: `insert` when they are few in every table, else `copy`."""
        inserts = self.insert_max_fields > 0 and all(self._is_little(table, parts) for table, parts in _by_table(group))
        return "insert" if inserts else "copy"

    async def write(self, connection: AsyncConnection, group: Sequence[WriteRequest]) -> list[Outcome]:
        """Write `group` in one transaction; the guarantees are those of `pipeline.commit.Store`."""
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
                await self._send(connection, [request])
            finally:
                await rollback(connection)

    async def _write(self, connection: AsyncConnection, group: Sequence[WriteRequest], claim: ledger.Claim) -> list[Outcome]:
        try:
            try:
                outcomes = await claim(connection, group, BEGIN)
            except psycopg.errors.LockNotAvailable as error:
                raise DigestHeld from error
            claimed = _claimed(group, outcomes)
            committed(await self._send(connection, claimed, *log_feed.announcement(connection, claimed), COMMIT))
        finally:
            await rollback(connection)
        return outcomes

    async def _send(self, connection: AsyncConnection, requests: Sequence[WriteRequest], *then: Step) -> str:
        """Send the rows of `requests` in the order of `tables/`, run what comes `then`; returns the last command tag."""
        if self.method(requests) == "insert":
            for table, parts in _by_table(requests):
                await insert(connection, table, list(split_rows(_chunks(parts), len(table.columns))))
            return await script.run(connection, then) if then else ""
        return await script.run(connection, [*self._copies(requests), *then])

    def _copies(self, requests: Sequence[WriteRequest]) -> Iterator[Step]:
        chunk_us = self.compressed_chunk_us()
        direct_compress = DirectCompress(sum(request.encoded.size for request in requests))
        for table, parts in _by_table(requests):
            if chunk_us is not None and table.partitioned:
                yield from direct_compress.set(on=pays(table, sum(part.rows for part in parts), requests, chunk_us))
            yield Step(copy_statement(table), _chunks(parts))

    def _is_little(self, table: Table, parts: Sequence[EncodedTable]) -> bool:
        fields = sum(part.rows for part in parts) * len(table.columns)
        return fields <= self.insert_max_fields and sum(part.size for part in parts) <= INSERT_MAX_BYTES


class DigestHeld(psycopg.errors.LockNotAvailable):
    """Another transaction holds a digest of the group for longer than lock_timeout; a lock on a table is no such thing."""


def _by_table(requests: Sequence[WriteRequest]) -> list[tuple[Table, list[EncodedTable]]]:
    """What there is to write, in the order of `tables/`."""
    parts: dict[str, list[EncodedTable]] = {}
    for request in requests:
        for part in request.encoded.tables:
            parts.setdefault(part.name, []).append(part)
    return [(table, parts[table.name]) for table in TABLES if table.name in parts]


def _chunks(parts: Sequence[EncodedTable]) -> list[bytes]:
    return [chunk for part in parts for chunk in part.chunks]


def _claimed(group: Sequence[WriteRequest], outcomes: Sequence[Outcome]) -> list[WriteRequest]:
    """The requests whose rows are to be written now."""
    pairs = zip(group, outcomes, strict=True)
    return [request for request, outcome in pairs if isinstance(outcome, Stored) and not outcome.duplicate]
