"""Probes: what is summed up by hour and by day, and when it says what the rows say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llm_observatory.tables import AGGREGATE_VIEWS
from tests.contract.test_rollups import Store, spread
from tests.engines.capability import NO, YES, Section
from tests.engines.target import Target, noon

ROLLUPS = Section(
    "Rollups",
    "`trace_metrics_…`, `llm_usage_…` and `metric_stats_…` have the same names and columns on all engines, and the same"
    " content.",
)

HOURLY, DAILY = "trace_metrics_hourly", "trace_metrics_daily"
REFRESH = "policy_refresh_continuous_aggregate"

_TABLES = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"

_CONTINUOUS = """
SELECT count(*) FROM timescaledb_information.continuous_aggregates WHERE NOT materialized_only AND view_name = ANY(%s)
"""

_EVERY = """
SELECT extract(epoch FROM schedule_interval)::int / 60 FROM timescaledb_information.jobs
WHERE hypertable_name = %s AND proc_name = %s
"""


@ROLLUPS.capability(
    "rollups are",
    text="*Continuous aggregates* with real-time aggregation, which TimescaleDB's jobs refresh every ten minutes (Timescale"
    " licence); or *tables* that the maintenance loop computes from a queue of changed hours, with a view that computes what"
    " is still in the queue on the spot.",
    tried="what each of them is.",
)
async def rollups_are(target: Target) -> str:
    names = [view.name for view in AGGREGATE_VIEWS]
    tables = await target.one(_TABLES, [f"{name}_state" for name in names])
    found = tables or await target.one(_CONTINUOUS, names)
    assert found == len(names)
    return "tables" if tables else "continuous aggregates"


@ROLLUPS.capability(
    "new rows are in them",
    text="What is newer than an hour is computed as it is read.",
    tried="all is brought up to date; spans of the last 40 minutes are written; the rollups by hour and by day are read at"
    " once.",
)
async def new_rows_are_in_them(target: Target) -> str:
    store = Store(target.url)
    await store.settle()
    begin = datetime.now(UTC) - timedelta(minutes=40)
    await store.add(30, spread(30, begin, timedelta(minutes=40), 40))
    return "at once" if await _misses(target, HOURLY) == await _misses(target, DAILY) == 0 else NO


@ROLLUPS.capability(
    "late rows are in hours",
    text="Of a continuous aggregate after the next refresh; of tables at once.",
    tried="all is brought up to date; spans of six days ago are written; the rollup is read, refreshed, and read again.",
)
async def late_rows_are_in_hours(target: Target) -> str:
    await _add_late(target, 31)
    if not await _misses(target, HOURLY):
        return "at once"
    await target.run_job(REFRESH, HOURLY)
    assert not await _misses(target, HOURLY)
    return f"≤ {await target.one(_EVERY, HOURLY, REFRESH)} min"


@ROLLUPS.capability(
    "late rows are in days",
    text="A day of continuous aggregates is made of hours, so it may take a refresh of the hours first and then one of the"
    " days.",
    tried="the same, with the refreshes in the order that takes longest: the days before the hours.",
)
async def late_rows_are_in_days(target: Target) -> str:
    await _add_late(target, 32)
    if not await _misses(target, DAILY):
        return "at once"
    minutes = 0
    for view in (DAILY, HOURLY, DAILY):
        assert await _misses(target, DAILY)
        await target.run_job(REFRESH, view)
        minutes += await target.one(_EVERY, view, REFRESH) if view == DAILY else 0
    assert not await _misses(target, DAILY)
    return f"≤ {minutes} min"


@ROLLUPS.capability(
    "they say what the rows say",
    text="Every column of every rollup, with values at the edges of what a column holds.",
    tried="spans and points over five days, in two parts, the second late; then every row of every rollup is compared with"
    " what Python computes from all rows that are stored, those of the other probes too.",
)
async def they_say_what_the_rows_say(target: Target) -> str:
    store = Store(target.url)
    begin = datetime.now(UTC) - timedelta(days=5)
    await store.add(33, spread(33, begin, timedelta(days=5), 60))
    await store.settle()
    await store.add(34, spread(34, begin + timedelta(days=2), timedelta(hours=20), 30))
    await store.settle()
    assert store.assert_exact() > 100
    return YES


async def _add_late(target: Target, seed: int) -> None:
    store = Store(target.url)
    await target.write(noon(2))  # what holds nothing later was never refreshed
    await store.settle()
    await store.add(seed, spread(seed, noon(6), timedelta(hours=5), 20))


async def _misses(target: Target, view: str) -> int:
    """How many spans `view` does not know of."""
    return int(await target.one(f"SELECT (SELECT count(*) FROM llm_traces) - (SELECT sum(span_count) FROM {view})"))
