"""Rollups: the first refresh, a refresh of one hour with late rows, and how fast they are read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from statistics import median
from typing import Any, LiteralString

from psycopg import sql

from benchmarks.timescale.bars import Bar, spread
from benchmarks.timescale.database import elapsed, opened, row, say
from benchmarks.timescale.dataset import Dataset
from benchmarks.timescale.ingest import Group, points
from benchmarks.timescale.pool import SERVICES
from llm_observatory.operate.bench.query.pool import DAY, session
from llm_observatory.tables import ROLLUP_VIEWS

HOUR = timedelta(hours=1)
LATE_SPANS = 500
READS = 7
RAW = "the same from llm_traces"

_REFRESH = "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz)"

_HOURLY = """
SELECT bucket, service_name, sum(span_count), sum(error_count),
       log_histogram_quantile(log_histogram_merge(duration_buckets), 0.95)
FROM trace_metrics_hourly WHERE tenant = 'default' AND bucket >= %s AND bucket < %s GROUP BY 1, 2
"""

_RAW = """
SELECT time_bucket('1 hour', timestamp), service_name, count(*), count(*) FILTER (WHERE status_code = 2),
       log_histogram_quantile(log_histogram(log_bucket(duration_ms)), 0.95)
FROM llm_traces WHERE tenant = 'default' AND timestamp >= %s AND timestamp < %s GROUP BY 1, 2
"""

_DAILY = """
SELECT bucket, service_name, sum(span_count), sum(error_count),
       log_histogram_quantile(log_histogram_merge(duration_buckets), 0.95)
FROM trace_metrics_daily WHERE tenant = 'default' AND bucket >= %s AND bucket < %s GROUP BY 1, 2
"""

_USAGE = """
SELECT bucket, request_model, sum(call_count), sum(input_tokens), sum(output_tokens)
FROM llm_usage_daily WHERE tenant = 'default' AND bucket >= %s AND bucket < %s GROUP BY 1, 2
"""

_READS: dict[str, tuple[LiteralString, timedelta]] = {
    "trace_metrics_hourly, 24 h by service": (_HOURLY, DAY),
    RAW: (_RAW, DAY),
    "trace_metrics_daily, 30 days by service": (_DAILY, 30 * DAY),
    "llm_usage_daily, 30 days by model": (_USAGE, 30 * DAY),
}


async def measure_refresh(dataset: Dataset, late: int) -> list[Bar]:
    """Refresh everything but the newest hour, then hours into which late rows came, of `late` days among the compressed."""
    details: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {}
    async with opened(dataset.conninfo) as connection:
        for view in ROLLUP_VIEWS:
            took = await elapsed(connection, _REFRESH, view.name, dataset.first - DAY, dataset.clock - HOUR)
            (filled,) = await row(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(view.name)))
            details[f"first refresh of {view.name}"] = {"seconds": round(took, 2), "rows": filled}
            say(f"first refresh of {view.name}: {took:.1f} s, {filled:,} rows")
        for where, hour in _late_hours(dataset, late):
            await _write_late(dataset.conninfo, hour)
            for view in ROLLUP_VIEWS:
                begin, length = (hour, HOUR) if view.grain == "hourly" else (hour.replace(hour=0), DAY)
                took = await elapsed(connection, _REFRESH, view.name, begin, begin + length)
                seconds.setdefault(f"{view.name}, {where}", []).append(took)
            slowest = max(all_[-1] for name, all_ in seconds.items() if name.endswith(where))
            slowest = max(all_[-1] for name, all_ in seconds.items() if name.endswith(where))
            say(f"refresh of {hour:%m-%d %H:%M} ({where}): {slowest:.3f} s the slowest")
    details |= {name: spread(all_) for name, all_ in seconds.items()}
    return [
        Bar(
            "refresh of an hour with late rows, the slowest rollup", max(map(median, seconds.values())), "s", 1, details=details
        )
    ]


def _late_hours(dataset: Dataset, late: int) -> Iterator[tuple[str, datetime]]:
    for number in range(late):
        yield "rowstore", dataset.day(-2) + (number + 3) * HOUR
        yield "columnstore", dataset.day(dataset.days // 2 - number) + 12 * HOUR


async def _write_late(conninfo: str, hour: datetime) -> None:
    """A few hundred spans, and points, of that hour, as the service stores them."""
    group = Group(Random(hour.isoformat()), LATE_SPANS, hour, HOUR)  # noqa: S311 - ids, no secrets
    async with session(conninfo) as opened_session:
        await opened_session.write([*group.fresh(), *(points(name, hour) for name in SERVICES)])


async def measure_reads(dataset: Dataset) -> list[Bar]:
    """Median seconds of what a dashboard asks for; no bar was set for them but that of a refresh."""
    details: dict[str, Any] = {}
    async with opened(dataset.conninfo) as connection:
        for name, (query, length) in _READS.items():
            took = [await elapsed(connection, query, dataset.clock - length, dataset.clock) for _ in range(READS)]
            details[name] = spread(took)
            say(f"read {name}: {details[name]}")
    slowest = max(one["median"] for name, one in details.items() if name != RAW)
    return [Bar("reading rollups, the slowest query", slowest, "s", 1, details=details)]
