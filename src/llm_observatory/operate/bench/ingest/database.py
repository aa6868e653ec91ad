"""The server and the databases of the benchmark: started or given, made, filled and emptied, and dropped at the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString, NamedTuple
from urllib.parse import quote, urlencode

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.ingest.process import LaneFailed
from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from llm_observatory.storage.connection import complete, connected
from llm_observatory.storage.embedded import EmbeddedServer
from llm_observatory.storage.engine.detect import detect
from llm_observatory.tables import INGEST_LEDGER, INGEST_TOUCHED, LLM_CONTENT, LLM_TRACES, TRACE_INDEX

Say = Callable[[str], None]

BARE = (LLM_TRACES, LLM_CONTENT, TRACE_INDEX, INGEST_TOUCHED)
"""What a bare COPY writes of spans."""

WRITTEN = (*BARE, INGEST_LEDGER)
_NAMES = [table.name for table in WRITTEN]

_COUNT = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(LLM_TRACES.name))
# What is there before makes count(*) of everything slow, and no lane writes older rows.
_COUNT_SINCE = _COUNT + sql.SQL(" WHERE timestamp >= %s")
_SINCE = "SELECT date_trunc('day', now() - interval '1 hour')"

_PARTITIONED_BYTES = """
SELECT sum(pg_total_relation_size(relation) + coalesce(
    (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(relation) WHERE relid <> relation), 0))
FROM unnest(%s::regclass[]) AS relation
"""
_HYPERTABLE_BYTES = """
SELECT sum(coalesce(hypertable_size(relation), pg_total_relation_size(relation))) FROM unnest(%s::regclass[]) AS relation
"""
_WAL = "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8"


class Stored(NamedTuple):
    """How much there is: spans, bytes of all tables with their indexes, bytes of WAL since the server was made."""

    spans: int
    table_bytes: int
    wal_bytes: int


class Database:
    """A migrated database of the benchmark. `rows` are those that stay in it: it is emptied only where there are none."""

    def __init__(self, conninfo: str, rows: int) -> None:
        self.conninfo = conninfo
        self.url = url(conninfo)
        self._rows = rows
        self._connection = psycopg.connect(complete(conninfo, "llm-observatory-bench"), autocommit=True)
        self.timescaledb = self._one("SELECT max(extversion) FROM pg_extension WHERE extname = 'timescaledb'")
        self.version: str = self._one("SHOW server_version")
        self._since = self._one(_SINCE)
        if self.timescaledb:
            # Compression and refreshes would come in the middle of one turn or another.
            self._connection.execute("SELECT _timescaledb_functions.stop_background_workers()")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def compressed_chunk_us(self, settings: Settings) -> int | None:
        """What COPY of the service may write into at once; None without TimescaleDB, or where `settings` do not ask for it."""

        async def ask() -> int | None:
            async with connected(self.conninfo) as connection:
                return (await detect(connection, settings)).compressed_chunk_us

        return asyncio.run(ask())

    def server_pid(self) -> int | None:
        """The server's first process; None where it is on another machine, or may not be seen."""
        pid: int = self._one("SELECT pg_backend_pid()")
        try:
            backend = psutil.Process(pid)
            return backend.ppid() if backend.name() == "postgres" else None
        except psutil.Error:
            return None

    def begin_turn(self) -> Stored:
        """Let no turn suffer from the rows of the one before, nor from writing them to the disk."""
        if not self._rows:
            tables = sql.SQL(", ").join(map(sql.Identifier, _NAMES))
            self._connection.execute(sql.SQL("TRUNCATE {}").format(tables))
            try:
                self._connection.execute("CHECKPOINT")
            except psycopg.errors.InsufficientPrivilege:
                self._connection.rollback()
        return self.stored()

    def stored(self) -> Stored:
        """Now."""
        size = _HYPERTABLE_BYTES if self.timescaledb else _PARTITIONED_BYTES
        table_bytes = self._one(size, _NAMES)
        spans = self._one(_COUNT_SINCE, self._since) if self._rows else self._one(_COUNT)
        return Stored(spans, int(table_bytes), self._one(_WAL))

    def execute(self, statement: sql.Composed, *values: object) -> None:
        """Run a statement."""
        self._connection.execute(statement, values or None)

    def _one(self, query: LiteralString | sql.Composed, *values: object) -> Any:
        row = self._connection.execute(query, values or None).fetchone()
        assert row is not None  # noqa: S101 - every statement here has one row
        return row[0]


class Server:
    """A PostgreSQL server to make databases on."""

    def __init__(self, conninfo: str, say: Say) -> None:
        self._conninfo = conninfo
        self._say = say

    @contextmanager
    def database(self, kind: str, rows: int, settings: Settings) -> Iterator[Database]:
        """A new, migrated database for as long as the block runs."""
        name = f"observatory_bench_{kind}_{os.getpid()}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
        try:
            conninfo = psycopg.conninfo.make_conninfo(self._conninfo, dbname=name)
            asyncio.run(migrate.up(conninfo, lambda _line: None, settings))
            opened = Database(conninfo, rows)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        try:
            with psycopg.connect(complete(self._conninfo, "llm-observatory-bench"), autocommit=True) as connection:
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            raise LaneFailed(f"the role of --database-url must be allowed to create databases: {error}") from None
        except psycopg.OperationalError as error:
            raise LaneFailed(f"the server cannot be used: {error}. Does --database-url lead to it?") from None


@contextmanager
def server(given: str | None, say: Say) -> Iterator[Server]:
    """The server that `given` leads to; without it an embedded one of its own in a temporary folder."""
    if given is not None:
        yield Server(_checked(given), say)
        return
    with TemporaryDirectory(prefix="observatory-bench-") as folder:
        Path(folder).chmod(0o711)  # run by root the server belongs to another account
        embedded = EmbeddedServer(Path(folder) / "data")
        try:
            yield Server(embedded.start(say), say)
        finally:
            embedded.stop()


def url(conninfo: str) -> str:
    """`conninfo` (URL or keywords) as a URL; what has no place of its own there goes to the query part."""
    given: dict[str, Any] = conninfo_to_dict(conninfo)
    login = quote(str(given.pop("user", "") or ""), safe="")
    password = given.pop("password", None)
    login += f":{quote(str(password), safe='')}" if password else ""
    name = quote(str(given.pop("dbname", "")), safe="")
    return f"postgresql://{login}{'@' if login else ''}/{name}?{urlencode(given, quote_via=quote)}"


def _checked(given: str) -> str:
    try:
        conninfo_to_dict(given)
    except psycopg.Error:
        raise ConfigError(["--database-url: not a URL that libpq understands"]) from None
    return given
