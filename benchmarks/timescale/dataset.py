"""The data set: spans that the codec made, multiplied by the server over many days; older days are compressed.

Every trace, span and parent id, start, nanosecond, duration and token count is drawn anew; attributes repeat after as many
spans as were encoded (POOL_SPANS), which is far beyond a compressed batch of 1,000 rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import LiteralString

from psycopg import sql

from benchmarks.timescale.database import elapsed, opened, row, rows, say
from benchmarks.timescale.ingest import Group, points
from llm_observatory.storage.binary import copy_blocks, copy_statement
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.tables import BY_NAME, LLM_TRACES, Table

DAY = timedelta(days=1)
POOL_SPANS = 30_000
SPANS_PER_POINT = 6
SERVICES = ("gateway", "assistant", "guard", "retrieval", "orders")
TABLES = ("llm_traces", "trace_index", "llm_metrics")

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

_CHUNKS = (
    "SELECT chunk::text FROM show_chunks(%s::regclass, newer_than => %s::timestamptz, older_than => %s::timestamptz) AS chunk"
)


_UNCOMPRESSED = """
SELECT range_start FROM timescaledb_information.chunks
WHERE hypertable_name = 'llm_traces' AND NOT is_compressed AND range_end <= %s ORDER BY range_start
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Days from `first` on, the last of which ends at `clock`: that is what the benchmark takes for now."""

    conninfo: str
    clock: datetime
    days: int

    @classmethod
    def until_today(cls, conninfo: str, days: int) -> Dataset:
        """Whole days: the newest chunk is as full as it gets, whatever the time of day."""
        return cls(conninfo, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0), days)

    @property
    def first(self) -> datetime:
        """When it begins."""
        return self.clock - self.days * DAY

    @classmethod
    async def kept(cls, conninfo: str) -> Dataset | None:
        """What `load` has left in this database; None if it is another's."""
        async with opened(conninfo) as connection:
            (mark,) = await row(connection, "SELECT obj_description(to_regclass('benchmark_pool'), 'pg_class')")
        if mark is None:
            return None
        made = json.loads(mark)
        return cls(conninfo, datetime.fromisoformat(made["clock"]), made["days"])

    def day(self, number: int) -> datetime:
        """The beginning of a day, from 0; from the end, from -1."""
        return (self.clock if number < 0 else self.first) + number * DAY

    async def load(self, wanted: int, compressed: int) -> None:
        """About `wanted` spans; the oldest `compressed` days are compressed as soon as they are full, which bounds the disk."""
        async with opened(self.conninfo) as connection:
            await connection.execute("SET work_mem = '256MB'")
            await self._pool(connection)
            traces, per_trace = await row(connection, "SELECT max(number), count(*)::float8 / max(number) FROM benchmark_pool")
            for number in range(self.days):
                day = self.day(number)
                seconds = await elapsed(
                    connection, _insert(_SPANS, LLM_TRACES, _DRAWN, pooled=traces), day, int(wanted / self.days / per_trace)
                )
                seconds += await elapsed(connection, _INDEX, day, day + DAY)
                step = DAY / max(1, wanted / self.days / SPANS_PER_POINT / 10 / len(SERVICES))
                insert = _insert(_POINTS, BY_NAME["llm_metrics"], _MEASURED)
                seconds += await elapsed(connection, insert, day, day + DAY, step, step)
                compressing = await compress(connection, day) if number < compressed else {}
                said = f", compressed in {sum(compressing.values()):.1f} s" if compressing else ""
                say(f"day {number + 1} of {self.days}: loaded in {seconds:.1f} s{said}")
            await connection.execute("VACUUM (ANALYZE) llm_traces, trace_index, llm_metrics")
            mark = json.dumps({"clock": self.clock.isoformat(), "days": self.days})
            await connection.execute(sql.SQL("COMMENT ON TABLE benchmark_pool IS {}").format(mark))

    async def left_to_compress(self, rowstore_days: int) -> list[datetime]:
        """Days older than the newest `rowstore_days` that are not compressed."""
        async with opened(self.conninfo) as connection:
            return [day for (day,) in await rows(connection, _UNCOMPRESSED, self.clock - rowstore_days * DAY)]

    async def _pool(self, connection: AsyncConnection) -> None:
        random = Random(1)  # noqa: S311 - ids, no secrets
        say(f"encoding {POOL_SPANS:,} spans")
        group = Group(random, POOL_SPANS, self.first, timedelta(hours=1))
        say(f"{group.wire_bytes / group.rows:.0f} bytes a span on the wire")
        measured = [points(name, self.first) for name in SERVICES]
        for name, requests in (("llm_traces", group.requests), ("llm_metrics", measured)):
            table = replace(BY_NAME[name], name=f"benchmark_{name}")
            await connection.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(*map(sql.Identifier, (table.name, name))))
            chunks = [chunk for one in requests for part in one.encoded.tables if part.name == name for chunk in part.chunks]
            async with connection.cursor() as cursor, cursor.copy(copy_statement(table).encode()) as copy:
                for block in copy_blocks(chunks):
                    await copy.write(block)
        await connection.execute(_POOLS)


async def chunks(connection: AsyncConnection, table: str, day: datetime) -> list[str]:
    """The chunks of one day."""
    return [chunk for (chunk,) in await rows(connection, _CHUNKS, table, day, day + DAY)]


async def compress(connection: AsyncConnection, day: datetime) -> dict[str, float]:
    """Compress a day as the columnstore policies do; seconds by table."""
    return {
        table: sum(
            [
                await elapsed(connection, "SELECT compress_chunk(%s::regclass)", chunk)
                for chunk in await chunks(connection, table, day)
            ]
        )
        for table in TABLES
    }


def _insert(template: LiteralString, table: Table, drawn: dict[str, sql.SQL], **values: int) -> sql.Composed:
    columns = [column.name for column in table.columns]
    return sql.SQL(template).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(drawn.get(name) or sql.Identifier("pool", name) for name in columns),
        **values,
    )
