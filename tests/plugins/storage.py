"""A real PostgreSQL as the service writes it, and OTLP made of what is in it again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, Fields, Terms
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from llm_observatory.tables import Table
from tests.plugins.otlp_messages import NOW
from tests.plugins.stored import FACTS

WRITERS = {"copy": CopyWriter(0), "as the service": CopyWriter(60), "insert": CopyWriter(10_000)}

IDENTITY = {tables.TELEMETRY_SOURCES.name: "source.id", tables.METRIC_LABELS.name: "series.id"}
"""Which op writes what rows of a dimension are named by."""


class _Unread(Loader):
    """A field as PostgreSQL sends it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class StoredReader:
    """One database, read in binary."""

    def __init__(self, database: str) -> None:
        self._connection = psycopg.connect(database, autocommit=True)
        for type_ in {column.type for table in tables.TABLES for column in table.columns}:
            info = psycopg.adapters.types[type_.removesuffix("[]")]
            self._connection.adapters.register_loader(info.array_oid if type_.endswith("[]") else info.oid, _Unread)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, table: Table, tenant: str) -> list[Fields]:
        """All rows of a tenant, in any order."""
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        with self._connection.cursor(binary=True) as cursor:
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


class Storage:
    """One database: written as the service writes, and read."""

    def __init__(self, database: str) -> None:
        self._runner = asyncio.Runner()
        known, engine = KnownDimensions(), CurrentEngine(lambda: connect(database), Settings())
        self._sessions = {
            name: CommitSession(lambda: connect(database), writer, engine, known) for name, writer in WRITERS.items()
        }
        self.reader = StoredReader(database)

    def close(self) -> None:
        """Close all connections."""
        self.reader.close()
        for session in self._sessions.values():
            self._runner.run(session.close())
        self._runner.close()

    def write(self, writer: str, group: list[WriteRequest]) -> None:
        """All of the group in one transaction."""
        assert self._runner.run(self._sessions[writer].write(group)) == [Stored(request.answer) for request in group]


@pytest.fixture
def storage(database: str) -> Iterator[Storage]:
    """A fresh database, open."""
    opened = Storage(database)
    yield opened
    opened.close()


def write_request(signal: str, tenant: str, payload: bytes, terms: Terms) -> tuple[WriteRequest, EncodedRequest]:
    """A payload, received at NOW, as the pipeline hands it to storage."""
    digest = codec.digest(signal, tenant, payload)
    made = codec.encode(signal, tenant, payload, digest, NOW, terms)
    return WriteRequest(tenant, signal, digest, codec.answer(signal, made), NOW, made), made
