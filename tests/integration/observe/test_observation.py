"""What is read of a real database, and the gauges that it becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import generate_latest

from llm_observatory import metrics
from llm_observatory.errors import StorageError
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import CurrentEngine
from llm_observatory.storage.engine.partitions import time_us
from llm_observatory.storage.observe import gauges
from llm_observatory.storage.observe.observation import Observation, observe, session
from llm_observatory.storage.rollups import work
from llm_observatory.tables import ROLLUP_VIEWS, TABLES
from tests.plugins.database import execute


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection]:
    async with session(lambda: connect(database)) as opened:
        yield opened


async def look(connection: AsyncConnection, settings: Settings | None = None) -> Observation:
    seen = await observe(connection, settings or Settings())
    assert seen.failed == {}
    return seen


def exported(name: str) -> dict[str, float]:
    """The samples of one metric as they are scraped."""
    lines = [
        line for line in generate_latest(metrics.REGISTRY).decode().splitlines() if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return {sample.removeprefix(name): float(value) for sample, _, value in (line.rpartition(" ") for line in lines)}


async def test_a_fresh_database_is_seen_whole(connection: AsyncConnection) -> None:
    seen = await look(connection)
    assert seen.database is not None
    assert seen.database.size_bytes > 1_000_000
    assert seen.database.maintenance is None
    assert seen.age is not None
    assert seen.age.seconds > 0
    gauges.show(seen)
    assert exported("storage_database_first_migration_timestamp_seconds") == {"": seen.age.created_at.timestamp()}
    assert 0 < seen.database.connections <= seen.database.max_connections
    assert seen.table_sizes is not None
    assert set(seen.table_sizes) == {table.name for table in TABLES}
    assert seen.rollup_lag == {view.name: 0.0 for view in ROLLUP_VIEWS}
    assert seen.left_over is not None
    assert (seen.left_over.dead_letters, seen.left_over.ledger_oldest_seconds) == (0, None)
    assert seen.backups == []
    assert "otlp" not in seen.certificates


async def test_sizes_hold_partitions_and_indexes(connection: AsyncConnection, database: str) -> None:
    before = (await look(connection)).table_sizes
    engine = CurrentEngine(lambda: connect(database), Settings())
    await engine.ensure_partitions([time_us(datetime.now(UTC))])
    execute(
        database,
        "INSERT INTO dead_letters SELECT 'default', 'traces', uuid_send(gen_random_uuid()), now(), 'x', repeat('x', 500)::bytea"
        " FROM generate_series(1, 2000)",
    )
    after = (await look(connection)).table_sizes
    assert before is not None
    assert after is not None
    assert after["dead_letters"] - before["dead_letters"] > 2000 * 500
    if await (await connection.execute("SELECT to_regnamespace('timescaledb_information') IS NULL")).fetchone() == (True,):
        # Without rows, and the partition has indexes all the same.
        assert after["llm_traces"] > before["llm_traces"] == 0


async def test_the_oldest_of_the_ledger(connection: AsyncConnection, database: str) -> None:
    for hours in (20, 2, 0):
        execute(
            database,
            "INSERT INTO ingest_ledger SELECT 'default', 'traces', uuid_send(gen_random_uuid()),"
            f" now() - INTERVAL '{hours} hours', '' FROM generate_series(1, 3)",
        )
    seen = await look(connection)
    assert seen.left_over is not None
    assert seen.left_over.ledger_oldest_seconds == pytest.approx(20 * 3600, abs=60)
    execute(database, "DELETE FROM ingest_ledger WHERE received_at < now() - INTERVAL '1 hour'")
    seen = await look(connection)
    assert seen.left_over is not None
    assert seen.left_over.ledger_oldest_seconds == pytest.approx(0, abs=60)


async def test_backups_and_the_ones_before_them(connection: AsyncConnection, database: str) -> None:
    for kind, label, age, size in (("dump", "a", 50, 100), ("dump", "b", 26, 120), ("physical", "c", 3, 900)):
        execute(
            database,
            "INSERT INTO backups (kind, label, destination, started_at, finished_at, bytes, database_bytes)"
            f" VALUES ('{kind}', '{label}', '/backups', now(), now() - INTERVAL '{age} hours', {size}, {size * 3})",
        )
    seen = await look(connection)
    assert seen.backups is not None
    dump, physical = seen.backups
    assert (dump.label, dump.bytes, dump.earlier_bytes) == ("b", 120, 100)
    assert dump.age_seconds == pytest.approx(26 * 3600, abs=60)
    assert (physical.label, physical.earlier_bytes) == ("c", None)
    gauges.show(seen)
    assert exported("storage_backup_size_bytes") == {'{kind="dump"}': 120, '{kind="physical"}': 900}


async def test_gauges_are_absent_where_there_is_nothing(connection: AsyncConnection) -> None:
    gauges.show(await look(connection))
    assert exported("storage_backup_last_success_timestamp_seconds") == {}
    assert exported("storage_ledger_oldest_age_seconds") == {}
    assert exported("storage_replication_lag_seconds") == {}
    mode = await (await connection.execute("SHOW archive_mode")).fetchone()
    assert exported("storage_wal_archive_enabled") == {"": mode != ("off",)}
    assert exported("storage_wal_archive_waiting_files")[""] >= 0
    assert exported("storage_dead_letters") == {"": 0}
    assert exported("storage_maintenance_mode") == {"": 0}
    assert exported("storage_observation_timestamp_seconds")[""] == pytest.approx(datetime.now(UTC).timestamp(), abs=60)


async def test_maintenance_mode(connection: AsyncConnection, database: str) -> None:
    execute(database, "INSERT INTO maintenance_mode (reason, since) VALUES ('upgrade', now())")
    seen = await look(connection)
    assert seen.database is not None
    assert seen.database.maintenance == "upgrade"
    gauges.show(seen)
    assert exported("storage_maintenance_mode") == {"": 1}


async def cannot(*_arguments: object, **_named: object) -> bool:
    raise StorageError("it takes too long")


@pytest.mark.rollup_tables("their lag is that of the queue")
async def test_an_hour_that_nobody_computes_is_late(
    connection: AsyncConnection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        database,
        "INSERT INTO ingest_touched SELECT 'default', 'traces', date_trunc('hour', now()) - INTERVAL '5 hours', '{}',"
        " now() - INTERVAL '3 hours'",
    )
    lag = (await look(connection)).rollup_lag
    assert lag is not None
    assert lag["trace_metrics_hourly"] == pytest.approx(3 * 3600 - 300, abs=60)
    assert lag["llm_usage_daily"] == lag["trace_metrics_hourly"]
    assert lag["metric_stats_hourly"] == 0
    now = datetime.now(UTC)
    with monkeypatch.context() as patched:
        patched.setattr(work, "compute", cannot)
        with pytest.raises(StorageError):
            await work.work_off(connection, now, now - timedelta(days=30))
    tried = (await look(connection)).rollup_lag
    assert tried == pytest.approx(lag, abs=60), "a try that fails makes no hour younger"
    await work.work_off(connection, now, now - timedelta(days=30))
    assert (await look(connection)).rollup_lag == {view.name: 0.0 for view in ROLLUP_VIEWS}


async def test_a_reading_that_fails_hides_no_other(connection: AsyncConnection, database: str) -> None:
    with psycopg.connect(database) as busy:
        busy.execute("LOCK TABLE dead_letters IN ACCESS EXCLUSIVE MODE")
        seen = await observe(connection, Settings())
    assert set(seen.failed) == {"left_over", "table_sizes"}
    assert seen.left_over is None
    assert seen.database is not None
    assert seen.backups == []
    errors = metrics.OBSERVATIONS.labels("error")._value.get()
    gauges.show(seen)
    assert metrics.OBSERVATIONS.labels("error")._value.get() == errors + 1
    assert exported("storage_dead_letters") == {}


async def test_a_login_that_may_not_see_everything(connection: AsyncConnection, database: str) -> None:
    name = f"observer_{database.rpartition('/')[2].partition('?')[0]}"
    execute(database, f"CREATE ROLE {name}", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    try:
        await connection.execute(f"SET ROLE {name}".encode())
        seen = await look(connection)
        assert seen.archive is not None
        assert seen.archive[1] is None
        gauges.show(seen)
        assert exported("storage_wal_archive_waiting_files") == {}
        await connection.execute("RESET ROLE")
    finally:
        execute(database, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
