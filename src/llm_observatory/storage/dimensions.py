"""Dimensions (who sent it, what a data point is a value of) are upserted before the facts that name them, apart from them.

An orphan is harmless, a missing one is not; and two open transactions that insert the same new row would block each other:
so they are stored in short transactions of their own. What this process knows to be there today is remembered, and
forgotten whenever a connection is made anew: the database behind it may have been restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.storage.binary import insert
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.statements import statement
from llm_observatory.storage.transaction import transaction
from llm_observatory.tables import TABLES

DIMENSIONS = tuple(table for table in TABLES if table.kind == "dimension")

KNOWN_IDS_MAX = 100_000
"""A table: 12 MB of ids. Beyond it the longest unused are forgotten and upserted again."""

_STATEMENT_MAX_ROWS, _STATEMENT_MAX_BYTES = 500, 1024 * 1024

Rows = Mapping[bytes, bytes]
"""Id → COPY row."""


class KnownDimensions:
    """Ids that are stored with today's `last_seen`, by table. Shared by all writers of the process.

    `generation` changes with every `clear`: what was sent before one may have gone to a database that is no more.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._day = 0
        self._known: dict[str, dict[bytes, None]] = {table.name: {} for table in DIMENSIONS}

    def clear(self) -> None:
        """Forget everything."""
        self.generation += 1
        self._day = 0
        for known in self._known.values():
            known.clear()

    def missing(self, requests: Iterable[EncodedRequest], day: int) -> dict[str, dict[bytes, bytes]]:
        """By table, the rows of `requests` not known to be stored on `day` (days since the Unix epoch) or later."""
        self._begin(day)
        rows: dict[str, dict[bytes, bytes]] = {}
        for request in requests:
            for table, named in request.dimensions.items():
                known = self._known[table]
                for key, row in named.items():
                    if key in known:
                        _touch(known, key)
                    else:
                        rows.setdefault(table, {})[key] = row
        return rows

    def add(self, table: str, ids: Iterable[bytes], day: int, generation: int) -> None:
        """Remember what was stored on `day`, unless everything was forgotten since `generation` was read."""
        self._begin(day)
        if generation != self.generation or day != self._day:
            return
        known = self._known[table]
        for key in ids:
            _touch(known, key)
        while len(known) > KNOWN_IDS_MAX:
            del known[next(iter(known))]

    def _begin(self, day: int) -> None:
        """Forget what is known of days before: every id is stored once a day."""
        if day > self._day:
            self._day = day
            for known in self._known.values():
                known.clear()


def _touch(known: dict[bytes, None], key: bytes) -> None:
    """Move to the end: the front is forgotten first."""
    known.pop(key, None)
    known[key] = None


async def upsert(connection: AsyncConnection, table: str, rows: Rows) -> None:
    """Store rows of one table, a statement's worth a transaction: their locks are held as briefly as can be."""
    for part in _statements(rows):
        async with transaction(connection):
            await _insert(connection, table, part)


async def insert_all(connection: AsyncConnection, dimensions: Mapping[str, Rows]) -> None:
    """Store the rows of all tables inside the open transaction."""
    for table in DIMENSIONS:
        for part in _statements(dimensions.get(table.name, {})):
            await _insert(connection, table.name, part)


async def _insert(connection: AsyncConnection, name: str, rows: list[bytes]) -> None:
    """One statement; an older `last_seen` is moved on."""
    [table] = (table for table in DIMENSIONS if table.name == name)
    await insert(connection, table, rows, statement(f"upsert_{name}"))


def _statements(rows: Rows) -> Iterator[list[bytes]]:
    """Rows by id, so that two writers cannot deadlock, in parts of bounded number and size."""
    part: list[bytes] = []
    size = 0
    for key in sorted(rows):
        part.append(rows[key])
        size += len(rows[key])
        if len(part) >= _STATEMENT_MAX_ROWS or size >= _STATEMENT_MAX_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
