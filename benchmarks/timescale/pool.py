"""What the data set is made of: rows that the codec made, and the statements by which the server multiplies them.

Every trace, span and parent id, start, nanosecond, duration and token count is drawn anew; attributes repeat after as many
spans as were encoded (POOL_SPANS), which is far beyond a compressed batch of 1,000 rows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import LiteralString

from psycopg import sql

from benchmarks.timescale.database import elapsed, row, say
from benchmarks.timescale.ingest import Group, points
from llm_observatory.storage import script
from llm_observatory.storage.binary import copy_statement
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.tables import BY_NAME, LLM_TRACES, Table

DAY = timedelta(days=1)
POOL_SPANS = 30_000
SPANS_PER_POINT = 6
SERVICES = ("gateway", "assistant", "guard", "retrieval", "orders")
POINTS_AT_ONCE = 10 * len(SERVICES)

_POOLS = """
CREATE TABLE benchmark_pool AS
SELECT *, dense_rank() OVER (ORDER BY trace_id) AS number, timestamp - min(timestamp) OVER (PARTITION BY trace_id) AS later
FROM benchmark_llm_traces;
CREATE INDEX ON benchmark_pool (number);
ANALYZE benchmark_pool;
"""

# A trace ends on its day, as far as it matters: the last three minutes begin none.
_SPANS = """
WITH traces AS MATERIALIZED (
    SELECT 1 + (i - 1) %% {pooled} AS number, gen_random_uuid() AS new_id,
           %s::timestamptz + random() * interval '23:57' AS began,
           exp(0.3 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS slower, 0.5 + random() AS longer
    FROM generate_series(1, %s::int) AS i
)
INSERT INTO llm_traces ({columns})
SELECT {values} FROM traces JOIN benchmark_pool pool USING (number) ORDER BY began + later * slower
"""

_DRAWN = {
    "timestamp": sql.SQL("began + later * slower"),
    "timestamp_nanos": sql.SQL("(random() * 999)::int2"),
    "trace_id": sql.SQL("new_id"),
    "span_id": sql.SQL("substr(sha256(uuid_send(new_id) || pool.span_id), 1, 8)"),
    "parent_span_id": sql.SQL("substr(sha256(uuid_send(new_id) || pool.parent_span_id), 1, 8)"),
    "duration_ns": sql.SQL("(pool.duration_ns * slower)::int8"),
    "duration_ms": sql.SQL("(pool.duration_ns * slower)::int8 / 1e6::float8"),
    "input_tokens": sql.SQL("(pool.input_tokens * longer)::int8"),
    "output_tokens": sql.SQL("(pool.output_tokens * longer)::int8"),
    "ttft_ms": sql.SQL("pool.ttft_ms * slower"),
}

# A row a trace and request: each service sends its own.
_INDEX = """
INSERT INTO trace_index (tenant, timestamp, last_timestamp, trace_id)
SELECT tenant, min(timestamp), max(timestamp), trace_id FROM llm_traces WHERE timestamp >= %s AND timestamp < %s
GROUP BY tenant, trace_id, service_name ORDER BY 2
"""

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


async def make_pool(connection: AsyncConnection, at: datetime) -> None:
    """Encode spans and points as the service does, into tables of their own."""
    say(f"encoding {POOL_SPANS:,} spans")
    group = Group(Random(1), POOL_SPANS, at, timedelta(hours=1))  # noqa: S311 - ids, no secrets
    say(f"{group.wire_bytes / group.rows:.0f} bytes a span on the wire")
    for name, requests in (("llm_traces", group.requests), ("llm_metrics", [points(name, at) for name in SERVICES])):
        table = replace(BY_NAME[name], name=f"benchmark_{name}")
        await connection.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(*map(sql.Identifier, (table.name, name))))
        chunks = [chunk for one in requests for part in one.encoded.tables if part.name == name for chunk in part.chunks]
        await script.run(connection, [script.Step(copy_statement(table), chunks)])
    await connection.execute(_POOLS)


async def fill_day(connection: AsyncConnection, day: datetime, spans: int) -> float:
    """About `spans` spans of that day, their index, and metrics in proportion. Returns the seconds it took."""
    await connection.execute("SET work_mem = '256MB'")
    (traces, per_trace) = await row(connection, "SELECT max(number), count(*)::float8 / max(number) FROM benchmark_pool")
    step = DAY / max(1, spans / SPANS_PER_POINT / POINTS_AT_ONCE)
    insert_spans = _insert(_SPANS, LLM_TRACES, _DRAWN, pooled=traces)
    insert_points = _insert(_POINTS, BY_NAME["llm_metrics"], _MEASURED)
    return (
        await elapsed(connection, insert_spans, day, int(spans / per_trace))
        + await elapsed(connection, _INDEX, day, day + DAY)
        + await elapsed(connection, insert_points, day, day + DAY, step, step)
    )


def _insert(template: LiteralString, table: Table, drawn: dict[str, sql.SQL], **values: int) -> sql.Composed:
    columns = [column.name for column in table.columns]
    return sql.SQL(template).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(drawn.get(name) or sql.Identifier("pool", name) for name in columns),
        **values,
    )
