"""`doctor` on a real PostgreSQL: each check warns or fails when what it is about is really so, and is ok otherwise."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from llm_observatory.operate.doctor import Report, examine
from llm_observatory.operate.doctor.line import Line
from llm_observatory.operate.doctor.thresholds import Limit, Thresholds
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.engine import CurrentEngine
from llm_observatory.storage.engine.partitions import time_us
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.observe import observation
from llm_observatory.storage.observe.upkeep import Smallest
from tests.integration.observe.test_certificates import self_signed
from tests.plugins.database import execute
from tests.plugins.service import free_port, wait_for

Examine = Callable[..., Awaitable[Report]]

NOTHING = Limit("seconds", warn=0.0)
TINY = Smallest(dead_tuples=100, index_bytes=1, unused_seconds=0, bloated_bytes=1, slow_seconds=0.01)


@pytest.fixture
def look(database: str) -> Examine:
    settings = Settings(health_check_port=free_port())

    async def examined(url: str | None = database, **arguments: Any) -> Report:
        return await examine(settings, url, **arguments)

    return examined


def line(report: Report, check: str) -> Line:
    """The only line of a check."""
    (found,) = [one for one in report.lines if one.check == check]
    if found.status != "ok":
        assert found.next, found
    return found


def status(report: Report, check: str) -> str:
    return line(report, check).status


def back_up(database: str, kind: str = "dump", hours: float = 1, size: int = 1000) -> None:
    execute(
        database,
        "INSERT INTO backups (kind, label, destination, started_at, finished_at, bytes, database_bytes)"
        f" VALUES ('{kind}', '{kind}-{hours}', '/', now(), now() - INTERVAL '{hours} hours', {size}, {size})",
    )


async def test_a_maintained_database_is_ok(look: Examine, database: str) -> None:
    settings = Settings()
    maintenance = Maintenance(lambda: connect(database), settings, CurrentEngine(lambda: connect(database), settings))
    await maintenance.run_once()
    await maintenance.close()
    back_up(database)
    report = await look(smallest=replace(Smallest(), unused_seconds=1e9))
    bad = {one.check: one.says for one in report.lines if one.status != "ok"}
    # No service runs here, and no server of tests archives its WAL; how busy its machine and other clients are is not ours.
    expected = {"service", "WAL archiving"}
    assert set(bad) - {"disk, backups", "disk, data", "database", "transaction ids", "superusers", "connections"} == expected, (
        bad
    )
    assert report.exit_code in (1, 3)
    assert all(one.threshold for one in report.lines if one.check not in ("size", "failed logins"))


async def test_a_database_that_is_away(look: Examine) -> None:
    report = await look(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    assert [(one.check, one.status) for one in report.lines] == [("service", "warn"), ("database", "fail")]
    assert "cannot be reached" in line(report, "database").says
    assert report.exit_code == 1


@pytest.mark.parametrize("hours, expected", [(0, "warn"), (25.9, "warn"), (26.1, "fail")])
async def test_no_backup_is_a_failure_once_the_first_would_be_too_old(
    look: Examine, database: str, hours: float, expected: str
) -> None:
    execute(database, f"UPDATE schema_migrations SET applied_at = now() - INTERVAL '{hours} hours' WHERE version = '001'")
    execute(database, "UPDATE schema_migrations SET applied_at = now() WHERE version <> '001'")
    found = line(await look(), "backups")
    assert found.status == expected
    assert found.value == pytest.approx(hours * 3600, abs=60)
    assert found.threshold == "warn without one, fail > 26 h"


async def test_no_backup_is_a_failure_where_nothing_tells_how_old_the_database_is(look: Examine, database: str) -> None:
    execute(database, "ALTER TABLE schema_migrations DROP COLUMN applied_at")
    found = line(await look(), "backups")
    assert (found.status, found.value) == ("fail", None)


async def test_backups(look: Examine, database: str) -> None:
    back_up(database, hours=27)
    old = line(await look(), "backup age, dump")
    assert old.status == "fail"
    assert old.value == pytest.approx(27 * 3600, abs=60)
    assert old.threshold == "fail > 26 h"
    back_up(database, hours=2, size=499)
    report = await look()
    assert status(report, "backup age, dump") == "ok"
    assert (status(report, "backup size, dump"), line(report, "backup size, dump").value) == ("warn", 0.499)
    back_up(database, hours=1, size=501)
    back_up(database, "physical", hours=25.5)
    report = await look()
    assert status(report, "backup size, dump") == "ok"
    assert status(report, "backup age, physical") == "fail"


async def test_dead_letters_the_ledger_and_maintenance(look: Examine, database: str) -> None:
    report = await look()
    assert {status(report, check) for check in ("dead letters", "ledger", "maintenance mode")} == {"ok"}
    execute(
        database,
        "INSERT INTO dead_letters VALUES ('default', 'traces', '\\x01', now(), 'refused', '\\x')",
        "INSERT INTO ingest_ledger VALUES ('default', 'traces', '\\x01', now() - INTERVAL '12 hours 5 min', '')",
        "INSERT INTO maintenance_mode (reason, since) VALUES ('moving', now())",
    )
    report = await look()
    assert {status(report, check) for check in ("dead letters", "ledger", "maintenance mode")} == {"warn"}
    assert "moving" in line(report, "maintenance mode").says
    with psycopg.connect(database) as connection:
        # What is to be done next is a statement that can be run.
        statement = line(report, "dead letters").next.split('-c "')[1].rstrip('"')
        assert connection.execute(statement.encode()).fetchall()[0][0] == "traces"


@pytest.mark.rollup_tables("their lag is that of the queue")
@pytest.mark.parametrize("hours, expected", [(1, "ok"), (3, "warn"), (7, "fail")])
async def test_rollups_that_nobody_computes(look: Examine, database: str, hours: int, expected: str) -> None:
    execute(
        database,
        "INSERT INTO ingest_touched SELECT 'default', 'traces', date_trunc('hour', now()) - INTERVAL '10 hours', '{}',"
        f" now() - INTERVAL '{hours} hours'",
    )
    assert status(await look(), "rollups") == expected


@pytest.mark.postgresql("partitions are made ahead")
async def test_partitions(look: Examine, database: str) -> None:
    assert status(await look(), "partitions") == "fail"
    now = datetime.now(UTC)
    engine = CurrentEngine(lambda: connect(database), Settings())
    await engine.ensure_partitions([time_us(now + timedelta(days=day)) for day in range(4)])
    report = await look()
    assert (status(report, "partitions"), status(report, "retention")) == ("ok", "ok")
    await engine.ensure_partitions([time_us(now - timedelta(days=100))])
    assert status(await look(), "retention") == "warn"


@pytest.mark.timescaledb("a policy fails in the background")
async def test_policies(look: Examine, database: str) -> None:
    assert status(await look(), "policies") == "ok"
    execute(
        database,
        'SELECT alter_job(job_id, scheduled => true, next_start => now(), config => config || \'{"work_mem": "no size"}\')'
        " FROM timescaledb_information.jobs WHERE (hypertable_name, proc_name) = ('llm_usage_daily', 'policy_retention')",
        "SELECT _timescaledb_functions.start_background_workers()",
    )
    try:
        report = await look()
        for _ in range(60):
            if status(report, "policies") != "ok":
                break
            await asyncio.sleep(0.5)
            report = await look()
    finally:
        execute(database, "SELECT _timescaledb_functions.stop_background_workers()")
    failed = line(report, "policies")
    assert failed.status == "fail"
    assert failed.says.startswith("policy_retention of llm_usage_daily (job ")
    assert "timescaledb_information.job_errors" in failed.next


async def test_dead_tuples(look: Examine, database: str) -> None:
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("CREATE TABLE crowded (number int) WITH (autovacuum_enabled = off)")
        connection.execute("INSERT INTO crowded SELECT generate_series(1, 3000)")
        connection.execute("DELETE FROM crowded WHERE number <= 1500")
        connection.execute("SELECT pg_stat_force_next_flush()")
        found = line(await look(), "dead tuples")
        assert (found.status, found.value) == ("warn", 0.5)
        assert "VACUUM (ANALYZE) crowded" in found.next
        connection.execute("VACUUM crowded")
        connection.execute("SELECT pg_stat_force_next_flush()")
    assert status(await look(), "dead tuples") == "ok"


async def test_indexes(look: Examine, database: str) -> None:
    execute(database, "CREATE TABLE twice (number int)", "INSERT INTO twice VALUES (1), (1)")
    report = await look()
    assert (status(report, "invalid indexes"), status(report, "unused indexes")) == ("ok", "ok")
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(database, "CREATE UNIQUE INDEX CONCURRENTLY twice_once ON twice (number)")
    execute(database, "CREATE INDEX twice_unused ON twice (number)")
    report = await look(smallest=TINY)
    assert line(report, "invalid indexes").says == "twice_once"
    assert status(report, "invalid indexes") == "warn"
    unused = line(report, "unused indexes")
    assert unused.status == "warn"
    assert "twice_unused" in unused.says
    assert "twice_once" not in unused.says


@pytest.mark.parametrize("what", ["table", "index"])
async def test_bloat(look: Examine, database: str, what: str) -> None:
    smallest = replace(TINY, bloated_bytes=500_000)
    execute(
        database,
        "CREATE TABLE loose (number int, filler text) WITH (autovacuum_enabled = off)",
        "INSERT INTO loose SELECT number, repeat('x', 100) FROM generate_series(1, 30000) AS number",
        "CREATE INDEX loose_number ON loose (number)",
        "ANALYZE loose",
    )
    tight = line(await look(smallest=smallest), "bloat")
    assert tight.status == "ok"
    assert tight.value is not None
    assert tight.value < 0.2
    # One row a page is left, so that no page of either can be given back.
    execute(database, "DELETE FROM loose WHERE number % 50 <> 0", "VACUUM (ANALYZE) loose")
    if what == "index":
        execute(database, "VACUUM (FULL, ANALYZE) loose", "DROP INDEX loose_number")
        execute(
            database,
            "CREATE INDEX loose_number ON loose (number)",
            "INSERT INTO loose SELECT number, '' FROM generate_series(1, 30000) AS number",
            "DELETE FROM loose WHERE number % 50 <> 0 OR filler = ''",
            "VACUUM (ANALYZE) loose",
        )
        smallest = replace(smallest, bloated_bytes=500_000)
    found = line(await look(smallest=smallest), "bloat")
    assert found.status == "warn"
    assert found.value is not None
    assert found.value > 0.5


async def test_transactions_and_those_that_are_idle(look: Examine, database: str) -> None:
    strict = Thresholds(long_transactions=NOTHING, idle_in_transaction=NOTHING)
    report = await look(thresholds=strict)
    assert (status(report, "long transactions"), status(report, "idle in transaction")) == ("ok", "ok")
    with psycopg.connect(database, application_name="forgetful") as idle:
        idle.execute("SELECT 1")
        report = await look(thresholds=strict)
        pid = idle.info.backend_pid
        for check in ("long transactions", "idle in transaction"):
            found = line(report, check)
            assert found.status == "warn"
            assert f"pid {pid} " in found.says
            assert "forgetful" in found.says
            assert f"llm-observatory maintain terminate --pid {pid}" in found.next
        report = await look()
        assert (status(report, "long transactions"), status(report, "idle in transaction")) == ("ok", "ok")


async def test_who_waits_for_a_lock_and_on_whom(look: Examine, database: str) -> None:
    strict = Thresholds(waiting_locks=NOTHING)
    assert status(await look(thresholds=strict), "locks") == "ok"
    execute(database, "CREATE TABLE wanted (number int)")

    def want() -> None:
        with psycopg.connect(database, application_name="patient") as waiting:
            waiting.execute("LOCK TABLE wanted")

    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE wanted")
        waiter = threading.Thread(target=want)
        waiter.start()
        try:
            waits = (
                b"SELECT count(*) FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL AND relation = 'wanted'::regclass"
            )
            wait_for(lambda: holder.execute(waits).fetchone() == (1,), 10, "the other waits")
            found = line(await look(thresholds=strict), "locks")
        finally:
            holder.rollback()
            waiter.join(10)
        assert found.status == "warn"
        assert "patient" in found.says
        assert str(holder.info.backend_pid) in found.says


async def test_slow_queries(look: Examine, database: str) -> None:
    missing = line(await look(), "slow queries")
    assert missing.status == "ok"
    assert "CREATE EXTENSION pg_stat_statements" in missing.next
    with psycopg.connect(database, autocommit=True) as connection:
        loaded = connection.execute("SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max'").rowcount
        if not loaded:
            pytest.skip("this server has not loaded pg_stat_statements")
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("SELECT pg_sleep(0.05)")
    strict = Thresholds(slow_queries=Limit("seconds", warn=0.01))
    slow = [one for one in (await look(smallest=TINY, thresholds=strict)).lines if one.check == "slow queries"]
    assert any("pg_sleep($1)" in one.says and one.status == "warn" for one in slow)


async def test_migrations_and_superusers(look: Examine, database: str) -> None:
    before = await look()
    assert status(before, "migrations") == "ok"
    name = f"almighty_{free_port()}"
    execute(
        database,
        "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)",
        f"CREATE ROLE {name} SUPERUSER LOGIN",
    )
    try:
        after = await look()
    finally:
        execute(database, f"DROP ROLE {name}")
    assert (status(after, "migrations"), line(after, "migrations").next) == ("fail", "llm-observatory migrate up")
    assert line(after, "superusers").value == (line(before, "superusers").value or 0) + 1
    assert status(after, "superusers") == "warn"


async def test_server_settings(look: Examine, database: str) -> None:
    assert status(await look(), "server settings") == "ok"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on".encode())
    found = line(await look(), "server settings")
    assert found.status == "fail"
    assert "nothing can be written" in found.says


@pytest.mark.parametrize("days, expected", [(3, "fail"), (20, "warn"), (40, "ok"), (-1, "fail")])
async def test_certificates(look: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, expected: str) -> None:
    file = self_signed(tmp_path, datetime.now(UTC).replace(microsecond=0) + timedelta(days=days, hours=1))
    monkeypatch.setattr(observation, "own_certificates", lambda _: {"otlp": file})
    # The server of the tests may have one of its own.
    assert [one.status for one in (await look()).lines if one.says.startswith("otlp: ")] == [expected]
    file.unlink()
    assert [one.status for one in (await look()).lines if one.says.startswith(str(file))] == ["fail"]


async def test_the_disk_of_the_data_and_of_backups(look: Examine, database: str, tmp_path: Path) -> None:
    back_up(database)
    full = Thresholds(disk=Limit("ratio", warn=0.0, fail=1.0))
    report = await look(thresholds=full, data_directory=tmp_path / "data")
    assert status(report, "disk, data") == "warn"
    assert str(tmp_path / "data") in line(report, "disk, data").says
    assert line(report, "disk, backups").says.startswith("/: ")


async def test_what_a_login_may_not_read_is_a_warning(look: Examine, database: str) -> None:
    with psycopg.connect(database) as busy:
        busy.execute("LOCK TABLE backups IN ACCESS EXCLUSIVE MODE")
        found = line(await look(), "backups")
    assert found.status == "warn"
    assert found.says.startswith("not known: ")
