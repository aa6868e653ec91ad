"""Probes: what is dropped when, and what stays."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.contract.test_rollups import Store, spread
from tests.engines.capability import YES, Section
from tests.engines.rollups import DAILY, HOURLY, REFRESH
from tests.engines.target import Target, noon

RETENTION = Section(
    "Retention", "Whole chunks or partitions are dropped once all of their time is past. Nothing deletes single rows."
)

TABLES = ("llm_traces", "llm_content", "trace_index")

_SUMMED = f"SELECT sum(span_count) FROM {DAILY} WHERE bucket = date_trunc('day', %s::timestamptz, 'UTC')"


@RETENTION.capability(
    "expired rows are dropped by",
    text="A *policy* of TimescaleDB, every hour, or our *maintenance* loop, every minute.",
    tried="spans and content of 100 and of 80 days ago, with `RETENTION=90d`; a round of maintenance, and if that drops"
    " nothing, the job.",
)
async def expired_rows_are_dropped_by(target: Target) -> str:
    for days in (100, 80):
        await target.write(noon(days), "hello", spans=10)
    by = await _expire(target, noon(100))
    assert [await target.count(table, noon(100)) for table in TABLES] == [0, 0, 0]
    assert [await target.count(table, noon(80)) for table in TABLES] == [10, 1, 1]
    return by


@RETENTION.capability(
    "sums by day outlive their rows",
    text="Hours are kept for `RETENTION` and two days, days for `ROLLUP_RETENTION`.",
    tried="spans of 120 days ago are summed up under `RETENTION=400d`; under `RETENTION=90d` they are dropped, and refreshes"
    " are run again.",
)
async def sums_outlive_their_rows(target: Target) -> str:
    at = noon(120)
    store = Store(target.url)
    times = spread(40, at, timedelta(hours=1), 20)
    await target.connection.execute("COMMENT ON TABLE rollup_pending IS NULL")  # as if it had always been kept for so long
    await store.add(40, times)
    await store.settle()
    assert await target.one(_SUMMED, at) == len(times)
    await _expire(target, at)
    assert await target.count("llm_traces", at) == 0
    for view in (HOURLY, DAILY):
        await target.run_job(REFRESH, view)
    assert await target.one(_SUMMED, at) == len(times)
    return YES


async def _expire(target: Target, at: datetime) -> str:
    """Have dropped what is older than the default; returns by whom."""
    await target.maintain()
    if not await target.count("llm_traces", at):
        return "maintenance"
    for relation in (*TABLES, "llm_metrics", HOURLY, DAILY):
        await target.run_job("policy_retention", relation)
    return "policy"
