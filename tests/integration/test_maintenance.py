"""The maintenance loop against a real PostgreSQL: one of many works, what it prunes, and what it leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from llm_observatory import metrics
from llm_observatory.errors import StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import maintenance, prune
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import CurrentEngine
from llm_observatory.storage.engine.partitions import existing
from llm_observatory.storage.locks import Lock
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.tables import INGEST_LEDGER, PARTITIONED
from tests.plugins.database import execute

STEPS = [
    "reconcile", "partitions", "rollups", "usage_corrections", "search_filters", "retention", "ledger", "log_feed",
    "dead_letters", "dimensions", "analyze",
]  # fmt: skip

Make = Callable[..., Maintenance]


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(database: str, clock: Clock) -> AsyncIterator[Make]:
    """Maintenance as one process has it; all are closed at the end."""
    made: list[Maintenance] = []

    def one(settings: Settings | None = None, conninfo: str = database) -> Maintenance:
        settings = settings or Settings()
        made.append(Maintenance(lambda: connect(conninfo), settings, CurrentEngine(lambda: connect(conninfo), settings), clock))
        return made[-1]

    yield one
    for process in made:
        await process.close()


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection]:
    connection = await connect(database)
    yield connection
    await connection.close()


async def _count(connection: AsyncConnection, table: str) -> int:
    row = await (await connection.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()
    assert row is not None
    return int(row[0])


async def _ledger(connection: AsyncConnection, age: timedelta, rows: int) -> None:
    await connection.execute(
        "INSERT INTO ingest_ledger SELECT 'default', 'traces', uuid_send(gen_random_uuid()), now() - %s, ''"
        " FROM generate_series(1, %s)",
        [age, rows],
    )


async def _dead(connection: AsyncConnection, age: timedelta, size: int) -> None:
    await connection.execute(
        "INSERT INTO dead_letters VALUES ('default', 'traces', '', now() - %s, 'why', convert_to(repeat('x', %s), 'UTF8'))",
        [age, size],
    )


@pytest.mark.postgresql("partitions")
async def test_a_round_makes_partitions_for_a_week_and_succeeds_in_every_step(make: Make, connection: AsyncConnection) -> None:
    before = {step: metrics.MAINTENANCE_RUNS.labels(step, "success")._value.get() for step in STEPS}
    assert await make().run_once() == dict.fromkeys(STEPS, "success")
    partitions = await existing(connection, "llm_traces")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    names = [f"llm_traces_p{today + timedelta(days=day):%Y%m%d}" for day in range(8)]
    assert [partition.name for partition in partitions][:8] == names
    after = {step: metrics.MAINTENANCE_RUNS.labels(step, "success")._value.get() for step in STEPS}
    assert after == {step: count + 1 for step, count in before.items()}
    cursor = await connection.execute("SELECT reltuples >= 0 FROM pg_class WHERE relname = 'llm_traces'")
    assert await cursor.fetchone() == (True,)


async def test_of_two_processes_one_works_and_the_other_takes_over(make: Make) -> None:
    first, second = make(), make()
    assert list(await first.run_once()) == STEPS
    assert await second.run_once() == {}
    assert list(await first.run_once()) == STEPS
    await first.close()
    assert list(await second.run_once()) == STEPS
    assert await first.run_once() == {}


@pytest.mark.postgresql("partitions")
async def test_expired_partitions_go(make: Make, connection: AsyncConnection) -> None:
    await connection.execute(
        "CREATE TABLE trace_index_p20200101 PARTITION OF trace_index FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')"
    )
    await connection.execute(
        "CREATE TABLE trace_index_p20200103 PARTITION OF trace_index FOR VALUES FROM ('2020-01-03') TO ('2020-01-04')"
    )
    await make().run_once()
    cursor = await connection.execute("SELECT to_regclass('trace_index_p20200103') IS NULL")
    assert await cursor.fetchone() == (True,)
    assert all(
        partition.lower > 0 and partition.name.startswith("trace_index_p2")
        for partition in await existing(connection, "trace_index")
    )


@pytest.mark.postgresql("partitions")
async def test_a_reload_changes_how_long_each_table_is_kept(make: Make, connection: AsyncConnection, clock: Clock) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for table in PARTITIONED:
        for days in (20, 40):
            day = today - timedelta(days=days)
            await connection.execute(
                f"CREATE TABLE {table}_p{day:%Y%m%d} PARTITION OF {table}"
                f" FOR VALUES FROM ('{day:%F}+00') TO ('{day + timedelta(days=1):%F}+00')".encode()
            )
    process = make()

    async def old() -> dict[str, int]:
        now = today.timestamp() * 1e6
        return {table: sum(part.upper < now for part in await existing(connection, table)) for table in PARTITIONED}

    for settings, kept, content in (
        (Settings(), 2, 2),
        (Settings(content_retention=timedelta(days=10)), 2, 0),
        (Settings(retention=timedelta(days=30)), 1, 0),
    ):
        process.reload(settings)
        await process.run_once()
        assert await old() == {**dict.fromkeys(PARTITIONED, kept), "llm_content": content}


@pytest.mark.postgresql("partitions")
async def test_partitions_ahead_are_bounded_whatever_is_let_in(make: Make, connection: AsyncConnection) -> None:
    await make(Settings(accept_max_ahead=timedelta(days=36_500), chunk_interval=timedelta(days=1))).run_once()
    assert len(await existing(connection, "llm_traces")) == 8


@pytest.mark.postgresql("partitions")
async def test_a_clock_that_jumps_ahead_makes_nothing_expire(
    make: Make, connection: AsyncConnection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute after a good round the clock is half a year ahead; an hour later it is believed."""
    real, ahead = maintenance._now, timedelta(0)

    async def shifted(connection: AsyncConnection) -> datetime:
        return await real(connection) + ahead

    monkeypatch.setattr(maintenance, "_now", shifted)
    process = make()
    await process.run_once()
    clock.now += maintenance.QUIET_SECONDS
    await process.run_once()
    before = await existing(connection, "llm_traces")
    await _ledger(connection, timedelta(0), 2)
    await _dead(connection, timedelta(0), 1)
    clock.now += 60
    ahead = timedelta(days=180)
    for _ in range(2):
        assert await process.run_once() == dict.fromkeys(STEPS, "success")
    assert set(before) < set(await existing(connection, "llm_traces"))
    assert await _count(connection, "ingest_ledger") == 2
    assert await _count(connection, "dead_letters") == 1
    clock.now += maintenance.QUIET_SECONDS
    await process.run_once()
    assert not set(before) & set(await existing(connection, "llm_traces"))
    assert await _count(connection, "ingest_ledger") == 0
    assert await _count(connection, "dead_letters") == 0


Shift = Callable[[timedelta], None]


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Shift:
    """Has the clock of everybody be ahead by so much."""
    real, ahead = maintenance._now, timedelta(0)

    async def shifted(connection: AsyncConnection) -> datetime:
        return await real(connection) + ahead

    def shift(by: timedelta) -> None:
        nonlocal ahead
        ahead = by

    monkeypatch.setattr(maintenance, "_now", shifted)
    return shift


async def _marks(connection: AsyncConnection) -> set[datetime]:
    cursor = await connection.execute(
        "SELECT right(obj_description(marked::regclass), 25)::timestamptz"
        " FROM unnest(ARRAY['rollup_pending', 'usage_pending']) marked"
    )
    return {mark for (mark,) in await cursor.fetchall()}


@pytest.mark.postgresql("partitions")
@pytest.mark.parametrize("follows", [False, True])
async def test_who_takes_over_while_the_clock_is_ahead_lets_nothing_expire(
    make: Make, connection: AsyncConnection, clock: Clock, shift: Shift, *, follows: bool
) -> None:
    """Started anew, or a follower that saw the clock while it was right; an hour later it is believed."""
    first, second = make(), make()
    await first.run_once()
    if follows:
        await second.run_once()
        await connection.execute("COMMENT ON TABLE rollup_pending IS NULL")
    before, marks = set(await existing(connection, "llm_traces")), await _marks(connection)
    shift(timedelta(days=400))
    await first.close()
    clock.now += 60
    for _ in range(2):
        assert await second.run_once() == dict.fromkeys(STEPS, "success")
    assert before < set(await existing(connection, "llm_traces"))
    assert await _marks(connection) == marks
    clock.now += maintenance.QUIET_SECONDS
    await second.run_once()
    assert not before & set(await existing(connection, "llm_traces"))


@pytest.mark.postgresql("partitions")
@pytest.mark.parametrize("stored", [True, False])
async def test_a_shorter_retention_is_told_from_a_clock_that_is_ahead(
    make: Make, connection: AsyncConnection, clock: Clock, *, stored: bool
) -> None:
    """By requests that were stored more than an hour ago: without any, expiry begins an hour later."""
    day = datetime.now(UTC) - timedelta(days=40)
    first = make()
    await first.run_once()
    await first.close()
    await connection.execute(
        "CREATE TABLE llm_traces_p_old PARTITION OF llm_traces"
        f" FOR VALUES FROM ('{day:%F}') TO ('{day + timedelta(days=1):%F}')".encode()
    )
    await _ledger(connection, timedelta(hours=2) if stored else timedelta(minutes=59), 1)
    process = make(Settings(retention=timedelta(days=30)))
    gone = "SELECT to_regclass('llm_traces_p_old') IS NULL"
    await process.run_once()
    assert await (await connection.execute(gone)).fetchone() == (stored,)
    clock.now += maintenance.QUIET_SECONDS
    await process.run_once()
    assert await (await connection.execute(gone)).fetchone() == (True,)


@pytest.mark.rollup_tables("the queue is theirs")
async def test_what_a_clock_that_was_ahead_left_behind_is_put_back(
    make: Make, connection: AsyncConnection, clock: Clock, shift: Shift
) -> None:
    """An hour after it is right again rollups go on, from that hour on. Before nothing is put back: it may be behind."""
    process = make()
    shift(timedelta(days=400))
    await process.run_once()
    await process.close()
    shift(timedelta(0))
    wrong = await _marks(connection)
    assert min(wrong) > datetime.now(UTC) + timedelta(days=300)
    process = make()
    for passed in (0.0, maintenance.QUIET_SECONDS - 1):
        clock.now += passed
        assert await process.run_once() == dict.fromkeys(STEPS, "success")
        assert await _marks(connection) == wrong
    clock.now += 1
    with structlog.testing.capture_logs() as logs:
        await process.run_once()
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert await _marks(connection) <= {hour, hour - timedelta(hours=1)}
    assert len([line for line in logs if "a clock was ahead" in line["event"]]) == 2
    await connection.execute("INSERT INTO ingest_touched VALUES ('default', 'traces', %s, '{}', now())", [hour])
    await process.run_once()
    assert await _count(connection, "rollup_pending") == 1


async def test_the_ledger_is_pruned_only_an_hour_after_the_start(make: Make, connection: AsyncConnection, clock: Clock) -> None:
    await _ledger(connection, timedelta(hours=7), 3)
    await _ledger(connection, timedelta(hours=5), 2)
    process = make()
    await process.run_once()
    clock.now += maintenance.QUIET_SECONDS - 1
    await process.run_once()
    assert await _count(connection, "ingest_ledger") == 5
    clock.now += 1
    await process.run_once()
    assert await _count(connection, "ingest_ledger") == 2


async def test_the_ledger_is_left_alone_after_an_outage(make: Make, connection: AsyncConnection, clock: Clock) -> None:
    process = make()
    await process.run_once()
    clock.now += maintenance.QUIET_SECONDS
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(StorageUnavailable):
        await process.run_once()
    await _ledger(connection, timedelta(hours=7), 3)
    assert list(await process.run_once()) == STEPS
    assert await _count(connection, "ingest_ledger") == 3
    clock.now += maintenance.QUIET_SECONDS
    await process.run_once()
    assert await _count(connection, "ingest_ledger") == 0


async def test_dimensions_are_forgotten_once_a_day_and_never_while_the_clock_is_in_doubt(
    make: Make, connection: AsyncConnection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ahead = maintenance._now, timedelta(0)

    async def shifted(connection: AsyncConnection) -> datetime:
        return await real(connection) + ahead

    async def add(days: int) -> None:
        await connection.execute(
            "INSERT INTO telemetry_sources VALUES ('default', gen_random_uuid(), '', '{}', 0, '', NULL, '', '', '{}', 0, '',"
            " current_date - %s)",
            [days],
        )

    monkeypatch.setattr(maintenance, "_now", shifted)
    process = make()
    await add(200)
    for passed, left in ((0, 1), (maintenance.QUIET_SECONDS, 0)):
        clock.now += passed
        assert list(await process.run_once()) == STEPS
        assert await _count(connection, "telemetry_sources") == left
    await add(200)
    await process.run_once()
    assert await _count(connection, "telemetry_sources") == 1
    clock.now += maintenance.FORGET_SECONDS
    await add(0)
    ahead = timedelta(days=180)
    await process.run_once()
    assert await _count(connection, "telemetry_sources") == 2
    ahead = timedelta(0)
    clock.now += maintenance.QUIET_SECONDS
    await process.run_once()
    assert await _count(connection, "telemetry_sources") == 1


async def test_a_follower_sees_an_outage_too(make: Make, connection: AsyncConnection, clock: Clock) -> None:
    leader, follower = make(), make()
    await leader.run_once()
    await follower.run_once()
    clock.now += maintenance.QUIET_SECONDS
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(StorageUnavailable):
        await follower.run_once()
    await leader.close()
    await _ledger(connection, timedelta(hours=7), 1)
    assert list(await follower.run_once()) == STEPS
    assert await _count(connection, "ingest_ledger") == 1


async def test_pruning_goes_in_bounded_batches(connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "BATCH_ROWS", 10)
    monkeypatch.setattr(prune, "MAX_BATCHES", 3)
    await _ledger(connection, timedelta(hours=7), 45)
    horizon = datetime.now(UTC) - timedelta(hours=6)
    assert await prune.delete_before(connection, INGEST_LEDGER, horizon) == 30
    assert await prune.delete_before(connection, INGEST_LEDGER, horizon) == 15
    assert await prune.delete_before(connection, INGEST_LEDGER, horizon) == 0


@pytest.mark.rollup_tables("the queue is theirs")
async def test_touched_hours_are_collected_once_each(make: Make, connection: AsyncConnection) -> None:
    for hours in (1, 2, 3):
        await connection.execute(
            "INSERT INTO ingest_touched VALUES ('default', 'traces', date_trunc('hour', now(), 'UTC'), '{}', now() - %s)",
            [timedelta(hours=hours)],
        )
    await make().run_once()
    assert await _count(connection, "ingest_touched") == 0
    assert await _count(connection, "rollup_pending") == 1
    cursor = await connection.execute("SELECT now() - pending_since > INTERVAL '3 hours' FROM rollup_pending")
    assert await cursor.fetchone() == (True,)


@pytest.mark.rollup_tables("the queue is theirs")
async def test_after_a_jump_of_the_clock_rollups_go_on_and_no_hour_is_forgotten(
    make: Make, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two hours one is over, by the time that is believed."""
    process = make()
    await process.run_once()
    await connection.execute(
        "INSERT INTO ingest_touched SELECT 'default', 'traces', date_trunc('hour', now(), 'UTC') - hours * INTERVAL '1 hour',"
        " '{}', now() - INTERVAL '10 minutes' FROM unnest(ARRAY[0, 5]) hours"
    )
    ahead = datetime.now(UTC) + timedelta(days=400)

    async def set_ahead(_connection: AsyncConnection) -> datetime:
        return ahead

    monkeypatch.setattr(maintenance, "_now", set_ahead)
    assert await process.run_once() == dict.fromkeys(STEPS, "success")
    assert await _count(connection, "ingest_touched") == 0
    cursor = await connection.execute("SELECT hour > now() - INTERVAL '1 hour' FROM rollup_pending")
    assert await cursor.fetchall() == [(True,)]
    whole_since = "SELECT right(obj_description('rollup_pending'::regclass), 25)::timestamptz < now() - INTERVAL '80 days'"
    assert await (await connection.execute(whole_since)).fetchone() == (True,)


@pytest.mark.rollup_tables("continuous aggregates have policies")
async def test_sums_expire_in_bounded_batches_and_only_when_their_horizon_moves(
    make: Make, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "BATCH_ROWS", 10)
    monkeypatch.setattr(prune, "MAX_BATCHES", 3)
    process = make()
    await process.run_once()
    summed = (
        "INSERT INTO llm_usage_daily_state (tenant, bucket, call_count)"
        " SELECT tenant, date_trunc('day', now(), 'UTC') - days * INTERVAL '1 day', 1"
        " FROM generate_series(1, %s), unnest(ARRAY['a', 'b', 'c']) tenant, unnest(ARRAY[1, 1000]) days"
    )
    await connection.execute(summed, [15])
    process.reload(Settings(rollup_retention=timedelta(days=900)))
    assert [await process.run_once() and await _count(connection, "llm_usage_daily_state") for _ in range(3)] == [60, 45, 45]
    await connection.execute(summed, [1])
    await process.run_once()
    assert await _count(connection, "llm_usage_daily_state") == 51
    process.reload(Settings(rollup_retention=timedelta(days=899)))
    await process.run_once()
    assert await _count(connection, "llm_usage_daily_state") == 48


@pytest.mark.postgresql("partitions")
async def test_sums_that_cannot_be_deleted_keep_no_partition(make: Make, connection: AsyncConnection) -> None:
    """And partitions that are in use keep no sums."""
    process = make()
    await process.run_once()
    await connection.execute(
        "CREATE TABLE trace_index_p20200101 PARTITION OF trace_index FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')"
    )
    for view in ("trace_metrics_daily_state", "llm_usage_daily_state"):
        await connection.execute(f"INSERT INTO {view} (tenant, bucket) VALUES ('default', '2020-01-01')".encode())
    process.reload(Settings(rollup_retention=timedelta(days=900)))
    async with connection.transaction():
        await connection.execute("LOCK TABLE trace_metrics_daily_state IN SHARE MODE")
        assert (await process.run_once())["retention"] == "error"
    cursor = await connection.execute("SELECT to_regclass('trace_index_p20200101') IS NULL")
    assert await cursor.fetchone() == (True,)
    left = [await _count(connection, view) for view in ("trace_metrics_daily_state", "llm_usage_daily_state")]
    assert left == [1, 0]


async def test_dead_letters_expire_and_are_capped_newest_first(make: Make, connection: AsyncConnection) -> None:
    for days, size in ((91, 1), (89, 600), (2, 300), (1, 300), (0, 300)):
        await _dead(connection, timedelta(days=days), size)
    await make().run_once()
    assert await _count(connection, "dead_letters") == 4
    assert await prune.cap_dead_letters(connection, max_rows=3) == 1
    assert await prune.cap_dead_letters(connection, max_rows=3, max_bytes=899) == 1
    cursor = await connection.execute("SELECT max(now() - received_at) < '2 days' FROM dead_letters")
    assert await cursor.fetchone() == (True,)


@pytest.mark.rollup_tables("the queue is theirs")
async def test_a_failing_step_stops_no_other_and_is_counted(make: Make, connection: AsyncConnection) -> None:
    await connection.execute("DROP TABLE ingest_touched CASCADE")
    before = metrics.MAINTENANCE_RUNS.labels("rollups", "error")._value.get()
    outcome = await make().run_once()
    assert outcome == {**dict.fromkeys(STEPS, "success"), "reconcile": "error", "rollups": "error"}
    assert metrics.MAINTENANCE_RUNS.labels("rollups", "error")._value.get() == before + 1


async def test_an_unforeseen_error_stops_no_other_step(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(prune, "cap_dead_letters", broken)
    assert await make().run_once() == {**dict.fromkeys(STEPS, "success"), "dead_letters": "error"}


@pytest.mark.postgresql("partitions")
async def test_analyze_runs_once_a_day(make: Make, connection: AsyncConnection, clock: Clock) -> None:
    process = make()

    async def analyzed() -> bool:
        await process.run_once()
        row = await (await connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'trace_index'")).fetchone()
        await connection.execute("INSERT INTO trace_index VALUES ('default', now(), now(), gen_random_uuid())")
        return row == (float(inserted),)

    inserted = 0
    assert await analyzed()
    inserted = 1
    clock.now += maintenance.ANALYZE_SECONDS - 1
    assert not await analyzed()
    inserted = 2
    clock.now += 1
    assert await analyzed()


async def test_a_table_in_use_is_waited_for_a_moment_only(make: Make, connection: AsyncConnection) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE ingest_touched IN SHARE MODE")
        async with asyncio.timeout(5):
            outcome = await make().run_once()
    assert outcome["rollups"] == "error"
    assert outcome["dead_letters"] == "success"


@pytest.mark.postgresql("partitions")
async def test_a_locked_table_keeps_no_other_from_being_served(
    make: Make, connection: AsyncConnection, database: str, clock: Clock
) -> None:
    """Somebody holds llm_logs and all its partitions: the other tables get all of the round, and it says what was left."""
    for table in PARTITIONED:
        execute(
            database, f"CREATE TABLE {table}_p20200101 PARTITION OF {table} FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')"
        )
    process = make()
    expired = "SELECT array_agg(relname::text) FROM pg_class WHERE relname LIKE '%\\_p20200101' AND relkind = 'r'"
    analyzed = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND reltuples >= 0"

    async def ahead() -> dict[str, int]:
        return {table: sum(part.lower > 1.7e15 for part in await existing(connection, table)) for table in PARTITIONED}

    async def without_statistics() -> set[str]:
        cursor = await connection.execute(analyzed, [list(PARTITIONED)])
        return set(PARTITIONED) - {name for (name,) in await cursor.fetchall()}

    holder = await connect(database)
    async with holder.transaction():
        await holder.execute("LOCK TABLE llm_logs IN ACCESS EXCLUSIVE MODE")
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(5):
                outcome = await process.run_once()
    assert await ahead() == {**dict.fromkeys(PARTITIONED, 8), "llm_logs": 0}
    assert await (await connection.execute(expired)).fetchone() == (["llm_logs_p20200101"],)
    assert await without_statistics() == {"llm_logs"}
    assert {line["name"] for line in logs if "what" in line} == {"llm_logs"}
    assert {line["what"] for line in logs if "what" in line} >= {"partitions", "statistics"}
    assert [line for line in logs if line.get("what") == "retention" or "dropped later" in line["event"]]
    assert outcome == {**dict.fromkeys(STEPS, "success"), "partitions": "error", "analyze": "error"} | {
        step: outcome[step] for step in ("reconcile", "retention")
    }
    clock.now += maintenance.ANALYZE_RETRY_SECONDS
    assert await process.run_once() == dict.fromkeys(STEPS, "success")
    assert await ahead() == dict.fromkeys(PARTITIONED, 8)
    assert await (await connection.execute(expired)).fetchone() == (None,)
    assert await without_statistics() == set()
    await holder.close()


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[int]:
    """How many steps each round of `run` had, as it ends; the loop does not pause."""
    seen = asyncio.Queue[int]()
    once = Maintenance.run_once

    async def counted(process: Maintenance) -> dict[str, str]:
        outcome = await once(process)
        seen.put_nowait(len(outcome))
        return outcome

    monkeypatch.setattr(Maintenance, "run_once", counted)
    monkeypatch.setattr(maintenance, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(maintenance, "RECONNECT_SECONDS", 0.01)
    return seen


async def test_run_ends_when_told_and_gives_the_lock_back(make: Make, rounds: asyncio.Queue[int]) -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(make().run(stop))
        assert await rounds.get() == len(STEPS)
        assert await rounds.get() == len(STEPS)
        stop.set()
    assert list(await make().run_once()) == STEPS


async def test_a_round_at_work_is_broken_off(
    database: str, make: Make, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(connection: AsyncConnection, *_arguments: object) -> int:
        await connection.execute("SELECT pg_sleep(50)")
        return 0

    monkeypatch.setattr(prune, "delete_before", slow)
    errors = metrics.MAINTENANCE_RUNS.labels("rollups", "error")
    before = errors._value.get()
    stop = asyncio.Event()
    running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'"
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        run = tasks.create_task(make().run(stop))
        while await (await connection.execute(running)).fetchone() != (1,):
            pass
        stop.set()
        async with asyncio.timeout(2):
            await run
        while await (await connection.execute(running)).fetchone() != (0,):
            pass
    assert errors._value.get() == before
    monkeypatch.undo()
    assert list(await make().run_once()) == STEPS


async def test_a_server_that_is_silent_does_not_hold_up_the_end(
    make: Make, rounds: asyncio.Queue[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(connection: AsyncConnection, _lock: Lock) -> None:
        await connection.execute("SELECT pg_sleep(50)")

    monkeypatch.setattr(maintenance, "release_session_lock", silent)
    monkeypatch.setattr(maintenance, "STOP_SECONDS", 0.1)
    stop = asyncio.Event()
    async with asyncio.timeout(20):
        run = asyncio.create_task(make().run(stop))
        await rounds.get()
        stop.set()
        async with asyncio.timeout(2):
            await run


async def test_run_waits_for_a_database_that_is_down(database: str, rounds: asyncio.Queue[int]) -> None:
    tries = 0

    async def third_time() -> AsyncConnection:
        nonlocal tries
        tries += 1
        return await connect(database if tries > 2 else "postgresql://postgres@127.0.0.1:1/nothing")

    settings, stop = Settings(), asyncio.Event()
    process = Maintenance(third_time, settings, CurrentEngine(third_time, settings))
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(process.run(stop))
        assert await rounds.get() == len(STEPS)
        stop.set()
    assert tries == 3
