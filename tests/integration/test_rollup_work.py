"""The work behind rollups while something else happens: a kill, a second worker, writers, a long reader."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

import psycopg
import pytest

from llm_observatory import metrics
from llm_observatory.errors import DataRejected, StorageError
from llm_observatory.settings import Settings
from llm_observatory.storage import touched
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import CurrentEngine, detect
from llm_observatory.storage.engine.whole import remember_dropped, remember_what_is_dropped
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.rollups import work
from llm_observatory.storage.turns import Hour, Turns
from tests.contract.test_rollups import Store, now, spread
from tests.integration.test_promises import fetch, payload_of, session_on, write_request
from tests.plugins import brute_force
from tests.plugins.brute_force import assert_rollups_say_what_the_rows_say
from tests.plugins.database import execute

pytestmark = pytest.mark.timeout(180)

WAITS = """
SELECT pid FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database() AND pid <> pg_backend_pid()
"""

WHERE_SUMS_ARE = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname LIKE 'trace_metrics_daily_state' OR c.relname LIKE '\\_materialized\\_hypertable\\_%' AND c.relkind = 'r'
ORDER BY 1
"""
"""The tables behind `trace_metrics_daily`, and of continuous aggregates all: a refresh writes them last."""


_collect = touched.collect
SIGNALS = ("metrics", "traces")


async def collect_all(connection: AsyncConnection, signals: Iterable[str], _deadline: float) -> None:
    """Where a round has no time, all is collected all the same."""
    await _collect(connection, signals, time.monotonic() + 60)


@pytest.fixture
def store(database: str, licence: str | None) -> Store:
    if licence is not None:
        execute(database, "SELECT _timescaledb_functions.stop_background_workers()")  # tests run jobs themselves
    return Store(database)


async def test_killed_in_the_middle(store: Store) -> None:
    """The backend that computes is killed while it waits to write its last sums; what it did so far is undone or done again."""
    await store.add(1, spread(1, now() - timedelta(days=2), timedelta(days=2), 200))
    tables = [name for (name,) in await fetch(store.url, WHERE_SUMS_ARE)]
    holder = await connect(store.url)
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {tables[-1]} IN SHARE MODE".encode())
            worker = asyncio.create_task(store.settle())
            async with asyncio.timeout(30):
                while not (waiting := await fetch(store.url, WAITS)):
                    pass
            await holder.execute("SELECT pg_terminate_backend(%s)", [waiting[0][0]])
            with pytest.raises((psycopg.Error, StorageError)):
                await worker
    finally:
        await holder.close()
    await store.settle()
    store.assert_exact()


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_two_workers_at_once(store: Store) -> None:
    await store.add(2, spread(2, now() - timedelta(days=4), timedelta(days=4), 300))
    await asyncio.gather(store.settle(), store.settle(), store.settle())
    store.assert_exact()
    assert await fetch(store.url, "SELECT count(*) FROM rollup_pending WHERE hour < now() - INTERVAL '1 hour'") == [(0,)]


@pytest.mark.rollup_tables("continuous aggregates show late rows at their next refresh")
async def test_every_reader_sees_exact_sums_at_every_moment(store: Store) -> None:
    """While rows come, late ones too, and hours are computed: in one snapshot rollups and rows agree."""
    begin = now() - timedelta(days=2)
    await store.add(3, spread(3, begin, timedelta(days=2), 100))
    done = asyncio.Event()

    async def write() -> None:
        for seed in range(4, 12):
            await store.add(seed, spread(seed, begin, timedelta(days=2), 30))
        done.set()

    async def settle() -> None:
        while not done.is_set():
            await store.settle()

    def compare() -> int:
        with psycopg.connect(store.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return assert_rollups_say_what_the_rows_say(connection)

    async def watch() -> int:
        looks = 0
        while not done.is_set():
            await asyncio.to_thread(compare)
            looks += 1
        return looks

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        tasks.create_task(settle())
        watched = tasks.create_task(watch())
    assert watched.result() > 1


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_an_hour_that_is_filed_again_while_it_is_computed(store: Store) -> None:
    """The hour was filed before, and the collector has not committed yet: neither hour nor day stay behind."""
    hour = (now() - timedelta(days=2)).replace(hour=7, minute=0, second=0, microsecond=0)
    await store.add(30, spread(30, hour, timedelta(hours=1), 20))
    await store.settle()
    await store.add(31, spread(31, hour, timedelta(hours=1), 20))
    async with await connect(store.url) as computing, await connect(store.url) as collecting:
        await touched.collect(computing, SIGNALS, time.monotonic() + 60)
        await store.add(32, spread(32, hour, timedelta(hours=1), 20))
        async with collecting.transaction():
            await touched.collect(collecting, SIGNALS, time.monotonic() + 60)
            pending = Hour("default", "traces", hour)
            compute = asyncio.create_task(work.compute(computing, pending, hour))
            async with asyncio.timeout(30):
                while not compute.done() and not await fetch(store.url, WAITS):
                    pass
        assert await compute
    await store.settle()
    assert store.assert_exact() > 0


async def test_a_retried_request_is_summed_once(store: Store) -> None:
    """The second copy is known by its digest: neither its rows nor its sums are there twice."""
    requests = [write_request(payload_of("shop", days_ago=days, spans=40)) for days in (0, 1, 2)]
    async with session_on(store.url) as session:
        for _ in range(3):
            await session.write(requests)
    assert await fetch(store.url, "SELECT count(*) FROM llm_traces") == [(120,)]
    store.assert_exact()
    await store.settle()
    store.assert_exact()
    assert await fetch(store.url, "SELECT sum(span_count) FROM trace_metrics_daily") == [(120,)]


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_an_hour_settles_before_it_is_computed(store: Store) -> None:
    """An hour that rows trickle into is computed once in a while, not once in a round; the view is exact meanwhile."""
    await store.add(20, spread(20, now() - timedelta(hours=9), timedelta(hours=6), 50))
    async with await connect(store.url) as connection:
        await connection.execute("UPDATE ingest_touched SET touched_at = now()")
        oldest = now() - timedelta(days=30)
        assert await work.work_off(connection, now(), oldest) == 0
        store.assert_exact()
        later = now() + work.SETTLE + timedelta(seconds=1)
        computed = await work.work_off(connection, later, oldest)
    assert computed > 6
    store.assert_exact()


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_a_backlog_is_worked_off_in_rounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.add(21, spread(21, now() - timedelta(days=3), timedelta(days=3), 100))
    monkeypatch.setattr(work, "BUDGET_SECONDS", 0.05)
    async with await connect(store.url) as connection:
        first = await work.work_off(connection, now(), now() - timedelta(days=30))
        left = (await fetch(store.url, "SELECT count(*) FROM rollup_pending"))[0][0]
        assert first > 0 < left
    store.assert_exact()


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_hours_that_change_again_and_again_keep_no_other_waiting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hour a round, and before each round all but the oldest change: the oldest has its turn before any is served twice."""
    hours = [(now() - timedelta(hours=back)).replace(minute=5, second=0, microsecond=0) for back in range(2, 8)]
    await store.add(24, hours)
    monkeypatch.setattr(work, "BUDGET_SECONDS", 0)
    monkeypatch.setattr(touched, "collect", collect_all)
    async with await connect(store.url) as connection:
        await touched.collect(connection, SIGNALS, 0)
        [(oldest, rounds)] = await fetch(store.url, "SELECT min(hour), count(*) FROM rollup_pending")
        for _ in range(rounds):
            await store.add(25, hours[:-1])
            assert await work.work_off(connection, now(), now() - timedelta(days=30)) == 1
    assert await fetch(store.url, f"SELECT count(*) FROM rollup_pending WHERE hour = '{oldest}'") == [(0,)]
    store.assert_exact()


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_an_hour_that_cannot_be_computed_goes_to_the_end_of_the_queue(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.add(26, spread(26, now() - timedelta(days=1), timedelta(hours=9), 30))
    monkeypatch.setattr(work, "BUDGET_SECONDS", 0)
    monkeypatch.setattr(touched, "collect", collect_all)
    compute, tried = work.compute, list[Hour]()

    async def fail_the_first(connection: AsyncConnection, pending: Hour, oldest: datetime) -> bool:
        tried.append(pending)
        if pending == tried[0]:
            raise StorageError("it takes too long")
        return await compute(connection, pending, oldest)

    monkeypatch.setattr(work, "compute", fail_the_first)
    turns, oldest = Turns(), now() - timedelta(days=30)
    async with await connect(store.url) as connection:
        with pytest.raises(StorageError, match="it takes too long"):
            await work.work_off(connection, now(), oldest, turns=turns)
        assert [await work.work_off(connection, now(), oldest, turns=turns) for _ in range(3)] == [1, 1, 1]
    assert tried.count(tried[0]) == 1
    store.assert_exact()


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_the_hours_after_one_that_cannot_be_computed_are_computed_in_the_same_round(store: Store) -> None:
    """The round fails all the same, and says how many hours still wait."""
    begin = (now() - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    broken = begin + timedelta(hours=4)
    await store.add(27, spread(27, begin, timedelta(hours=9), 60))
    async with await connect(store.url) as connection:
        await touched.collect(connection, SIGNALS, time.monotonic() + 60)
        await connection.execute(
            b"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE division_by_zero; END $$"
        )
        await connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON trace_metrics_hourly_state FOR EACH ROW"
            f" WHEN (new.tenant = 'default' AND new.bucket = '{broken}') EXECUTE FUNCTION refuse()".encode()
        )
        with pytest.raises(DataRejected):
            await work.work_off(connection, now(), now() - timedelta(days=30))
        assert await fetch(store.url, "SELECT tenant, signal, hour FROM rollup_pending") == [("default", "traces", broken)]
        assert metrics.ROLLUP_PENDING_HOURS._value.get() == 1
        store.assert_exact()


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_expired_hours_are_forgotten_and_what_was_computed_of_them_stays(store: Store) -> None:
    await store.add(22, spread(22, now() - timedelta(days=6), timedelta(days=1), 50))
    await store.settle()
    before = await fetch(store.url, "SELECT count(*), sum(span_count) FROM trace_metrics_hourly")
    async with await connect(store.url) as connection:
        await connection.execute(
            "INSERT INTO rollup_pending SELECT tenant, 'traces', bucket, now() FROM trace_metrics_hourly GROUP BY 1, 3"
        )
        await connection.execute("DELETE FROM llm_traces")
        assert await work.work_off(connection, now(), now() - timedelta(days=2)) == 0
    assert await fetch(store.url, "SELECT count(*), sum(span_count) FROM trace_metrics_hourly") == before


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
@pytest.mark.parametrize("changed", [5, 23])
async def test_a_day_is_computed_although_the_last_of_its_hours_expires_while_it_waits(store: Store, changed: int) -> None:
    """Two hours of a day have changed; the second is forgotten, and nobody would come later for the first one's sake."""
    day = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=6)
    await store.add(28, spread(28, day, timedelta(hours=24), 60))
    await store.settle()
    await store.add(29, [day + timedelta(hours=4, minutes=minute) for minute in range(1, 9)])
    waiting = Hour("default", "traces", day + timedelta(hours=changed))
    async with await connect(store.url) as connection:
        await touched.collect(connection, SIGNALS, time.monotonic() + 60)
        await connection.execute("INSERT INTO rollup_pending VALUES (%s, %s, %s, now())", waiting)
        await connection.execute("DELETE FROM rollup_pending WHERE tenant <> 'default' OR signal <> 'traces'")
        assert await work.work_off(connection, now(), day) == 1
        sums = "SELECT (SELECT sum(span_count) FROM trace_metrics_daily_state WHERE tenant = 'default')"
        assert await fetch(store.url, f"{sums} = (SELECT count(*) FROM llm_traces WHERE tenant = 'default')") == [(False,)]
        await remember_dropped(connection, day + timedelta(hours=changed + 1))
        await connection.execute("DELETE FROM llm_traces WHERE timestamp < %s", [day + timedelta(hours=changed + 1)])
        assert await work.work_off(connection, now(), day + timedelta(hours=changed + 1)) == 0
    assert await fetch(store.url, "SELECT count(*) FROM rollup_pending") == [(0,)]
    by_hour = "SELECT sum(span_count) FROM trace_metrics_hourly_state WHERE tenant = 'default'"
    assert await fetch(store.url, f"{sums} = ({by_hour})") == [(True,)]


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_a_day_whose_hours_have_expired_says_what_it_said(store: Store) -> None:
    """Its sums by hour are gone: a late record, or an import, must not have it computed from what is left."""
    await store.add(22, spread(22, now() - timedelta(days=6), timedelta(days=1), 50))
    await store.settle()
    days = "SELECT bucket, sum(span_count) FROM trace_metrics_daily_state GROUP BY 1 ORDER BY 1"
    before = await fetch(store.url, days)
    async with await connect(store.url) as connection:
        oldest = now() - timedelta(days=3)
        await remember_dropped(connection, oldest.replace(minute=0, second=0, microsecond=0))
        await connection.execute("DELETE FROM trace_metrics_hourly_state")
        await store.add(23, [now() - timedelta(days=6)])
        assert await work.work_off(connection, now(), oldest) == 0
    assert await fetch(store.url, days) == before


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_nobody_waits_for_the_work(store: Store) -> None:
    """A long reader of rollups and rows and an open writer are in nobody's way: waiting for them would never end."""
    await store.add(23, spread(23, now() - timedelta(days=2), timedelta(days=2), 200))
    touch = "INSERT INTO ingest_touched VALUES ('default', 'traces', date_trunc('hour', now()), '{}', now())"
    async with (
        await connect(store.url) as reader,
        await connect(store.url) as writer,
        reader.transaction(),
        writer.transaction(),
    ):
        await reader.execute("SELECT count(*) FROM trace_metrics_daily")
        await reader.execute("SELECT count(*) FROM llm_traces")
        await writer.execute(touch.encode())
        async with asyncio.timeout(20):
            await store.settle()
        computed = await fetch(store.url, "SELECT count(*) FROM trace_metrics_daily_state")
        assert computed[0][0] > 0


@pytest.mark.rollup_tables("continuous aggregates have jobs of their own")
async def test_what_expired_while_nobody_worked_is_summed_up_before_it_is_dropped(store: Store) -> None:
    """RETENTION of two hours, and the service was down for four."""
    settings = Settings(retention="2h", chunk_interval="1h")
    store.settings = settings
    async with await connect(store.url) as connection:
        await remember_what_is_dropped(connection, settings, now() - timedelta(hours=6))
        await (await detect(connection, settings)).reconcile(connection, settings)  # chunks of an hour, not of a day
    await store.add(40, spread(40, now() - timedelta(hours=6), timedelta(hours=5), 100))
    with psycopg.connect(store.url) as reading:
        ever = {table: brute_force.read(reading, table) for table in ("llm_traces", "llm_metrics")}
    engine = CurrentEngine(lambda: connect(store.url), settings)
    maintenance = Maintenance(lambda: connect(store.url), settings, engine)
    try:
        assert set((await maintenance.run_once()).values()) == {"success"}
    finally:
        await maintenance.close()
    with psycopg.connect(store.url) as reading:
        assert len(brute_force.read(reading, "llm_traces")) < len(ever["llm_traces"])
        assert assert_rollups_say_what_the_rows_say(reading, ever) > 50
