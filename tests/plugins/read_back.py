"""The rows of a database as `codec.decode` takes them, and what they say: OTLP again."""

from __future__ import annotations

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from llm_observatory import codec, tables
from llm_observatory.codec import Fields
from llm_observatory.tables import Table
from tests.plugins.stored import FACTS

IDENTITY = {tables.TELEMETRY_SOURCES.name: "source.id", tables.METRIC_LABELS.name: "series.id"}
"""Which op writes what rows of a dimension are named by."""


class _Unread(Loader):
    """A field as PostgreSQL sends it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class Reader:
    """Reads one database in binary."""

    def __init__(self, database: str) -> None:
        self._connection = psycopg.connect(database, autocommit=True)
        for type_ in {column.type for table in tables.TABLES for column in table.columns}:
            info = psycopg.adapters.types[type_.removesuffix("[]")]
            self._connection.adapters.register_loader(info.array_oid if type_.endswith("[]") else info.oid, _Unread)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def rows(self, table: Table, tenant: str, service_name: str | None = None) -> list[Fields]:
        """The rows of a tenant, all or those of one service, in any order."""
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        wanted = {"tenant": tenant} if service_name is None else {"tenant": tenant, "service_name": service_name}
        where = " AND ".join(f"{name} = %({name})s" for name in wanted)
        with self._connection.cursor(binary=True) as cursor:
            return list(cursor.execute(f"SELECT {columns} FROM {table.name} WHERE {where}".encode(), wanted).fetchall())

    def decoded(self, signal: str, tenant: str, service_name: str | None = None) -> bytes:
        """Their records as OTLP."""
        dimensions = {
            table.name: {self._identity(table, row): row for row in self.rows(table, tenant)}
            for table in tables.TABLES
            if table.kind == "dimension"
        }
        facts, content = (self.rows(table, tenant, service_name) for table in (FACTS[signal], tables.LLM_CONTENT))
        return codec.decode(signal, facts, dimensions, content)

    def _identity(self, table: Table, row: Fields) -> bytes:
        [place] = (place for place, column in enumerate(table.columns) if column.op == IDENTITY[table.name])
        identity = row[place]
        assert identity is not None
        return identity
