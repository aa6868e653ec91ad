"""OTLP in, the same OTLP out of a real PostgreSQL: written by the writer of the service, read back as bytes, decoded.

What jsonb does to documents, and COPY and INSERT to values, is in between; all else is as in tests/contract/codec. An example
is a group of requests under a tenant of its own: `ROUND_TRIP_EXAMPLES=1000` asks for ten times as many requests a signal.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, Fields
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from llm_observatory.tables import Table
from tests.plugins import otlp_messages
from tests.plugins.hostile_wire import write
from tests.plugins.normal_form import envelopes_in, envelopes_of, predict
from tests.plugins.round_trip import WHOLE, examples
from tests.plugins.stored import FACTS
from tests.unit.codec.spans import TERMS

SIGNALS = ("traces", "metrics", "logs")
NOW = otlp_messages.NOW
GROUP = 10
"""Requests in an example, which are one transaction."""

WRITERS = {"copy": CopyWriter(0), "as the service": CopyWriter(60), "insert": CopyWriter(10_000)}

IDENTITY = {tables.TELEMETRY_SOURCES.name: "source.id", tables.METRIC_LABELS.name: "series.id"}
"""Which op writes what rows of a dimension are named by."""

_tenants = itertools.count()


class _Unread(Loader):
    """A field as PostgreSQL sends it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class Storage:
    """One database: written as the service writes, read in binary."""

    def __init__(self, database: str) -> None:
        self._runner = asyncio.Runner()
        known, engine = KnownDimensions(), CurrentEngine(lambda: connect(database), Settings())
        self._sessions = {
            name: CommitSession(lambda: connect(database), writer, engine, known) for name, writer in WRITERS.items()
        }
        self._reader = psycopg.connect(database, autocommit=True)
        for type_ in {column.type for table in tables.TABLES for column in table.columns}:
            info = psycopg.adapters.types[type_.removesuffix("[]")]
            self._reader.adapters.register_loader(info.array_oid if type_.endswith("[]") else info.oid, _Unread)

    def close(self) -> None:
        self._reader.close()
        for session in self._sessions.values():
            self._runner.run(session.close())
        self._runner.close()

    def write(self, writer: str, group: list[WriteRequest]) -> None:
        """All of the group in one transaction."""
        assert self._runner.run(self._sessions[writer].write(group)) == [Stored(request.answer) for request in group]

    def rows(self, table: Table, tenant: str) -> list[Fields]:
        """All rows of a tenant, in any order."""
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        with self._reader.cursor(binary=True) as cursor:
            return list(cursor.execute(f"SELECT {columns} FROM {table.name} WHERE tenant = %s".encode(), (tenant,)).fetchall())

    def decoded(self, signal: str, tenant: str) -> bytes:
        """All records of a tenant as OTLP again."""
        dimensions = {
            table.name: {self._identity(table, row): row for row in self.rows(table, tenant)}
            for table in tables.TABLES
            if table.kind == "dimension"
        }
        return codec.decode(signal, self.rows(FACTS[signal], tenant), dimensions, self.rows(tables.LLM_CONTENT, tenant))

    def _identity(self, table: Table, row: Fields) -> bytes:
        [place] = (place for place, column in enumerate(table.columns) if column.op == IDENTITY[table.name])
        identity = row[place]
        assert identity is not None
        return identity


@pytest.fixture
def storage(database: str) -> Iterator[Storage]:
    storage = Storage(database)
    yield storage
    storage.close()


def encoded(signal: str, tenant: str, payload: bytes) -> tuple[WriteRequest, EncodedRequest]:
    digest = codec.digest(signal, tenant, payload)
    made = codec.encode(signal, tenant, payload, digest, NOW, TERMS)
    return WriteRequest(tenant, signal, digest, codec.answer(signal, made), NOW, made), made


@pytest.mark.parametrize("signal", SIGNALS)
@examples(ci=30)
@given(data=st.data())
def test_what_is_sent_comes_back_from_the_database(signal: str, storage: Storage, data: st.DataObject) -> None:
    tenant = f"tenant {next(_tenants)}"
    expected: Counter[str] = Counter()
    group: dict[bytes, WriteRequest] = {}
    for number in range(GROUP):
        request = data.draw(otlp_messages.requests(signal, ids_from=number * 1_000_000))
        style = data.draw(otlp_messages.styles)
        written, made = encoded(signal, tenant, write(request, style))
        if written.digest not in group:  # else a retry, which is stored once
            predicted = predict(envelopes_of(request), NOW, TERMS, style.groups)
            assert made.accepted == predicted.records.total()
            expected += predicted.records
            group[written.digest] = written
    storage.write(data.draw(st.sampled_from(sorted(WRITERS))), list(group.values()))
    again = predict(envelopes_in(signal, storage.decoded(signal, tenant)), NOW, WHOLE)
    assert again.records == expected
    assert not again.rejected
    assert not again.repaired
