"""What the data set is made of: rows that the service would write, and the statements by which the server multiplies them.

Every trace, span and parent id, start, nanosecond, duration and token count is drawn anew; attributes repeat after as many
spans as were encoded (POOL_SPANS), which is far beyond a compressed batch of 1,000 rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import count, islice
from random import Random

from psycopg import sql

from llm_observatory import codec
from llm_observatory.operate.bench.data import DATA_SETS, assistant, requests
from llm_observatory.operate.bench.query.database import Say, elapsed, row, rows
from llm_observatory.settings import Settings
from llm_observatory.storage.compose import named
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import WriteRequest
from llm_observatory.tables import LLM_LOGS, LLM_TRACES, Table

DAY = timedelta(days=1)
TENANT = "default"
POOL_SPANS = 30_000
POOL_LOGS, LOGS_A_REQUEST = 10_000, 500
_SQL = files(__package__) / "sql"
_TERMS = codec.Terms(None, 86_400_000_000, 1024)


async def make_pool(connection: AsyncConnection, conninfo: str, at: datetime, say: Say) -> None:
    """Write spans as the service does, and keep them aside: `benchmark_pool`; only their sources stay where they were."""
    say(f"encoding {POOL_SPANS:,} spans")
    ids = (number.to_bytes(16, "big") for number in count(1))
    start_ns = int(at.timestamp()) * 10**9
    payloads = assistant.requests(Random(1), POOL_SPANS, ids, start_ns, 3600 * 10**9)  # noqa: S311 - ids, no secrets
    await _write(conninfo, "traces", payloads, at + timedelta(hours=1))
    await connection.execute(named(_SQL, "span_pool"))


async def make_logs_pool(connection: AsyncConnection, conninfo: str, at: datetime, say: Say) -> None:
    """Write log records of the hour after `at` as the service does, and copy them: `benchmark_logs_pool`."""
    say(f"encoding {POOL_LOGS:,} log records")
    end_ns = int((at + timedelta(hours=1)).timestamp()) * 10**9
    payloads = islice(requests(DATA_SETS["logs"], LOGS_A_REQUEST, 1, lambda: end_ns), POOL_LOGS // LOGS_A_REQUEST)
    await _write(conninfo, "logs", payloads, at + timedelta(hours=1))
    await rows(connection, named(_SQL, "log_pool"), at, at + DAY)


def encode(signal: str, payload: bytes, now: datetime) -> WriteRequest:
    """A request of the default tenant, received at `now`."""
    digest, received_at = codec.digest(signal, TENANT, payload), int(now.timestamp()) * 1_000_000
    encoded = codec.encode(signal, TENANT, payload, digest, received_at, _TERMS)
    return WriteRequest(TENANT, signal, digest, b"", received_at, encoded)


async def _write(conninfo: str, signal: str, payloads: Iterable[bytes], now: datetime) -> None:
    async with session(conninfo) as opened:
        await opened.write([encode(signal, payload, now) for payload in payloads])


@asynccontextmanager
async def session(conninfo: str) -> AsyncIterator[CommitSession]:
    """A committer's, with the settings of a service that has none set."""
    settings = Settings()
    engine = CurrentEngine(lambda: connect(conninfo), settings)
    opened = CommitSession(lambda: connect(conninfo), CopyWriter(settings.insert_max_fields), engine, KnownDimensions())
    try:
        yield opened
    finally:
        await opened.close()


async def fill_spans(connection: AsyncConnection, day: datetime, spans: int) -> float:
    """About `spans` spans of that day and their index. Returns the seconds it took."""
    await connection.execute("SET work_mem = '256MB'")
    (traces, per_trace) = await row(connection, "SELECT max(number), count(*)::float8 / max(number) FROM benchmark_pool")
    return await elapsed(
        connection,
        insert(named(_SQL, "spans"), LLM_TRACES, drawn("drawn_spans"), pooled=traces),
        day,
        max(1, int(spans / per_trace)),
    ) + await elapsed(connection, named(_SQL, "index"), day, day + DAY)


async def fill_logs(connection: AsyncConnection, day: datetime, records: int) -> float:
    """So many log records of that day. Returns the seconds it took."""
    (pooled,) = await row(connection, "SELECT count(*) FROM benchmark_logs_pool")
    return await elapsed(connection, insert(named(_SQL, "logs"), LLM_LOGS, drawn("drawn_logs"), pooled=pooled), day, records)


def drawn(name: str) -> dict[str, sql.SQL]:
    """Expressions by column: each line of the file is `expression AS column`."""
    lines = (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    parted = (line.rpartition(" AS ") for line in lines if not line.startswith("--"))
    return {column: sql.SQL(expression) for expression, _, column in parted}


def insert(template: sql.SQL, table: Table, expressions: Mapping[str, sql.SQL], **values: int) -> sql.Composed:
    """`template` with all columns of a table: those that are drawn, the others of the pool."""
    columns = [column.name for column in table.columns]
    return template.format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(expressions.get(name) or sql.Identifier("pool", name) for name in columns),
        **values,
    )
