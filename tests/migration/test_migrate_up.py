"""`migrate up --dry-run` and `--backup-before`: what would be run, and the way back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from llm_observatory.operate.backup import programs
from llm_observatory.operate.backup.before import dump
from llm_observatory.operate.backup.programs import BackupFailed
from llm_observatory.storage import migrate
from llm_observatory.storage.embedded import binaries
from tests.migration.test_migrate import FILES

pytestmark = pytest.mark.timeout(120)

LAST = FILES[-1]


def up(database: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm_observatory", "migrate", "up", *arguments],
        env={**os.environ, "DATABASE_URL": database, "LLM_OBSERVATORY_DATA_DIR": str(folder / "data")}, cwd=folder,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def pg_restore(*arguments: str | Path) -> str:
    command = [binaries.located().installation / "bin" / "pg_restore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def only_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the embedded server's programs nor Debian's of the version of the server are found."""
    monkeypatch.setattr(programs, "_embedded", lambda *_: None)
    monkeypatch.setattr(programs, "_DEBIAN", "/nowhere/{major}")


async def applied(database: str) -> list[str]:
    return [migration.name for migration in await migrate.status(database) if migration.applied]


async def test_a_dry_run_prints_all_and_changes_nothing(empty_database: str, tmp_path: Path) -> None:
    done = up(empty_database, "--dry-run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^-- (\d\S+\.sql)$", done.stdout, flags=re.MULTILINE) == FILES
    assert "CREATE TABLE maintenance_mode" in done.stdout
    assert "migrate:down" not in done.stdout
    assert await applied(empty_database) == []


async def test_what_it_prints_is_what_is_run(empty_database: str) -> None:
    """The printed SQL alone makes the tables."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for _name, text in await migrate.plan(empty_database):
            connection.execute(text.encode())
        names = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert names >= {"llm_traces", "llm_logs", "maintenance_mode"}


async def test_a_dry_run_of_what_is_left(database: str, tmp_path: Path) -> None:
    assert await migrate.plan(database) == []
    assert "Nothing is pending" in up(database, "--dry-run", folder=tmp_path).stderr
    await migrate.down(database, lambda _line: None)
    assert [name for name, _ in await migrate.plan(database)] == [LAST]


async def test_a_backup_before_brings_back_what_was_there(database: str, tmp_path: Path) -> None:
    await migrate.down(database, lambda _line: None)
    done = up(database, "--backup-before", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (await applied(database))[-1] == LAST
    [file] = (tmp_path / "data" / "backups").iterdir()
    assert str(file) in done.stderr
    assert file.stat().st_mode & 0o077 == 0
    listed = pg_restore("--list", file)
    assert "TABLE DATA public dead_letters" in listed
    assert "TABLE DATA public maintenance_mode" in listed
    versions = pg_restore("--data-only", "--table", "schema_migrations", "--file", "-", file)
    assert FILES[-2][:3] in versions
    assert LAST[:3] not in versions


async def test_nothing_is_saved_where_nothing_would_change(database: str, empty_database: str, tmp_path: Path) -> None:
    assert "nothing is pending" in up(database, "--backup-before", folder=tmp_path).stderr
    assert "nothing in the database yet" in up(empty_database, "--backup-before", folder=tmp_path).stderr
    assert not (tmp_path / "data" / "backups").exists()


async def test_without_its_backup_nothing_is_migrated(database: str, tmp_path: Path) -> None:
    await migrate.down(database, lambda _line: None)
    taken = tmp_path / "taken.dump"
    taken.write_text("of somebody else")
    done = up(database, "--backup-before", "--backup-file", str(taken), folder=tmp_path)
    assert (done.returncode, "exists already" in done.stderr) == (1, True)
    assert LAST not in await applied(database)
    assert taken.read_text() == "of somebody else"
    assert up(database, "--backup-file", str(taken), folder=tmp_path).returncode == 2


def test_a_dump_that_breaks_off_leaves_nothing(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "pg_dump"
    says = '#!/bin/sh\n[ "$1" = --version ] && { echo "pg_dump (PostgreSQL) 99.1"; exit; }\necho no room >&2; exit 1\n'
    failing.write_text(says)
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)
    only_on_path(monkeypatch)
    with pytest.raises(BackupFailed, match="status 1: no room"):
        dump(database, tmp_path / "out" / "it.dump")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_pg_dump_older_than_the_server(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    only_on_path(monkeypatch)
    with pytest.raises(BackupFailed, match=r"only one of version 9 .*: install"):
        dump(database, tmp_path / "it.dump")
