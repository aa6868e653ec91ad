"""The spans of `bench query`, and metrics in proportion: points of the pool in turn, as many a span as services report."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from psycopg import sql

from benchmarks.timescale.database import elapsed, say
from benchmarks.timescale.ingest import points
from llm_observatory.operate.bench.query import pool
from llm_observatory.operate.bench.query.pool import DAY
from llm_observatory.storage import script
from llm_observatory.storage.binary import copy_statement
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.tables import BY_NAME

SPANS_PER_POINT = 6
SERVICES = ("gateway", "assistant", "guard", "retrieval", "orders")
POINTS_AT_ONCE = 10 * len(SERVICES)
_METRICS = BY_NAME["llm_metrics"]
_POOL = replace(_METRICS, name="benchmark_llm_metrics")

_POINTS = """
INSERT INTO llm_metrics ({columns}) SELECT {values}
FROM generate_series(%s::timestamptz, %s::timestamptz - %s::interval, %s::interval) AS began, benchmark_llm_metrics pool
ORDER BY began
"""

_MEASURED = {
    "timestamp": sql.SQL("began + random() * interval '1 second'"),
    "value": sql.SQL("(10000 * random())::int4::float8"),
    "int_value": sql.SQL("(10000 * random())::int8"),
}


async def make_pool(connection: AsyncConnection, conninfo: str, at: datetime) -> None:
    """Spans as the service writes them, points as the codec makes them."""
    await pool.make_pool(connection, conninfo, at, say)
    names = map(sql.Identifier, (_POOL.name, _METRICS.name))
    await connection.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(*names))
    encoded = [points(name, at).encoded for name in SERVICES]
    chunks = [chunk for one in encoded for part in one.tables if part.name == _METRICS.name for chunk in part.chunks]
    await script.run(connection, [script.Step(copy_statement(_POOL), chunks)])


async def fill_day(connection: AsyncConnection, day: datetime, spans: int) -> float:
    """About `spans` spans of that day, their index, and metrics in proportion. Returns the seconds it took."""
    step = DAY / max(1, spans / SPANS_PER_POINT / POINTS_AT_ONCE)
    insert_points = pool.insert(sql.SQL(_POINTS), _METRICS, _MEASURED)
    return await pool.fill_spans(connection, day, spans) + await elapsed(connection, insert_points, day, day + DAY, step, step)
