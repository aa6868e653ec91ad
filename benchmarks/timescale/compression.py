"""Compression: how small a span becomes, how long a day takes, and what COPY feels of it meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from psycopg import sql

from benchmarks.cores import cpu_seconds
from benchmarks.timescale.bars import Bar, spread
from benchmarks.timescale.database import opened, row, rows, say
from benchmarks.timescale.dataset import TABLES, Dataset, drop_days
from benchmarks.timescale.ingest import Group, Ingest
from benchmarks.timescale.machine import QUIET_CORES, Patience, Window, server_processes, window
from llm_observatory.operate.bench.query.compress import compress
from llm_observatory.operate.bench.query.pool import DAY
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.tables import LLM_TRACES

DAY_SPANS = 330_000
WINDOW_SECONDS = 5.0
"""How long COPY is looked at before and after a day is compressed."""

COLUMNS_SHOWN = 16

_SPANS = "SELECT count(*) FROM llm_traces WHERE timestamp >= %s AND timestamp < %s"

_COMPRESSED = """
SELECT compressed.schema_name || '.' || compressed.table_name,
       pg_total_relation_size(format('%%I.%%I', plain.schema_name, plain.table_name)::regclass)
FROM _timescaledb_catalog.chunk plain JOIN _timescaledb_catalog.chunk compressed ON compressed.id = plain.compressed_chunk_id
JOIN _timescaledb_catalog.hypertable ON hypertable.id = plain.hypertable_id WHERE hypertable.table_name = %s
"""

_SIZES = """
SELECT sum(before_compression_total_bytes)::int8, sum(after_compression_table_bytes)::int8,
       sum(after_compression_index_bytes)::int8, sum(after_compression_toast_bytes)::int8,
       sum(after_compression_total_bytes)::int8
FROM chunk_columnstore_stats(%s::regclass)
"""


async def measure_compress(
    dataset: Dataset, groups: Sequence[Group], days: Sequence[datetime], patience: Patience
) -> list[Bar]:
    """Compress `days` one after the other while COPY writes to the day after the data set.

    Of the rates of COPY those count that nobody else on this machine has disturbed, if there are any.
    """
    seen = []
    async with opened(dataset.conninfo) as connection:
        for day in days:
            await patience.quiet()
            seen.append(await _one_day(dataset.conninfo, connection, groups, day))
            say(f"compress {day:%m-%d}: {seen[-1]}")
        await drop_days(connection, dataset.clock, dataset.clock + DAY)
    scaled = [one["llm_traces s"] * DAY_SPANS / one["spans"] for one in seen]
    ratios = [2 * one["spans/s during"] / (one["spans/s before"] + one["spans/s after"]) for one in seen]
    of_before = [one["spans/s during"] / one["spans/s before"] for one in seen]
    quiet = [ratio for ratio, one in zip(ratios, seen, strict=True) if max(one["cores others took"]) < QUIET_CORES]
    details = {"in quiet, of so many days": {"days": len(quiet), **spread(quiet)}, "of all days": spread(ratios)}
    details["of all days, of before alone"] = spread(of_before)
    return [
        Bar(
            f"compress_chunk of {DAY_SPANS:,} spans",
            median(scaled),
            "s",
            10,
            details={"spread": spread(scaled), **{f"day {number}": one for number, one in enumerate(seen, 1)}},
        ),
        Bar(
            "COPY while a day is compressed, of before and after",
            median(quiet or ratios),
            "",
            0.8,
            at_least=True,
            details=details,
        ),
    ]


async def _one_day(conninfo: str, connection: AsyncConnection, groups: Sequence[Group], day: datetime) -> dict[str, Any]:
    (spans,) = await row(connection, _SPANS, day, day + DAY)
    ingest = Ingest(conninfo, groups)
    windows: dict[str, Window] = {}
    async with ingest.running():
        ours = [os.getpid(), *await server_processes(connection)]
        async with window(windows, "before", ours):
            await asyncio.sleep(WINDOW_SECONDS)
        cpu = cpu_seconds([connection.info.backend_pid])
        async with window(windows, "during", ours):
            seconds = {table: await compress(connection, table, day) for table in TABLES}
        cpu = cpu_seconds([connection.info.backend_pid]) - cpu
        async with window(windows, "after", ours):
            await asyncio.sleep(WINDOW_SECONDS)
    return {
        "spans": spans,
        **{f"{table} s": round(took, 2) for table, took in seconds.items()},
        "CPU s of all three": round(cpu, 2),
        **{f"spans/s {name}": round(ingest.rate(one.began, one.ended)) for name, one in windows.items()},
        **{f"longest transaction {name}": round(ingest.longest(one.began, one.ended), 3) for name, one in windows.items()},
        "cores others took": [round(one.others, 2) for one in windows.values()],
    }


async def measure_size(dataset: Dataset) -> list[Bar]:
    """What the days that are compressed take, and which columns of a span take most of it."""
    details: dict[str, Any] = {}
    async with opened(dataset.conninfo) as connection:
        for table in TABLES:
            details[table] = await _sizes(connection, table)
        [[first, *_], *_] = await rows(connection, _COMPRESSED, LLM_TRACES.name)
        details["bytes a span by column, of one day"] = await _columns(connection, _identifier(first))
    after = details[LLM_TRACES.name]["bytes a row after"]
    return [Bar("compressed span, with indexes and TOAST", after, "bytes", 150, details=details)]


async def _sizes(connection: AsyncConnection, table: str) -> dict[str, float]:
    batches = counted = left = 0
    for chunk, rowstore in await rows(connection, _COMPRESSED, table):
        of_chunk = await row(
            connection, sql.SQL("SELECT count(*), sum(_ts_meta_count)::int8 FROM {}").format(_identifier(chunk))
        )
        batches, counted, left = batches + of_chunk[0], counted + of_chunk[1], left + rowstore
    before, heap, index, toast, after = await row(connection, _SIZES, table)
    parts = {"before": before, "after": after, "table": heap, "index": index, "TOAST": toast, "left in the rowstore": left}
    return {
        "rows": counted,
        "rows a batch": round(counted / batches),
        **{f"bytes a row {name}": round(value / counted, 1) for name, value in parts.items()},
    }


async def _columns(connection: AsyncConnection, chunk: sql.Identifier) -> dict[str, float]:
    names = [
        name
        for (name,) in await rows(
            connection,
            "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            chunk.as_string(connection),
        )
    ]
    sizes = sql.SQL(", ").join(sql.SQL("coalesce(sum(pg_column_size({})), 0)").format(sql.Identifier(name)) for name in names)
    (counted, *bytes_) = await row(connection, sql.SQL("SELECT sum(_ts_meta_count), {} FROM {}").format(sizes, chunk))
    by_size = sorted(zip(bytes_, names, strict=True), reverse=True)
    return {name: round(float(size / counted), 1) for size, name in by_size[:COLUMNS_SHOWN]}


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))
