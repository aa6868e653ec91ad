"""Telemetry sources (resource, scope) are upserted before the facts that name them, in their own short transaction.

An orphan is harmless, a missing one is not; and two open transactions that insert the same new source would block each
other. What this process knows to be there today is remembered, and forgotten whenever a connection is made anew: the
database behind it may have been restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.storage.binary import insert
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.statements import statement
from llm_observatory.storage.transaction import transaction
from llm_observatory.tables import TELEMETRY_SOURCES

KNOWN_SOURCES_MAX = 100_000
"""About 10 MB of ids. Beyond it the longest unused are forgotten and upserted again."""

_STATEMENT_MAX_ROWS, _STATEMENT_MAX_BYTES = 500, 1024 * 1024


class KnownSources:
    """Sources that are stored with today's `last_seen`. Shared by all writers of the process."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, int], None] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def missing(self, requests: Iterable[EncodedRequest], day: int) -> dict[bytes, bytes]:
        """Id → row of the sources of `requests` not known to be stored on `day`, sorted by id."""
        rows: dict[bytes, bytes] = {}
        for request in requests:
            for source_id, row in request.sources.items():
                if (source_id, day) in self._known:
                    self._touch(source_id, day)
                else:
                    rows[source_id] = row
        return dict(sorted(rows.items()))

    def add(self, source_ids: Iterable[bytes], day: int) -> None:
        """Remember sources that were stored on `day`."""
        for source_id in source_ids:
            self._touch(source_id, day)
        while len(self._known) > KNOWN_SOURCES_MAX:
            del self._known[next(iter(self._known))]

    def _touch(self, source_id: bytes, day: int) -> None:
        """Move to the end: the front is forgotten first."""
        self._known.pop((source_id, day), None)
        self._known[source_id, day] = None


async def upsert(connection: AsyncConnection, rows: dict[bytes, bytes]) -> None:
    """Store source rows, a statement's worth a transaction: their locks are held as briefly as can be."""
    for part in _statements(rows):
        async with transaction(connection):
            await insert_all(connection, part)


async def insert_all(connection: AsyncConnection, rows: dict[bytes, bytes]) -> None:
    """The statement itself, inside an open transaction; an older `last_seen` is moved on."""
    if rows:
        # Sorted, so that two writers cannot deadlock.
        ordered = [rows[source_id] for source_id in sorted(rows)]
        await insert(connection, TELEMETRY_SOURCES, ordered, statement("upsert_telemetry_sources"))


def _statements(rows: dict[bytes, bytes]) -> Iterator[dict[bytes, bytes]]:
    part: dict[bytes, bytes] = {}
    size = 0
    for source_id in sorted(rows):
        part[source_id] = rows[source_id]
        size += len(rows[source_id])
        if len(part) >= _STATEMENT_MAX_ROWS or size >= _STATEMENT_MAX_BYTES:
            yield part
            part, size = {}, 0
    if part:
        yield part
