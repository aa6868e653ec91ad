"""Rows that are there before anything is measured: those of ten days up to now, made by the server itself of a few."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from psycopg import sql

from llm_observatory.operate.bench.ingest.database import Database, Say
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.tables import LLM_CONTENT, LLM_TRACES, TRACE_INDEX, Table

DAYS = 10
SEED_SPANS = 20_000
"""What the others are made of."""

STEP_SPANS = 200_000
"""A transaction, after which is said how far it is."""

_TABLES = (LLM_TRACES, LLM_CONTENT, TRACE_INDEX)
_SEED = "CREATE TABLE {seed} AS SELECT * FROM {table}"
_INSERT = "INSERT INTO {table} ({columns}) SELECT {values} FROM {seed} AS seed, generate_series({first}, {last}) AS copy"
_MOVED = "seed.{column} - copy * interval '{days} days' / {copies}"
_RENAMED = "md5(seed.{column}::text || copy)::uuid"
_TRACE_ID = next(column.name for column in TRACE_INDEX.columns if column.role == "id")


def preload(database: Database, spans: int, settings: Settings, say: Say) -> None:
    """Fill the database, in which SEED_SPANS are, up to `spans`: each again and again, at other times, of other traces."""
    asyncio.run(_ensure_partitions(database.conninfo, settings))
    began, copies = time.monotonic(), max(0, spans // SEED_SPANS - 1)
    for table in _TABLES:
        names = {"seed": _seed(table), "table": sql.Identifier(table.name)}
        database.execute(sql.SQL(_SEED).format(**names))
    step = STEP_SPANS // SEED_SPANS
    for first in range(1, copies + 1, step):
        last = min(first + step - 1, copies)
        for table in _TABLES:
            database.execute(_copied(table, first, last, copies))
        done = (last + 1) * SEED_SPANS
        seconds = time.monotonic() - began
        left = seconds / last * (copies - last)
        say(f"{done:,} of {spans:,} rows are there, {seconds:.0f} s; about {left:.0f} s to go")
    for table in _TABLES:
        database.execute(sql.SQL("DROP TABLE {}").format(_seed(table)))
        database.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table.name)))


def _seed(table: Table) -> sql.Identifier:
    return sql.Identifier(f"bench_seed_{table.name}")


def _copied(table: Table, first: int, last: int, copies: int) -> sql.Composed:
    def values() -> Iterator[sql.Composed]:
        for column in table.columns:
            shape = _MOVED if column.type == "timestamptz" else _RENAMED if column.name == _TRACE_ID else "seed.{column}"
            yield sql.SQL(shape).format(column=sql.Identifier(column.name), days=sql.SQL(str(DAYS)), copies=copies)

    return sql.SQL(_INSERT).format(
        table=sql.Identifier(table.name),
        seed=_seed(table),
        columns=sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
        values=sql.SQL(", ").join(values()),
        first=first,
        last=last,
    )


async def _ensure_partitions(conninfo: str, settings: Settings) -> None:
    now = datetime.now(UTC)
    times = [int((now - timedelta(days=days)).timestamp()) * 1_000_000 for days in range(DAYS + 2)]
    await CurrentEngine(lambda: connect(conninfo), settings).ensure_partitions(times)
