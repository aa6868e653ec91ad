"""Rollups say what the rows say: on every engine, with late data, across restarts, and whatever the session's time zone."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import detect
from llm_observatory.storage.engine.partitions import time_us
from llm_observatory.storage.engine.timescaledb import TimescaleDB
from llm_observatory.tables import AGGREGATE_VIEWS
from tests.plugins import brute_force
from tests.plugins.brute_force import assert_rollups_say_what_the_rows_say
from tests.plugins.database import execute

pytestmark = pytest.mark.timeout(180)

SETTINGS = Settings(retention="400d")
"""Far enough back to hold a change to daylight-saving time and one from it, whenever the tests run."""

BERLIN = ZoneInfo("Europe/Berlin")

_INSERT_SPAN = """
INSERT INTO llm_traces (
    tenant, timestamp, timestamp_nanos, trace_id, span_id, flags, is_entry, service_name, span_name, span_kind, duration_ns,
    duration_ms, status_code, source_id, environment, provider, operation, request_model, response_model, service_tier,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_role, reported_cost_usd,
    ttft_ms, attributes, dropped_attributes_count, dropped_events_count, dropped_links_count
) VALUES (
    %(tenant)s, %(at)s, 0, gen_random_uuid(), '\\x01', 0, %(is_entry)s, %(service)s, %(name)s, %(kind)s, %(ns)s, %(ms)s,
    %(status)s, gen_random_uuid(), %(environment)s, %(provider)s, 'chat', %(model)s, %(model)s, %(tier)s, %(input)s, %(output)s,
    %(cached)s, NULL, NULL, %(role)s, %(cost)s, %(ttft)s, '{}', 0, 0, 0
)
"""

_INSERT_POINT = """
INSERT INTO llm_metrics (
    tenant, timestamp, timestamp_nanos, series_id, metric_name, service_name, value, count, sum, min, max, flags
) VALUES (%(tenant)s, %(at)s, 0, %(series)s, %(metric)s, %(service)s, %(value)s, %(count)s, %(sum)s, %(min)s, %(max)s, 0)
"""

_TOUCH = """
INSERT INTO ingest_touched
SELECT DISTINCT tenant, %(signal)s, date_trunc('hour', at, 'UTC'), '{}'::uuid[], now() - INTERVAL '10 minutes'
FROM unnest(%(tenants)s::text[], %(times)s::timestamptz[]) AS row (tenant, at)
"""

HOSTILE_DURATIONS = (0, 1, 999, 2**62, 2**63 - 1)
HOSTILE_DOUBLES = (0.0, -1.0, 1e308, 1.7e308, float("inf"), float("-inf"), float("nan"), 5e-324)
HOSTILE_TOKENS = (0, 2**63 - 1, 32_000, 32_001, 200_000, 200_001, 272_001)


def change_of_clocks(before: datetime) -> Iterator[datetime]:
    """The days of the last changes of the clocks in Berlin, the latest first."""
    day = before.astimezone(BERLIN).replace(hour=12, minute=0, second=0, microsecond=0)
    while True:
        yesterday = day - timedelta(days=1)
        if day.utcoffset() != yesterday.utcoffset():
            yield day.astimezone(UTC).replace(hour=0)
        day = yesterday


def spans(seed: int, times: list[datetime]) -> list[dict[str, Any]]:
    """A span at each time; one in ten is hostile."""
    draw = random.Random(seed)
    made = []
    for at in times:
        hostile = draw.random() < 0.1
        ns = draw.choice(HOSTILE_DURATIONS) if hostile else int(draw.lognormvariate(19, 2))
        timed = draw.random() < 0.95
        made.append({
            "tenant": draw.choice(["default", "default", "other"]),
            "at": at,
            "is_entry": draw.random() < 0.3,
            "service": draw.choice(["shop", "shop", "agent", ""]),
            "name": draw.choice(["chat gpt", "GET /", ""]),
            "kind": draw.randint(0, 5),
            "ns": ns if timed else draw.choice([None, -5]),
            "ms": ns / 1e6 if timed else None,
            "status": draw.choice([0, 1, 2]),
            "environment": draw.choice([None, "production"]),
            "provider": draw.choice([None, "openai", "anthropic"]),
            "model": draw.choice([None, "a", "b"]),
            "tier": draw.choice([None, None, "flex"]),
            "input": draw.choice(HOSTILE_TOKENS) if hostile else draw.choice([None, draw.randint(0, 5000)]),
            "output": draw.choice([None, draw.randint(0, 5000)]),
            "cached": draw.choice([None, 0, 10]),
            "role": draw.choice(["call", "call", "carrier", "rollup", "none", "duplicate"]),
            "cost": draw.choice(HOSTILE_DOUBLES) if hostile else draw.choice([None, draw.random()]),
            "ttft": draw.choice(HOSTILE_DOUBLES) if hostile else draw.choice([None, draw.lognormvariate(5, 1)]),
        })  # fmt: skip
    return made


def points(seed: int, times: list[datetime]) -> list[dict[str, Any]]:
    """A point at each time: of a gauge, or of a histogram."""
    draw = random.Random(seed)
    series = [uuid.UUID(int=draw.getrandbits(128)) for _ in range(3)]
    made = []
    for at in times:
        histogram = draw.random() < 0.4
        value = draw.choice(HOSTILE_DOUBLES) if draw.random() < 0.1 else draw.gauss(10, 20)
        made.append({
            "tenant": "default",
            "at": at,
            "series": draw.choice(series),
            "metric": "requests",
            "service": draw.choice(["shop", ""]),
            "value": None if histogram else value,
            "count": draw.randint(0, 2**40) if histogram else None,
            "sum": value if histogram and draw.random() < 0.9 else None,
            "min": -value if histogram else None,
            "max": value if histogram else None,
        })  # fmt: skip
    return made


def spread(seed: int, begin: datetime, length: timedelta, number: int) -> list[datetime]:
    """Times, some of them on the edge of a bucket. No two are the same: which of two is the last nothing says."""
    draw = random.Random(seed)
    hours = max(length // timedelta(hours=1), 1)
    edges = {begin + timedelta(hours=draw.randrange(hours)) for _ in range(number // 10)}
    inside = {begin + timedelta(microseconds=draw.randrange(length // timedelta(microseconds=1))) for _ in range(number)}
    return sorted(edges | inside)


class Store:
    """A database with rollups: rows in, and what its engine does in the background, on demand."""

    def __init__(self, url: str, settings: Settings = SETTINGS) -> None:
        self.url = url
        self.settings = settings

    async def add(self, seed: int, times: list[datetime]) -> None:
        """Store a span and a point at each time, as a committer does: partitions, rows, and what they touch."""
        connection = await connect(self.url)
        try:
            engine = await detect(connection, self.settings)
            await engine.ensure_partitions(connection, ["llm_traces", "llm_metrics"], [time_us(at) for at in times])
            async with connection.transaction(), connection.cursor() as cursor:
                for signal, insert, rows in (
                    ("traces", _INSERT_SPAN, spans(seed, times)),
                    ("metrics", _INSERT_POINT, points(seed, times)),
                ):
                    for row in rows:  # not executemany: the WebAssembly server takes no pipeline of hundreds
                        await cursor.execute(insert, row)
                    touched = {"tenants": [row["tenant"] for row in rows], "times": [row["at"] for row in rows]}
                    await cursor.execute(_TOUCH, {"signal": signal, **touched})
        finally:
            await connection.close()

    async def settle(self, time_zone: str = "UTC") -> None:
        """All that the engine has to do by now, as its own jobs or our maintenance do it."""
        connection = await connect(self.url)
        try:
            engine = await detect(connection, self.settings)
            await engine.reconcile(connection, self.settings)
            await connection.execute("SELECT set_config('timezone', %s, false)", [time_zone])
            await engine.follow_changes(connection, datetime.now(UTC))
            if isinstance(engine, TimescaleDB) and engine.edition.community:
                # The finer first, or the coarser would be a run behind.
                await self._run_jobs(connection, "policy_refresh_continuous_aggregate", [view.name for view in AGGREGATE_VIEWS])
        finally:
            await connection.close()

    async def reconcile(self, settings: Settings) -> None:
        """As a reload of settings, and the round after it, do it: what has expired by them is dropped."""
        self.settings = settings
        connection = await connect(self.url)
        try:
            engine = await detect(connection, settings)
            await engine.reconcile(connection, settings)
            await engine.drop_expired(connection, time_us(datetime.now(UTC)))
            if isinstance(engine, TimescaleDB) and engine.edition.community:
                relations = ["llm_traces", "llm_metrics", *(view.name for view in AGGREGATE_VIEWS)]
                await self._run_jobs(connection, "policy_retention", relations)
        finally:
            await connection.close()

    async def _run_jobs(self, connection: AsyncConnection, kind: str, relations: list[str]) -> None:
        for relation in relations:
            cursor = await connection.execute(
                "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = %s AND proc_name = %s",
                [relation, kind],
            )
            [(job,)] = await cursor.fetchall()
            async with asyncio.timeout(60):
                # The scheduler may run the same job right now, and of two refreshes one is refused (2.26 and later).
                while not await _ran(connection, job):
                    pass

    def assert_exact(self, time_zone: str = "UTC") -> int:
        """The rollups say what the rows say."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT set_config('timezone', %s, false)", [time_zone])
            return assert_rollups_say_what_the_rows_say(connection)


async def _ran(connection: AsyncConnection, job: int) -> bool:
    try:
        await connection.execute(f"CALL run_job({job})".encode())
    except psycopg.errors.LockNotAvailable:
        return False
    return True


@pytest.fixture
def store(engine_database: str) -> Store:
    """Of a database that has been kept for as long as SETTINGS say since it began: no rows have been dropped of it."""
    execute(engine_database, "COMMENT ON TABLE rollup_pending IS NULL")
    return Store(engine_database)


def now() -> datetime:
    return datetime.now(UTC)


async def test_what_was_never_computed_is_there(store: Store) -> None:
    await store.add(1, spread(1, now() - timedelta(hours=30), timedelta(hours=30), 200))
    assert store.assert_exact() > 100


async def test_after_late_data_and_again(store: Store) -> None:
    begin = now() - timedelta(days=12)
    await store.add(2, spread(2, begin, timedelta(days=12), 300))
    await store.settle()
    store.assert_exact()
    await store.add(3, spread(3, begin + timedelta(days=2), timedelta(hours=40), 100))
    await store.add(4, spread(4, now() - timedelta(minutes=50), timedelta(minutes=50), 50))
    await store.settle()
    assert store.assert_exact() > 300
    await store.settle()
    store.assert_exact()


@pytest.mark.parametrize("time_zone", ["Europe/Berlin", "Australia/Lord_Howe"])
async def test_across_a_change_of_clocks(store: Store, time_zone: str) -> None:
    """Buckets are those of UTC, on both sides of both changes, in a session of any time zone."""
    for seed, day in enumerate(islice(change_of_clocks(now() - timedelta(days=3)), 2)):
        await store.add(seed, spread(seed, day - timedelta(days=1), timedelta(days=3), 150))
    store.assert_exact(time_zone)
    await store.settle(time_zone)
    store.assert_exact(time_zone)
    with psycopg.connect(store.url) as connection:
        connection.execute("SELECT set_config('timezone', %s, false)", [time_zone])
        rows = brute_force.read(connection, "trace_metrics_daily")
    assert {row["bucket"].astimezone(UTC).hour for row in rows} == {0}


async def test_percentiles_merge_over_services_and_time(store: Store) -> None:
    """As docs/schema.md shows it."""
    await store.add(5, spread(5, now() - timedelta(days=2), timedelta(days=2), 400))
    await store.settle()
    with psycopg.connect(store.url) as connection:
        merged = connection.execute(
            "SELECT log_histogram_quantile(log_histogram_merge(duration_buckets), 0.9) FROM trace_metrics_daily"
        ).fetchone()
        exact = connection.execute("SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY duration_ms) FROM llm_traces").fetchone()
    assert merged is not None
    assert exact is not None
    assert merged[0] == pytest.approx(exact[0], rel=brute_force.QUANTILE_ERROR)


async def test_made_anew_they_say_the_same(store: Store) -> None:
    """A definition of another version, or none at all, as after an upgrade."""
    await store.add(6, spread(6, now() - timedelta(days=3), timedelta(days=3), 200))
    await store.settle()
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute("COMMENT ON VIEW llm_usage_daily IS 'llm-observatory rollup of another version'")
        connection.execute("INSERT INTO telemetry_sources SELECT tenant, source_id, '', '{}', 0, '', NULL, '', '', '{}', 0, '',"
                           " current_date FROM llm_traces GROUP BY 1, 2")  # fmt: skip
    await store.settle()
    store.assert_exact()


async def test_what_retention_dropped_stays_summed_up_when_it_is_raised_again(store: Store) -> None:
    """Sums by day outlive their rows: no refresh and no late record may compute them from what is left."""
    long, short = SETTINGS, Settings(retention="10d", rollup_retention="400d")
    old = (now() - timedelta(days=30)).replace(hour=12, minute=0)
    await store.add(7, spread(7, old, timedelta(hours=3), 60))
    await store.settle()
    with psycopg.connect(store.url, autocommit=True) as connection:
        before = brute_force.read(connection, "trace_metrics_daily")
    assert before
    await store.reconcile(short)
    await store.reconcile(long)
    await store.add(8, [old + timedelta(hours=1, minutes=7)])
    for _ in range(2):
        with psycopg.connect(store.url, autocommit=True) as connection:
            after = brute_force.read(connection, "trace_metrics_daily")
        assert sorted(map(repr, after)) == sorted(map(repr, before))
        await store.settle()


async def test_rollups_of_rows_that_are_kept_for_hours(store: Store) -> None:
    """Two days, a day, two hours, with late records at each: hours and days say what all rows said that ever were."""
    rows: dict[str, dict[str, brute_force.Row]] = {"llm_traces": {}, "llm_metrics": {}}
    for seed, hours in enumerate((48, 24, 2)):
        await store.reconcile(Settings(retention=f"{hours}h", chunk_interval="1h", compress_after="1h"))
        for late in range(2):
            length = timedelta(hours=hours - 1, minutes=-1)
            await store.add(10 * seed + late, spread(10 * seed + late, now() - length, length, 80))
            await store.settle()
            with psycopg.connect(store.url, autocommit=True) as connection:
                for table, seen in rows.items():
                    seen.update((repr(row), row) for row in brute_force.read(connection, table))
                expected = {table: list(seen.values()) for table, seen in rows.items()}
                assert brute_force.assert_rollups_say_what_the_rows_say(connection, expected) > 50
    with psycopg.connect(store.url, autocommit=True) as connection:
        left = brute_force.read(connection, "llm_traces")
    assert min(row["timestamp"] for row in left) > now() - timedelta(hours=4)
