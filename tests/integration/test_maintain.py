"""`llm-observatory maintain` on real servers: what it does, what it leaves, and that sums outlive what is dropped."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from llm_observatory.operate.maintain import ROLLUP_NAMES, TABLE_NAMES, Maintain, Refused, Report
from llm_observatory.settings import Settings
from llm_observatory.storage import maintenance_mode
from llm_observatory.storage.connection import connect
from llm_observatory.storage.engine import CurrentEngine, detect
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.upkeep import sessions
from llm_observatory.tables import PARTITIONED
from tests.contract.test_rollups import SETTINGS, Store, spread

pytestmark = pytest.mark.timeout(180)

DAY = timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def on(database: str, settings: Settings = SETTINGS) -> Maintain:
    return Maintain(database, settings, lambda _line: None)


async def fetch(database: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    connection = await connect(database)
    try:
        return await (await connection.execute(statement.encode(), parameters or None)).fetchall()
    finally:
        await connection.close()


async def run(database: str, *statements: str) -> None:
    connection = await connect(database)
    try:
        for statement in statements:
            await connection.execute(statement.encode())
    finally:
        await connection.close()


def errors(report: Report) -> list[str]:
    return [piece.error for piece in report.done if piece.error]


async def test_vacuum_goes_through_every_partition(database: str) -> None:
    await Store(database).add(1, spread(1, TODAY - 3 * DAY, 3 * DAY, 60))
    report = await on(database).vacuum(["llm_traces", "telemetry_sources"])
    assert errors(report) == []
    children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'llm_traces'::regclass"
    expected = {"telemetry_sources"} | {name for (name,) in await fetch(database, children)}
    assert len(expected) >= 4

    async def vacuumed() -> bool:
        counted = "SELECT relid::regclass::text FROM pg_stat_user_tables WHERE vacuum_count > 0 AND analyze_count > 0"
        return {name for (name,) in await fetch(database, counted)} >= expected

    async with asyncio.timeout(20):
        while not await vacuumed():
            pass


async def test_vacuum_full_is_for_maintenance_mode(database: str) -> None:
    with pytest.raises(Refused, match="maintenance on"):
        await on(database).vacuum(["dead_letters"], full=True)
    before = await fetch(database, "SELECT pg_relation_filenode('dead_letters')")
    connection = await connect(database)
    await maintenance_mode.switch_on(connection, "vacuum full")
    await connection.close()
    assert (await on(database).vacuum(["dead_letters"], full=True)).complete
    assert await fetch(database, "SELECT pg_relation_filenode('dead_letters')") != before


async def test_what_is_locked_is_left_and_the_rest_is_done(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.storage.upkeep.session.LOCK_TIMEOUT", "100ms")
    holder = await connect(database)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE dead_letters IN SHARE UPDATE EXCLUSIVE MODE")
            report = await on(database).analyze(["dead_letters", "ingest_ledger"])
    finally:
        await holder.close()
    assert [(piece.what, piece.error is None) for piece in report.done] == [("dead_letters", False), ("ingest_ledger", True)]
    assert errors(report) == ["in use, left as it is: run it again later"]
    assert not report.complete


async def test_statistics_of_all_tables(engine_database: str) -> None:
    report = await on(engine_database).analyze(TABLE_NAMES)
    assert errors(report) == []
    assert {piece.what for piece in report.done} >= set(PARTITIONED)


async def test_reindex_beside_readers_and_of_what_an_earlier_try_left(database: str) -> None:
    await Store(database).add(1, spread(1, TODAY - DAY, DAY, 20))
    [(leaf,)] = await fetch(
        database, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'llm_traces'::regclass LIMIT 1"
    ) if not await _chunked(database) else [("",)]  # fmt: skip
    if not leaf:
        pytest.skip("an index of a chunk is broken otherwise")
    await run(
        database,
        f"CREATE INDEX left_behind_ccnew ON {leaf} (service_name)",
        "CREATE INDEX wanted ON dead_letters (signal)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('left_behind_ccnew'::regclass, 'wanted'::regclass)",
    )
    before = await fetch(database, "SELECT pg_relation_filenode('ingest_ledger_pkey')")
    reader = await connect(database)
    try:
        async with reader.transaction():
            # Of another table: REINDEX CONCURRENTLY waits for those who read this one.
            await reader.execute("SELECT count(*) FROM llm_logs")
            report = await on(database).reindex([leaf.split("_p")[0], "dead_letters", "ingest_ledger"])
    finally:
        await reader.close()
    assert errors(report) == []
    assert (
        await fetch(database, "SELECT relname::text FROM pg_index JOIN pg_class ON oid = indexrelid WHERE NOT indisvalid") == []
    )
    assert await fetch(database, "SELECT to_regclass('left_behind_ccnew'), to_regclass('wanted')::text") == [(None, "wanted")]
    assert await fetch(database, "SELECT pg_relation_filenode('ingest_ledger_pkey')") != before


async def _chunked(database: str) -> bool:
    connection = await connect(database)
    try:
        return (await detect(connection, SETTINGS)).name == "timescaledb"
    finally:
        await connection.close()


async def test_compress(engine_database: str) -> None:
    settings = SETTINGS.model_copy(update={"compress_after": 2 * DAY})
    await Store(engine_database).add(1, spread(1, TODAY - 5 * DAY, 5 * DAY, 40))
    report = await on(engine_database, settings).compress(["llm_traces", "llm_metrics"])
    if not await _chunked(engine_database):
        assert (report.done, report.complete) == ((), True)
        assert "nothing to compress" in str(report.note)
        return
    assert errors(report) == []
    left = "SELECT hypertable_name::text, range_end FROM timescaledb_information.chunks WHERE NOT is_compressed"
    assert report.done
    assert all(end > TODAY - 2 * DAY for name, end in await fetch(engine_database, left) if name != "llm_logs")


async def test_refresh_does_not_wait_until_hours_have_settled(engine_database: str) -> None:
    store = Store(engine_database)
    await store.add(1, spread(1, TODAY - 2 * DAY, DAY, 60))
    connection = await connect(engine_database)
    await (await detect(connection, SETTINGS)).reconcile(connection, SETTINGS)
    await connection.execute("UPDATE ingest_touched SET touched_at = now()")
    await connection.close()
    report = await on(engine_database).refresh(ROLLUP_NAMES)
    assert errors(report) == []
    store.assert_exact()
    if not await _chunked(engine_database):
        assert await fetch(engine_database, "SELECT count(*) FROM rollup_pending") == [(0,)]


async def test_sums_outlive_what_is_dropped_by_hand(engine_database: str) -> None:
    store = Store(engine_database)
    await store.add(1, spread(1, TODAY - 6 * DAY, 6 * DAY, 120))
    await store.settle()
    sums = "SELECT * FROM trace_metrics_daily WHERE bucket < %s ORDER BY 1, 2, 3, 4, 5"
    horizon = TODAY - 3 * DAY
    before = await fetch(engine_database, sums, horizon)
    assert before
    found = await on(engine_database).before(PARTITIONED, horizon + timedelta(hours=7))
    assert {name: len(chunks) for name, chunks in found.items()} == {"llm_traces": 3, "llm_metrics": 3}
    assert {chunks[-1].end for chunks in found.values()} == {horizon}
    assert all(chunk.size for chunks in found.values() for chunk in chunks)
    report = await on(engine_database).drop_before(found)
    assert errors(report) == []
    oldest = await fetch(engine_database, "SELECT min(timestamp) >= %s FROM llm_traces", horizon)
    assert oldest == [(True,)]
    await store.settle()
    assert await fetch(engine_database, sums, horizon) == before
    assert await on(engine_database).before(PARTITIONED, horizon) == {}


async def test_what_is_dropped_of_metrics_takes_no_correction_of_a_span_away(engine_database: str) -> None:
    await Store(engine_database).add(1, spread(1, TODAY - 4 * DAY, 4 * DAY, 60))
    await run(
        engine_database,
        "INSERT INTO usage_pending SELECT tenant, date_trunc('hour', timestamp), trace_id, now() FROM llm_traces LIMIT 1",
        "INSERT INTO usage_corrections (tenant, timestamp, timestamp_nanos, trace_id, span_id, verdict, service_name,"
        " input_band, call_count, error_count, unreported_count, timed_count, ttft_count)"
        " SELECT tenant, timestamp, 0, trace_id, span_id, 'rollup', '', 0, 0, 0, 0, 0, 0 FROM llm_traces"
        f" WHERE timestamp < '{TODAY - 2 * DAY}' LIMIT 1",
    )

    async def left_after_dropping(table: str) -> list[tuple[Any, ...]]:
        found = {table: (await on(engine_database).before([table], TODAY - DAY))[table]}
        assert errors(await on(engine_database).drop_before(found)) == []
        engine = CurrentEngine(lambda: connect(engine_database), SETTINGS)
        process = Maintenance(lambda: connect(engine_database), SETTINGS, engine)
        try:
            assert set((await process.run_once()).values()) == {"success"}
        finally:
            await process.close()
        return await fetch(
            engine_database, "SELECT count(*) FROM usage_corrections WHERE verdict = 'rollup' AND service_name = ''"
        )

    assert await left_after_dropping("llm_metrics") == [(1,)]
    assert await left_after_dropping("llm_traces") == [(0,)]


@pytest.mark.timescaledb("partitions are detached beside readers, tests/integration/test_engine.py")
async def test_nobody_waits_behind_a_drop_that_waits_for_a_reader(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its turn when the reader has gone; a chunk that is always read stays and is told, and so do no others."""
    await run(database, "SELECT _timescaledb_functions.stop_background_workers()")  # their refresh keeps ours from running
    await Store(database).add(1, spread(1, TODAY - 4 * DAY, 4 * DAY, 60))
    found = {"llm_traces": (await on(database).before(["llm_traces"], TODAY))["llm_traces"]}
    assert len(found["llm_traces"]) == 4
    oldest = "SELECT count(*) FROM llm_traces WHERE timestamp < %s"
    reader, other = await connect(database), await connect(database)
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'llm-observatory-maintain' AND wait_event_type = 'Lock'"
    try:
        await other.execute("SET lock_timeout = '2s'")
        async with reader.transaction():
            await reader.execute(oldest, [TODAY - 3 * DAY])
            dropping = asyncio.create_task(on(database).drop_before(found))
            async with asyncio.timeout(60):
                while (await other.execute(waiting)).rowcount != 1:
                    assert not dropping.done()
            await other.execute(oldest, [TODAY - 3 * DAY])
        assert errors(await dropping) == []
        assert await on(database).before(["llm_traces"], TODAY) == {}
        await Store(database).add(2, spread(2, TODAY - 4 * DAY, 4 * DAY, 60))
        monkeypatch.setattr("llm_observatory.storage.upkeep.drop.ATTEMPTS", 2)
        monkeypatch.setattr("llm_observatory.storage.upkeep.drop.PAUSE_SECONDS", 0.01)
        async with reader.transaction():
            await reader.execute(oldest, [TODAY - 3 * DAY])
            assert len(errors(await on(database).drop_before(found))) == 1
        assert len((await on(database).before(["llm_traces"], TODAY))["llm_traces"]) == 1
    finally:
        await reader.close()
        await other.close()


async def _found(database: str, **given: Any) -> list[sessions.Session]:
    connection = await connect(database, "looker")
    try:
        asked = {"pid": None, "idle_for": None, "running_for": None, **given}
        return await sessions.sessions(connection, "my-service", **asked)
    finally:
        await connection.close()


async def test_sessions_that_hold_the_database_up_are_ended(database: str) -> None:
    idle, running = await connect(database, "someone"), await connect(database, "reporter")
    own = await connect(database, "my-service probe")
    try:
        await idle.execute("BEGIN")
        await idle.execute("SELECT 1")
        sleeping = asyncio.create_task(running.execute("SELECT pg_sleep(60)"))
        async with asyncio.timeout(20):
            while {s.application for s in await _found(database, running_for=timedelta(0))} != {"reporter"}:
                pass
        quiet = await _found(database, idle_for=timedelta(0))
        assert {(s.application, s.state, s.ours) for s in quiet} == {
            ("someone", "idle in transaction", False), ("my-service probe", "idle", True),
        }  # fmt: skip
        assert await _found(database, idle_for=timedelta(hours=1), running_for=timedelta(hours=1)) == []
        assert [s.ours for s in await _found(database, pid=own.info.backend_pid)] == [True]
        doomed = [s for s in quiet if not s.ours] + await _found(database, running_for=timedelta(0))
        ended = [f"session {connection.info.backend_pid}" for connection in (idle, running)]
        report = await on(database).terminate(doomed)
        assert [piece.what for piece in report.done] == ended
        with pytest.raises(psycopg.errors.AdminShutdown):
            await sleeping
        with pytest.raises(psycopg.OperationalError):
            await idle.execute("SELECT 1")
        await own.execute("SELECT 1")
    finally:
        for connection in (idle, running, own):
            await connection.close()


async def test_statistics_of_statements(database: str) -> None:
    with pytest.raises(Refused, match="CREATE EXTENSION pg_stat_statements"):
        await on(database).reset_statistics()
    if await fetch(database, "SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max'") == []:
        pytest.skip("the server has not loaded pg_stat_statements")
    await run(database, "CREATE EXTENSION pg_stat_statements", "SELECT 'counted'")
    counted = "SELECT count(*) > 0 FROM pg_stat_statements WHERE query LIKE 'SELECT $1%' AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"  # noqa: E501
    assert await fetch(database, counted) == [(True,)]
    await on(database).reset_statistics()
    assert await fetch(database, counted) == [(False,)]


STATEMENTS = (
    "SELECT span_name AS newest FROM llm_traces WHERE tenant = 'a' AND timestamp > now() - interval '1 hour' LIMIT 5",
    "SELECT extract(epoch FROM timestamp) AS second FROM llm_traces WHERE timestamp > timestamptz '2026-11-28'",
    "INSERT INTO dead_letters SELECT * FROM dead_letters",
    "CREATE TABLE of_mine ()",
)


async def test_plans_of_statements_by_their_ids(database: str) -> None:
    with pytest.raises(Refused, match="pg_stat_statements is not in this database"):
        await on(database).explain(1)
    if await fetch(database, "SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max'") == []:
        pytest.skip("the server has not loaded pg_stat_statements")
    await Store(database).add(1, spread(1, TODAY - 2 * DAY, 2 * DAY, 20))
    await run(database, "CREATE EXTENSION pg_stat_statements", *STATEMENTS)
    own = "SELECT query, queryid FROM pg_stat_statements JOIN pg_database ON oid = dbid WHERE datname = current_database()"
    known = dict(await fetch(database, own))
    newest, second, insert, create = [
        next(queryid for query, queryid in known.items() if words in query)
        for words in ("AS newest", "AS second", "INSERT INTO dead_letters SELECT", "of_mine")
    ]
    for queryid, table in ((newest, "llm_traces"), (second, "llm_traces"), (insert, "Insert on dead_letters")):
        assert table in (await on(database).explain(queryid)).plan
    [planned] = (await on(database).explain(newest, form="json")).plan
    assert planned["Plan"]["Node Type"] == "Limit"
    with pytest.raises(Refused, match="cannot explain this statement by itself: syntax error"):
        await on(database).explain(create)
    shown = command(database, "explain", str(newest))
    assert (shown.returncode, "interval $" in shown.stdout, "calls: 1, " in shown.stdout) == (0, True, True), shown.stderr
    unknown = command(database, "explain", "-1", "--json")
    assert (unknown.returncode, "knows no statement -1" in unknown.stderr, unknown.stdout) == (1, True, ""), unknown.stderr


async def test_a_planted_statement_is_not_run(database: str) -> None:
    """A literal that is longer for whoever planted it than for us, kept as it is since the statistics were reset meanwhile."""
    if await fetch(database, "SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max'") == []:
        pytest.skip("the server has not loaded pg_stat_statements")
    await run(database, "CREATE EXTENSION pg_stat_statements")
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as theirs:
        await theirs.execute("SET standard_conforming_strings = off")
        planted = rb"SELECT 1, 'a\'; COMMIT; CREATE TABLE planted (); --'"
        await theirs.execute(planted, prepare=True)
        await run(database, "SELECT pg_stat_statements_reset()")
        await theirs.execute(planted, prepare=True)
    [(queryid,)] = await fetch(database, "SELECT queryid FROM pg_stat_statements WHERE query LIKE '%TABLE planted%; --%'")
    with pytest.raises(Refused, match="multiple commands"):
        await on(database).explain(queryid)
    assert await fetch(database, "SELECT to_regclass('planted') IS NULL") == [(True,)]


def command(database: str, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm_observatory", "maintain", *arguments],
        env={**os.environ, "DATABASE_URL": database}, input=answer, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


async def test_the_verbs_ask_and_say_what_came_of_it(database: str) -> None:
    await Store(database).add(1, spread(1, TODAY - 4 * DAY, 2 * DAY, 20))
    count = "SELECT count(*) > 0 FROM llm_traces"
    refused = command(database, "drop-before", "1d", answer="n\n")
    assert (refused.returncode, await fetch(database, count)) == (1, [(True,)])
    assert "llm_traces: 2 until" in refused.stderr
    done = command(database, "drop-before", "1d", "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)["complete"], await fetch(database, count)) == (0, True, [(False,)])
    full = command(database, "vacuum", "--full", "--table", "dead_letters")
    assert (full.returncode, "maintenance on" in full.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["drop-before", "2999-01-01"], "in the future"),
        (["drop-before", "soon"], "neither a day"),
        (["drop-before", "30"], "neither a day of UTC"),
        (["terminate", "--idle-for", "10"], "has no unit"),
        (["vacuum", "--table", "llm_trace"], "not one of"),
        (["terminate"], "--idle-for"),
    ],
)
def test_arguments_that_are_wrong(arguments: list[str], words: str) -> None:
    done = command("postgresql://nobody@127.0.0.1:1/nothing", *arguments)
    assert (done.returncode, words in " ".join(done.stderr.replace("│", " ").split())) == (2, True), done.stderr
