"""Probes: what the columnstore of TimescaleDB does with rows that are no longer new."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg

from llm_observatory.tables import LLM_TRACES, TABLES
from tests.engines.capability import NO, YES, Section
from tests.engines.target import PARTIAL, Target, noon

COLUMNSTORE = Section(
    "Columnstore",
    "TimescaleDB under the Timescale licence compresses old chunks into columns, many times smaller than rows. Under the"
    " Apache licence, and on plain PostgreSQL, there is none: rows stay rows until they expire, and nothing takes its place."
    " Plan the disk for that, or set a shorter `RETENTION`. A database that was set up under the Timescale licence is refused"
    " under Apache: its chunks cannot be read without it.",
)

_SETTINGS = (
    "SELECT segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings WHERE hypertable = %s::regclass"
)

_COMPRESSED = "SELECT compress_relid::text FROM _timescaledb_catalog.compression_settings WHERE relid = %s::regclass"


@COLUMNSTORE.capability(
    "columnstore as declared",
    text="Segmented by tenant and service (metrics: by tenant, metric and service), ordered by time (`trace_index` by trace,"
    " metrics by series).",
    tried="the settings of every table; 30 spans of three services are compressed and must become three batches.",
)
async def columnstore_as_declared(target: Target) -> str:
    at = noon(20)
    for service in ("cart", "checkout", "search"):
        await target.write(at, spans=10, service=service)
    chunk = await target.chunk("llm_traces", at)
    if chunk is None:
        return NO
    try:
        await target.connection.execute("SELECT compress_chunk(%s)", [chunk])
    except psycopg.errors.FeatureNotSupported:
        return NO
    for table in TABLES:
        if table.partitioned:
            [columns] = await target.fetch(_SETTINGS, table.name)
            declared = (", ".join(table.segment_by), ", ".join(table.order_by))
            assert tuple(listed.replace('"', "").replace(",", ", ") for listed in columns) == declared, table.name
    batches = await target.one(_COMPRESSED, chunk)
    assert await target.one(f"SELECT count(*) FROM {batches}") == 3
    assert await target.count("llm_traces", at) == 30
    return YES


@COLUMNSTORE.capability(
    "sparse indexes",
    text="They tell which batches cannot hold a value without decompressing them: a bloom filter of `trace_id`, the least and"
    " the greatest `duration_ms` or `severity_number`. *Declared* since TimescaleDB 2.22; before it TimescaleDB *chooses* them"
    " by the indexes of the table, which gives `trace_id` one and the others none.",
    tried="the plans of two queries on a compressed chunk, by `trace_id` and by `duration_ms`.",
)
async def sparse_indexes(target: Target) -> str:
    at = noon(21)
    await target.write(at, spans=10)
    if not await _compress_old(target):
        return NO
    assert await target.is_compressed("llm_traces", at)
    by_trace = await _plan(target, "trace_id = '0af76519-16cd-43dd-8448-eb211c80319c'", at)
    by_duration = await _plan(target, "duration_ms > 1000", at)
    if "_ts_meta_v2_bloom" not in by_trace:
        return NO
    return "declared" if "_ts_meta_v2_max_duration_ms" in by_duration else "chosen"


@COLUMNSTORE.capability(
    "compressed after `COMPRESS_AFTER`",
    text="A job of TimescaleDB looks every hour (*policy*).",
    tried="spans of ten days ago and of yesterday; the job is run, and only the older may be compressed.",
)
async def compressed_after(target: Target) -> str:
    await target.write(noon(10), spans=10)
    await target.write(noon(1), spans=10)
    if not await _compress_old(target):
        assert not await target.is_compressed("llm_traces", noon(10))
        return NO
    assert await target.is_compressed("llm_traces", noon(10))
    assert not await target.is_compressed("llm_traces", noon(1))
    return "policy"


@COLUMNSTORE.capability(
    "late rows are stored",
    text="Rows for a chunk that is compressed already are written beside what is compressed, and the next run of the job"
    " compresses them too. Where nothing is compressed a late row is a row like any other.",
    tried="one span and a hundred, by `INSERT` and by COPY, into a day that the job has compressed; they are read, the job is"
    " run, they are read again.",
)
async def late_rows_are_stored(target: Target) -> str:
    at = noon(11)
    await target.write(at, spans=10)
    compressed = await _compress_old(target)
    await target.write(at + timedelta(minutes=1), spans=1)
    await target.write(at + timedelta(minutes=2), spans=100)
    assert await target.count("llm_traces", at) == 111
    if compressed:
        assert await target.status("llm_traces", at) & PARTIAL
        await _compress_old(target)
        assert not await target.status("llm_traces", at) & PARTIAL
        assert await target.count("llm_traces", at) == 111
    return YES


async def _compress_old(target: Target) -> bool:
    return await target.run_job("policy_compression", LLM_TRACES.name)


async def _plan(target: Target, condition: str, at: datetime) -> str:
    hour = f"timestamp >= '{at}' AND timestamp < '{at + timedelta(hours=1)}'"
    rows = await target.fetch(f"EXPLAIN SELECT * FROM llm_traces WHERE {condition} AND {hour}")
    return "\n".join(line for (line,) in rows)
