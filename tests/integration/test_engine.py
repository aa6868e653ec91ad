"""Partitions of plain PostgreSQL against a real one: on demand, at once, over gaps, and away at retention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest
import structlog

from llm_observatory.errors import StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.direct_compress import LZ4
from llm_observatory.storage.engine import CurrentEngine, detect, toast
from llm_observatory.storage.engine.partitions import DAY_US, HOUR_US, Partition, existing
from llm_observatory.storage.engine.postgresql import PostgreSQL
from tests.plugins.database import execute

pytestmark = pytest.mark.postgresql("partitions")

TABLES = ("llm_traces", "trace_index")
ALL = ("llm_traces", "llm_content", "trace_index", "llm_metrics", "llm_logs")
NOON_DATE = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON = int(NOON_DATE.timestamp()) * 1_000_000
TODAY = NOON - 12 * HOUR_US

_INSERT = "INSERT INTO trace_index VALUES ('default', to_timestamp(%s / 1000000.0), now(), gen_random_uuid())"


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection]:
    connection = await connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def reader(database: str) -> AsyncIterator[AsyncConnection]:
    """A second connection, for the transaction that is in the way."""
    connection = await connect(database)
    yield connection
    await connection.close()


async def _names(connection: AsyncConnection, table: str = "trace_index") -> list[str]:
    return [partition.name for partition in await existing(connection, table)]


async def has_lz4(connection: AsyncConnection) -> bool:
    """Whether the server was built with it."""
    cursor = await connection.execute("SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
    return await cursor.fetchone() == (True,)


async def test_a_request_over_many_days_gets_all_of_its_partitions_and_no_others(connection: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    days = [0, 1, 2, 40, 365 * 6]
    times = [NOON - day * DAY_US for day in days]
    await engine.ensure_partitions(connection, TABLES, times)
    for table in TABLES:
        assert len(await _names(connection, table)) == len(days)
    for time in times:
        await connection.execute(_INSERT, [time])
    with pytest.raises(psycopg.errors.CheckViolation):
        await connection.execute(_INSERT, [NOON - 10 * DAY_US])


async def test_a_partition_is_like_its_parent(connection: AsyncConnection) -> None:
    engine = await detect(connection, Settings())
    lz4 = await has_lz4(connection)
    await engine.ensure_partitions(connection, TABLES, [NOON])
    assert await _names(connection, "llm_traces") == ["llm_traces_p20261123"]
    assert [tuple(partition)[3:] for partition in await existing(connection, "llm_traces")] == [(TODAY, TODAY + DAY_US)]
    cursor = await connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE c.relispartition) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'llm_traces_p20261123'::regclass"
    )
    assert await cursor.fetchone() == (3, 3)
    cursor = await connection.execute(
        "SELECT attcompression = 'l' FROM pg_attribute"
        " WHERE attrelid = 'llm_traces_p20261123'::regclass AND attname = 'attributes'"
    )
    assert await cursor.fetchone() == (lz4,)
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = 'llm_traces_p20261123'::regclass"
    )
    assert await cursor.fetchone() == (0,)


async def test_what_is_known_costs_no_statement(connection: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON])
    assert engine.knows_partitions(TABLES, [NOON, NOON + HOUR_US])
    assert not engine.knows_partitions(TABLES, [NOON + DAY_US])
    await connection.close()
    await engine.ensure_partitions(connection, TABLES, [NOON])
    engine.forget_partitions()
    assert not engine.knows_partitions(TABLES, [NOON])


async def test_tables_that_are_not_partitioned_are_passed_over(connection: AsyncConnection) -> None:
    await PostgreSQL(Settings()).ensure_partitions(connection, ["ingest_touched", "telemetry_sources"], [NOON])


async def test_two_processes_at_once(connection: AsyncConnection, reader: AsyncConnection) -> None:
    times = [NOON + day * DAY_US for day in range(12)]
    await asyncio.gather(
        PostgreSQL(Settings()).ensure_partitions(connection, TABLES, times),
        PostgreSQL(Settings()).ensure_partitions(reader, TABLES, list(reversed(times))),
    )
    for table in TABLES:
        assert len(await _names(connection, table)) == len(times)


async def test_inside_a_transaction_is_refused(connection: AsyncConnection) -> None:
    async with connection.transaction():
        with pytest.raises(RuntimeError, match="outside of a transaction"):
            await PostgreSQL(Settings()).ensure_partitions(connection, TABLES, [NOON])


async def test_open_writers_and_readers_are_not_waited_for(connection: AsyncConnection, reader: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON])
    async with reader.transaction():
        await reader.execute(_INSERT, [NOON])
        async with asyncio.timeout(0.9):  # lock_timeout is 1 s
            await engine.ensure_partitions(connection, TABLES, [NOON + DAY_US])


async def test_a_locked_parent_is_unavailable_and_not_waited_for_long(
    connection: AsyncConnection, reader: AsyncConnection
) -> None:
    async with reader.transaction():
        await reader.execute("LOCK TABLE ONLY llm_traces IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(StorageUnavailable) as caught:
            await PostgreSQL(Settings()).ensure_partitions(connection, TABLES, [NOON])
    assert caught.value.sqlstate == "55P03"


@pytest.mark.parametrize("before, after, count", [("1h", "1d", 3), ("1d", "1h", 1), ("6h", "7d", 3), ("2d", "1d", 1)])
async def test_a_changed_interval_fills_only_what_is_free(
    connection: AsyncConnection, before: str, after: str, count: int
) -> None:
    old = PostgreSQL(Settings(chunk_interval=before))
    await old.ensure_partitions(connection, TABLES, [NOON])
    new = PostgreSQL(Settings(chunk_interval=after))
    await new.ensure_partitions(connection, TABLES, [NOON])
    partitions = await existing(connection, "trace_index")
    assert len(partitions) == count
    assert all(left.upper <= right.lower for left, right in pairwise(partitions))
    for hour in (0, 5, 11, 12, 13, 18, 23) if count == 3 else (12,):
        await connection.execute(_INSERT, [TODAY + hour * HOUR_US])


async def test_a_name_kept_by_an_operator_is_stepped_over(connection: AsyncConnection) -> None:
    await connection.execute("CREATE TABLE trace_index_p20261123 (n int)")
    await PostgreSQL(Settings()).ensure_partitions(connection, TABLES, [NOON])
    assert await _names(connection) == ["trace_index_p20261123_2"]


async def test_partitions_with_open_ends_are_understood(connection: AsyncConnection) -> None:
    await connection.execute(
        "CREATE TABLE early PARTITION OF trace_index FOR VALUES FROM (MINVALUE) TO ('2026-11-23 06:00+00')"
    )
    await connection.execute("CREATE TABLE late PARTITION OF trace_index FOR VALUES FROM ('2026-11-23 18:00+00') TO (MAXVALUE)")
    await connection.execute("SET timezone = 'Asia/Kathmandu'")
    await connection.execute("SET datestyle = 'German, DMY'")
    await PostgreSQL(Settings()).ensure_partitions(connection, TABLES, [NOON, NOON - 90 * DAY_US, NOON + 90 * DAY_US])
    middle = (await existing(connection, "trace_index"))[1]
    assert middle == Partition("public", "trace_index_p20261123_0600", False, TODAY + 6 * HOUR_US, TODAY + 18 * HOUR_US)


async def test_the_first_and_the_last_time_otlp_can_name(connection: AsyncConnection) -> None:
    """1970, the end of signed and of unsigned nanoseconds: what ACCEPT_MAX_AGE=off lets in."""
    times = [0, (2**63 - 1) // 1000, (2**64 - 1) // 1000]
    engine = PostgreSQL(Settings(chunk_interval="1h"))
    await engine.ensure_partitions(connection, TABLES, times)
    assert await _names(connection) == [
        "trace_index_p19700101_0000",
        "trace_index_p22620411_2300",
        "trace_index_p25540721_2300",
    ]
    for time in times:
        await connection.execute(
            "INSERT INTO trace_index VALUES ('default', 'epoch'::timestamptz + %s::interval, now(), gen_random_uuid())",
            [f"{time} microseconds"],
        )
    fresh = PostgreSQL(Settings(chunk_interval="36500d"))
    await fresh.ensure_partitions(connection, TABLES, times)
    assert all(left.upper <= right.lower for left, right in pairwise(await existing(connection, "trace_index")))


async def test_bounds_that_python_cannot_hold_are_understood(connection: AsyncConnection) -> None:
    await connection.execute("CREATE TABLE old PARTITION OF trace_index FOR VALUES FROM ('-infinity') TO ('0044-03-15 BC')")
    await connection.execute("CREATE TABLE far PARTITION OF trace_index FOR VALUES FROM ('20000-01-01') TO ('infinity')")
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON])
    assert await _names(connection) == ["old", "trace_index_p20261123", "far"]


async def test_there_and_back_between_days_and_hours(connection: AsyncConnection) -> None:
    """CHUNK_INTERVAL 1d, then 1h, then 1d, with requests in between: every hour has one place, and none has two."""
    times = [NOON + hour * HOUR_US for hour in range(-36, 60, 7)]
    for number, interval in enumerate(("1d", "1h", "1d", "1h")):
        engine = PostgreSQL(Settings(chunk_interval=interval))
        for time in times[number::3]:
            await engine.ensure_partitions(connection, TABLES, [time])
            await connection.execute(_INSERT, [time])
    partitions = await existing(connection, "trace_index")
    assert all(left.upper <= right.lower for left, right in pairwise(partitions))


async def test_partitions_are_told_of_once_a_request(connection: AsyncConnection) -> None:
    with structlog.testing.capture_logs() as logs:
        await PostgreSQL(Settings()).ensure_partitions(connection, TABLES, [NOON, NOON + DAY_US])
        assert logs[0] == {"event": "partitions made", "count": 4, "log_level": "info"}
        assert [(line["log_level"], len(line["names"])) for line in logs[1:]] == [("debug", 4)]
        logs.clear()
        await PostgreSQL(Settings()).drop_expired(connection, NOON + 365 * DAY_US)
    assert [line for line in logs if line["log_level"] == "info"] == [
        {
            "event": "expired partitions dropped",
            "table": table,
            "count": 2,
            "first": f"{table}_p20261123",
            "last": f"{table}_p20261124",
            "log_level": "info",
        }
        for table in TABLES
    ]


async def test_copy_into_a_partition_that_expires_is_stored_or_refused_never_lost(
    connection: AsyncConnection, reader: AsyncConnection, database: str
) -> None:
    """Its transaction is open while the partition is detached: it commits, and the partition goes only after it."""
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON - 200 * DAY_US])
    async with reader.transaction():
        async with reader.cursor() as cursor, cursor.copy("COPY trace_index FROM STDIN") as copy:
            await copy.write_row(("default", "2026-05-07T12:00:00Z", "2026-05-07T12:00:00Z", "0" * 32))
        assert "trace_index_p20260507" not in await engine.drop_expired(connection, NOON)
        await reader.execute("SELECT FROM trace_index_p20260507")
        # Half-way detached no new row finds it, and nothing is made in its place.
        late = await connect(database)
        with pytest.raises(psycopg.errors.CheckViolation):
            await late.execute(_INSERT, [NOON - 200 * DAY_US])
        with pytest.raises(StorageUnavailable, match="is being dropped"):
            await PostgreSQL(Settings()).ensure_partitions(late, ["trace_index"], [NOON - 200 * DAY_US])
        await late.close()
    assert await engine.drop_expired(connection, NOON) == ["trace_index_p20260507"]
    await engine.ensure_partitions(connection, TABLES, [NOON - 200 * DAY_US])
    await connection.execute(_INSERT, [NOON - 200 * DAY_US])


async def test_a_partition_that_stays_attached_carries_no_mark(connection: AsyncConnection, reader: AsyncConnection) -> None:
    """Its detach failed, and an operator detaches it to keep it: it is kept."""
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, ["trace_index"], [NOON - 200 * DAY_US])
    async with reader.transaction():
        # A partition is being made elsewhere: DETACH does not even begin.
        await reader.execute("LOCK TABLE ONLY trace_index IN SHARE UPDATE EXCLUSIVE MODE")
        assert await engine.drop_expired(connection, NOON) == []
    await connection.execute("ALTER TABLE trace_index DETACH PARTITION trace_index_p20260507")
    assert await engine.drop_expired(connection, NOON) == []
    assert await (await connection.execute("SELECT to_regclass('trace_index_p20260507') IS NULL")).fetchone() == (False,)


async def test_retention_drops_only_what_lies_wholly_before_it(connection: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON - day * DAY_US for day in (0, 89, 90, 91, 200)])
    assert await engine.drop_expired(connection, NOON) == [
        "llm_traces_p20260507",
        "llm_traces_p20260824",
        "trace_index_p20260507",
        "trace_index_p20260824",
    ]
    assert await _names(connection) == ["trace_index_p20260825", "trace_index_p20260826", "trace_index_p20261123"]
    assert await engine.drop_expired(connection, NOON + 12 * HOUR_US - 1) == []
    assert await engine.drop_expired(connection, NOON + 12 * HOUR_US) == ["llm_traces_p20260825", "trace_index_p20260825"]
    assert not engine.knows_partitions(TABLES, [NOON - 90 * DAY_US])


@pytest.mark.parametrize("content, left", [("30d", 30), ("90d", 90)])
async def test_each_table_is_kept_as_long_as_its_setting_says(connection: AsyncConnection, content: str, left: int) -> None:
    engine = PostgreSQL(Settings(content_retention=content))
    await engine.ensure_partitions(connection, ALL, [NOON - day * DAY_US for day in (0, left, left + 1, 91)])
    dropped = await engine.drop_expired(connection, NOON)
    assert f"llm_content_p{NOON_DATE - timedelta(days=left + 1):%Y%m%d}" in dropped
    for table in ALL:
        oldest = (await existing(connection, table))[0]
        assert oldest.lower == TODAY - (left if table == "llm_content" or left == 90 else left + 1) * DAY_US, table


async def test_retention_follows_a_reload(connection: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, ALL, [NOON - 10 * DAY_US])
    assert await engine.drop_expired(connection, NOON) == []
    await engine.reconcile(connection, Settings(content_retention="5d"))
    assert await engine.drop_expired(connection, NOON) == ["llm_content_p20261113"]
    await engine.reconcile(connection, Settings(retention="9d", accept_max_age="8d"))
    assert await engine.drop_expired(connection, NOON) == [f"{table}_p20261113" for table in ALL if table != "llm_content"]


async def test_a_locked_table_keeps_no_other_from_getting_partitions(
    connection: AsyncConnection, reader: AsyncConnection
) -> None:
    async with reader.transaction():
        await reader.execute("LOCK TABLE llm_traces IN ACCESS EXCLUSIVE MODE")
        with structlog.testing.capture_logs() as logs, pytest.raises(StorageUnavailable) as caught:
            await PostgreSQL(Settings()).ensure_partitions(connection, ALL, [NOON])
    assert caught.value.sqlstate == "55P03"
    assert "llm_traces" not in str(caught.value), "this error may reach a client"
    assert [(line["name"], line["what"]) for line in logs if line["log_level"] == "warning"] == [("llm_traces", "partitions")]
    for table in ALL:
        assert len(await _names(connection, table)) == (table != "llm_traces")


async def test_a_locked_table_keeps_no_other_from_compression(
    connection: AsyncConnection, reader: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what every server has, for not all have lz4."""
    monkeypatch.setattr(toast, "_METHOD", "pglz")
    monkeypatch.setattr(toast, "_HAS_LZ4", "SELECT true")
    query = "SELECT count(*) FROM pg_attribute WHERE attcompression = 'p' AND attrelid = 'llm_logs'::regclass"
    async with reader.transaction():
        await reader.execute("LOCK TABLE llm_traces IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(5):
            with pytest.raises(StorageUnavailable) as caught:
                await PostgreSQL(Settings()).reconcile(connection, Settings())
        assert caught.value.sqlstate == "55P03"
        assert await (await connection.execute(query)).fetchone() == (3,)


async def test_a_lost_connection_ends_the_work_on_tables(connection: AsyncConnection, reader: AsyncConnection) -> None:
    await reader.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with structlog.testing.capture_logs() as logs, pytest.raises(StorageUnavailable):
        await PostgreSQL(Settings()).ensure_partitions(connection, ALL, [NOON])
    assert logs == []


async def test_expired_partitions_behind_a_half_detached_one_go_later(
    connection: AsyncConnection, reader: AsyncConnection
) -> None:
    """PostgreSQL detaches one partition of a table at a time: the others wait for it, other tables do not."""
    engine = PostgreSQL(Settings())
    days = [200 + day for day in range(6)]
    await engine.ensure_partitions(connection, TABLES, [NOON - day * DAY_US for day in days])
    async with reader.transaction():
        await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await reader.execute("SELECT count(*) FROM trace_index")
        for _ in range(2):
            with structlog.testing.capture_logs() as logs:
                async with asyncio.timeout(10):
                    dropped = await engine.drop_expired(connection, NOON)
            assert not [name for name in dropped if name.startswith("trace_index")]
            (told,) = [line for line in logs if line["event"] == "expired partitions are busy, dropped later"]
            assert (told["table"], told["names"][0], len(told["names"])) == ("trace_index", "trace_index_p20260502", 3)
        assert await _names(connection, "llm_traces") == []
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_class WHERE relispartition AND obj_description(oid, 'pg_class') IS NOT NULL"
        )
        assert await cursor.fetchone() == (1,), "only what is half detached carries our mark"
    assert len(await engine.drop_expired(connection, NOON)) == len(days)


async def test_a_long_reader_is_not_disturbed_and_delays_the_drop_only(
    connection: AsyncConnection, reader: AsyncConnection, database: str
) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON, NOON - 200 * DAY_US])
    await connection.execute(_INSERT, [NOON - 200 * DAY_US])
    async with reader.transaction():
        await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert await (await reader.execute("SELECT count(*) FROM trace_index")).fetchone() == (1,)
        async with asyncio.timeout(10):
            assert await engine.drop_expired(connection, NOON) == ["llm_traces_p20260507"]
        assert [partition.detaching for partition in await existing(connection, "trace_index")] == [True, False]
        # Neither new writers nor the old reader notice, and a partition for now can still be made.
        async with asyncio.timeout(2):
            other = await connect(database)
            await other.execute("SET lock_timeout = '100ms'")
            await other.execute(_INSERT, [NOON])
            await PostgreSQL(Settings()).ensure_partitions(other, TABLES, [NOON + DAY_US])
            with pytest.raises(StorageUnavailable):
                await PostgreSQL(Settings()).ensure_partitions(other, ["trace_index"], [NOON - 200 * DAY_US])
            await other.close()
        assert await (await reader.execute("SELECT count(*) FROM trace_index")).fetchone() == (1,)
    assert await engine.drop_expired(connection, NOON) == ["trace_index_p20260507"]
    assert await _names(connection) == ["trace_index_p20261123", "trace_index_p20261124"]
    assert await (await connection.execute("SHOW lock_timeout")).fetchone() == ("0",)


async def test_a_partition_detached_by_an_operator_is_kept(database: str, connection: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, TABLES, [NOON - 200 * DAY_US])
    execute(database, "ALTER TABLE trace_index DETACH PARTITION trace_index_p20260507")
    assert await engine.drop_expired(connection, NOON) == ["llm_traces_p20260507"]
    assert await (await connection.execute("SELECT count(*) FROM trace_index_p20260507")).fetchone() == (0,)


async def test_a_drop_that_was_interrupted_after_the_detach_is_finished(
    connection: AsyncConnection, reader: AsyncConnection
) -> None:
    engine = PostgreSQL(Settings())
    await engine.ensure_partitions(connection, ["trace_index"], [NOON - 200 * DAY_US])
    upper = (await existing(connection, "trace_index"))[0].upper
    await connection.execute(f"COMMENT ON TABLE trace_index_p20260507 IS 'llm-observatory: expired, upper bound {upper}'")
    await connection.execute("ALTER TABLE trace_index DETACH PARTITION trace_index_p20260507")
    async with reader.transaction():
        await reader.execute("SELECT FROM trace_index_p20260507")
        assert await engine.drop_expired(connection, NOON) == []
    assert await engine.drop_expired(connection, upper + 89 * DAY_US) == []
    assert await engine.drop_expired(connection, NOON) == ["trace_index_p20260507"]


async def test_lz4_is_set_where_the_server_has_it(connection: AsyncConnection) -> None:
    has = await has_lz4(connection)
    await connection.execute("CREATE TABLE old PARTITION OF llm_traces FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')")
    await connection.execute("ALTER TABLE old ALTER COLUMN events SET COMPRESSION pglz")
    engine = PostgreSQL(Settings())
    changed = await engine.reconcile(connection, Settings())
    assert ("old.events: lz4" in changed) == has
    assert await engine.reconcile(connection, Settings()) == []


async def test_lz4_of_a_commit_is_asked_for_where_the_server_has_it(connection: AsyncConnection) -> None:
    async with connection.transaction():
        await connection.execute(LZ4)
        cursor = await connection.execute("SHOW default_toast_compression")
        assert (await cursor.fetchone() == ("lz4",)) == await has_lz4(connection)


async def test_reconcile_follows_new_settings(connection: AsyncConnection) -> None:
    engine = PostgreSQL(Settings())
    await engine.reconcile(connection, Settings(chunk_interval=timedelta(hours=1)))
    await engine.ensure_partitions(connection, TABLES, [NOON])
    assert await _names(connection) == ["trace_index_p20261123_1200"]


async def test_on_demand_one_connection_serves_many_callers(database: str) -> None:
    opened: list[AsyncConnection] = []

    async def counted() -> AsyncConnection:
        opened.append(await connect(database))
        return opened[-1]

    current = CurrentEngine(counted, Settings())
    await asyncio.gather(*(current.ensure_partitions([NOON, NOON + DAY_US]) for _ in range(5)))
    await current.ensure_partitions([NOON])
    assert [connection.closed for connection in opened] == [True]
    current.forget_partitions()
    await current.ensure_partitions([NOON])
    assert len(opened) == 2


async def test_on_demand_a_signal_does_not_wait_for_the_tables_of_another(
    database: str, connection: AsyncConnection, reader: AsyncConnection
) -> None:
    """llm_logs and its partitions are held; requests with logs queue up, and those with spans are served meanwhile."""
    await PostgreSQL(Settings()).ensure_partitions(connection, ["llm_logs"], [NOON])
    current = CurrentEngine(lambda: connect(database), Settings())
    async with reader.transaction():
        await reader.execute("LOCK TABLE llm_logs IN ACCESS EXCLUSIVE MODE")
        logs = [asyncio.create_task(current.ensure_partitions([NOON + DAY_US], ["llm_logs"])) for _ in range(3)]
        while not await _waits(connection):
            pass
        await current.ensure_partitions([NOON], ["llm_traces", "trace_index"])
        assert not any(task.done() for task in logs), "spans came after logs that wait"
        for outcome in await asyncio.gather(*logs, return_exceptions=True):
            assert isinstance(outcome, StorageUnavailable)
            assert outcome.sqlstate == "55P03"
    assert await _names(connection) == ["trace_index_p20261123"]


async def _waits(connection: AsyncConnection) -> bool:
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    return await cursor.fetchone() == (True,)


async def test_on_demand_with_the_database_down_is_unavailable() -> None:
    current = CurrentEngine(lambda: connect("postgresql://postgres@127.0.0.1:1/nothing"), Settings())
    with pytest.raises(StorageUnavailable):
        await current.ensure_partitions([NOON])
