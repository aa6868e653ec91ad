"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_observatory import __version__
from llm_observatory.app.cli import cli
from llm_observatory.app.cli import database as reaching
from llm_observatory.errors import SchemaMismatch
from llm_observatory.settings import OUR_PREFIXES, Settings
from llm_observatory.storage import migrate

CANARY = "hunter2-canary"
VERBS = ("serve", "migrate up", "migrate down", "migrate status", "migrate verify", "check", "dsn", "version")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and an embedded data folder that holds nothing."""
    import os

    for name in os.environ:
        if name.startswith((*OUR_PREFIXES, "DATABASE_URL", "CONFIG_FILE")) or name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_OBSERVATORY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_enough_to_go_on(run: CliRunner, verb: str) -> None:
    result = run.invoke(cli, [*verb.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    if not verb:
        assert [name for name in VERBS if name.split()[0] not in result.stdout] == []


def test_version(run: CliRunner) -> None:
    assert __version__ in run.invoke(cli, ["version"]).stdout
    shown = json.loads(run.invoke(cli, ["version", "--json"]).stdout)
    assert shown.keys() == {"version", "python", "codec"}
    assert (shown["version"], shown["codec"]) == (__version__, "reference")


def test_the_query_role_is_refused_in_words(run: CliRunner) -> None:
    result = run.invoke(cli, ["serve", "--role", "query"])
    assert result.exit_code == 2
    assert "no query service in this version" in result.stderr


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "version"])
def test_wrong_settings_end_every_verb_with_all_faults_and_code_2(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("READ_SLOTS", "0")
    monkeypatch.setenv("DATABASE_URL", f"mysql://u:{CANARY}@h")
    result = run.invoke(cli, verb.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "2 settings are wrong" in result.stderr
    assert "READ_SLOTS" in result.stderr
    assert "DATABASE_URL" in result.stderr
    assert CANARY not in result.stderr
    assert "Traceback" not in result.stderr


def test_dsn_prints_the_url_with_its_password_and_nothing_else(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "db")
    monkeypatch.setenv("DB_PASSWORD", CANARY)
    result = run.invoke(cli, ["dsn"])
    assert result.stdout == f"postgresql://postgres:{CANARY}@db:5432/llm_observatory?sslmode=prefer\n"
    assert result.stderr == ""


def test_dsn_of_an_embedded_server_that_does_not_run(run: CliRunner) -> None:
    result = run.invoke(cli, ["dsn"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "not running; start it with" in result.stderr


def test_check_shows_every_setting_and_where_it_came_from(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"BATCH_SIZE=77\nREDIS_URL=redis://:{CANARY}@h\n")
    result = run.invoke(cli, ["check"])
    assert result.exit_code == 0, result.output
    assert [name for name in Settings.model_fields if name.upper() not in result.stdout] == []
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("BATCH_SIZE")]
    assert line.split()[:3] == ["BATCH_SIZE", "77", ".env"]
    assert CANARY not in result.output
    assert "not running" in result.stdout
    assert "at most about 939 MiB" in result.stdout


def test_check_as_json(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", CANARY)
    result = run.invoke(cli, ["check", "--json"])
    shown = json.loads(result.stdout)
    assert shown["usable"] is True
    assert shown["settings"]["DB_PASSWORD"] == {"value": "********", "from": "environment"}
    assert shown["settings"]["RETENTION"] == {"value": "90d", "from": "default"}
    assert "the embedded PostgreSQL is used" in shown["notices"][0]
    assert shown["memory_ceiling_bytes"] == 120 * 1024**2 + int(4 * 3.2 * 64 * 1024**2)
    assert CANARY not in result.output


def test_check_with_no_database_to_reach(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    # Port 1 on loopback: refused at once.
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{CANARY}@127.0.0.1:1/d")
    result = run.invoke(cli, ["check"])
    assert result.exit_code == 1
    assert "d on 127.0.0.1:1 as u" in result.stdout
    assert "cannot be used" in result.stdout
    assert CANARY not in result.output


def test_an_expected_failure_is_words_and_what_to_do_next(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_conninfo: str) -> list[str]:
        raise SchemaMismatch("the database is not set up for this version", "28P01") from ValueError(
            "password authentication failed"
        )

    monkeypatch.setenv("DB_HOST", "db")
    monkeypatch.setattr(migrate, "verify", refuse)
    result = run.invoke(cli, ["migrate", "verify"])
    assert result.exit_code == 1
    assert "password authentication failed" in result.stderr
    assert "migrate status" in result.stderr
    assert "Traceback" not in result.output


def test_a_bug_keeps_its_traceback(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fall(_conninfo: str) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setenv("DB_HOST", "db")
    monkeypatch.setattr(migrate, "verify", fall)
    assert isinstance(run.invoke(cli, ["migrate", "verify"]).exception, ZeroDivisionError)


@pytest.mark.parametrize("applied,code", [(True, 0), (False, 1)])
def test_migrate_status(run: CliRunner, monkeypatch: pytest.MonkeyPatch, applied: bool, code: int) -> None:
    async def found(_conninfo: str) -> list[migrate.Migration]:
        return [migrate.Migration("001", "001_a.sql", applied=True), migrate.Migration("002", "002_b.sql", applied)]

    monkeypatch.setenv("DB_HOST", "db")
    monkeypatch.setattr(migrate, "status", found)
    result = run.invoke(cli, ["migrate", "status"])
    assert result.exit_code == code
    assert f"[{'x' if applied else ' '}] 002 002_b.sql" in result.stdout
    shown = json.loads(run.invoke(cli, ["migrate", "status", "--json"]).stdout)
    assert shown["pending"] == (0 if applied else 1)
    assert shown["migrations"][1] == {"version": "002", "name": "002_b.sql", "applied": applied}


@pytest.mark.parametrize("differences,code", [([], 0), (["column x is missing"], 1)])
def test_migrate_verify(run: CliRunner, monkeypatch: pytest.MonkeyPatch, differences: list[str], code: int) -> None:
    async def found(_conninfo: str) -> list[str]:
        return differences

    monkeypatch.setenv("DB_HOST", "db")
    monkeypatch.setattr(migrate, "verify", found)
    assert run.invoke(cli, ["migrate", "verify"]).exit_code == code
    result = run.invoke(cli, ["migrate", "verify", "--json"])
    assert result.exit_code == code
    assert json.loads(result.stdout) == {"equal": not differences, "differences": differences}


def test_migrate_down_asks_first(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    async def down(conninfo: str, _progress: object) -> None:
        taken.append(conninfo)

    monkeypatch.setenv("DATABASE_URL", "postgresql://pooled")
    monkeypatch.setenv("DB_DIRECT_URL", "postgresql://direct")
    monkeypatch.setattr(migrate, "down", down)
    assert run.invoke(cli, ["migrate", "down"], input="n\n").exit_code == 1
    assert taken == []
    assert run.invoke(cli, ["migrate", "down", "--yes"]).exit_code == 0
    assert taken == ["postgresql://direct"]


def test_commands_use_the_embedded_server_that_runs(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "running_conninfo", lambda _folder: "postgresql://running/d")
    assert run.invoke(cli, ["dsn"]).stdout == "postgresql://running/d\n"
