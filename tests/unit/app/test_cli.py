"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from llm_observatory import __version__, codec
from llm_observatory.app.cli import cli
from llm_observatory.app.cli import database as reaching
from llm_observatory.app.cli.explain import explained
from llm_observatory.errors import ConfigError, EmbeddedServerError, SchemaMismatch
from llm_observatory.settings import OUR_PREFIXES, Settings
from llm_observatory.storage import migrate
from tests.plugins.service import free_port

CANARY = "hunter2-canary"
VERBS = (
    "serve",
    "migrate up",
    "migrate down",
    "migrate status",
    "migrate verify",
    "check",
    "doctor",
    "dsn",
    "version",
    "query usage",
    "tail",
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and an embedded data folder that holds nothing."""
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
    assert (shown["version"], shown["codec"]) == (__version__, codec.chosen().name)


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


def test_doctor_with_nothing_that_runs_fails_and_says_so(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_CHECK_PORT", str(free_port()))
    result = run.invoke(cli, ["doctor"])
    assert result.exit_code == 1
    assert "nothing listens there" in result.stdout
    assert "is not running" in result.stdout
    asked = json.loads(run.invoke(cli, ["doctor", "--json"]).stdout)
    assert asked["status"] == "fail"
    assert {check["check"]: check["status"] for check in asked["checks"]} == {
        "service": "warn",
        "database": "fail",
        "disk, data": "ok",
    }


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
    assert "at most about 3350 MiB" in result.stdout
    assert "Receiving OTLP over gRPC on 127.0.0.1:4317" in result.stdout
    assert "[http.read_timeout]" in result.stdout


def test_check_as_json(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", CANARY)
    result = run.invoke(cli, ["check", "--json"])
    shown = json.loads(result.stdout)
    assert shown["usable"] is True
    assert shown["settings"]["DB_PASSWORD"] == {"value": "********", "from": "environment", "collector": []}
    assert shown["settings"]["OTLP_READ_TIMEOUT"] == {
        "value": "5s",
        "from": "default",
        "collector": ["http.read_timeout"],
    }
    assert shown["receiving"] == list(explained(Settings()))
    assert shown["faults"] == []
    assert "the embedded PostgreSQL is used" in shown["notices"][0]
    encoding = (6 + 3 * 2) * 64 * 1024**2
    assert (
        shown["memory_ceiling_bytes"]
        == (120 + 33 + 4 * 2 * 8) * 1024**2 + int(((4 + 2) * 3.2 + 15 + 2 * (3 / 8 + 1)) * 64 * 1024**2) + encoding
    )
    assert CANARY not in result.output


def test_check_as_json_with_faulty_settings(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READ_SLOTS", "0")
    monkeypatch.setenv("DATABASE_URL", f"mysql://u:{CANARY}@h")
    result = run.invoke(cli, ["check", "--json"])
    assert result.exit_code == 2
    shown = json.loads(result.stdout)
    assert shown["usable"] is False
    assert [fault.split(": ")[1] for fault in shown["faults"]] == ["DATABASE_URL", "READ_SLOTS"]
    assert CANARY not in result.output


@pytest.mark.parametrize("verb", ["check", "check --json", "serve"])
def test_a_setting_this_installation_cannot_follow_is_a_wrong_setting(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setitem(sys.modules, "llm_observatory_codec", None)
    monkeypatch.setenv("OBSERVATORY_CODEC", "native")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{CANARY}@h:not a port")
    result = run.invoke(cli, verb.split())
    assert result.exit_code == 2
    assert "OBSERVATORY_CODEC: the native codec is not installed" in result.output
    assert "DATABASE_URL: not a URL that libpq understands" in result.output
    assert CANARY not in result.output


def _a_file(folder: Path) -> None:
    folder.write_text("no folder")


def _below_a_file(folder: Path) -> None:
    folder.symlink_to(folder.parent / "file" / "data")
    (folder.parent / "file").touch()


def _of_another_version(folder: Path) -> None:
    (folder / "cluster").mkdir(parents=True)
    (folder / "cluster" / "PG_VERSION").write_text("12\n")


def _with_a_record_that_is_a_link(folder: Path) -> None:
    folder.mkdir()
    (folder / "server.json").symlink_to("/etc/passwd")


def _closed(folder: Path) -> None:
    folder.mkdir(mode=0o500)


@pytest.mark.parametrize("broken", [_a_file, _below_a_file, _of_another_version, _with_a_record_that_is_a_link, _closed])
def test_check_of_a_data_folder_that_serve_could_not_use(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Callable[[Path], None]
) -> None:
    folder = tmp_path / "data"
    broken(folder)
    if broken is _closed and os.geteuid() == 0:
        # Nothing is closed to root.
        monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != folder)
    before = sorted(tmp_path.rglob("*"))
    result = run.invoke(cli, ["check"])
    assert result.exit_code == 1
    assert "cannot be used: " in result.stdout
    assert str(folder) in result.stdout.partition("cannot be used: ")[2] or broken is _below_a_file
    shown = json.loads(run.invoke(cli, ["check", "--json"]).stdout)
    assert shown["usable"] is False
    assert shown["database"]["error"]
    assert sorted(tmp_path.rglob("*")) == before, "check changes nothing"


def test_check_can_be_read_on_80_columns(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("BATCH_SIZE", "77")
    lines = [line.rstrip() for line in run.invoke(cli, ["check"]).stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "BATCH_SIZE = 77  (environment)" in lines
    wrapped = [line for line in lines if line.startswith("    ")]
    assert len(wrapped) < len(Settings.model_fields) * 1.6, "a line, and a second for the names in a Collector"
    assert [name for name in Settings.model_fields if not any(line.startswith(f"{name.upper()} =") for line in lines)] == []


def test_check_with_no_database_to_reach(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    # Port 1 on loopback: refused at once.
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{CANARY}@127.0.0.1:1/d")
    result = run.invoke(cli, ["check"])
    assert result.exit_code == 1
    assert "d on 127.0.0.1:1 as u" in result.stdout
    assert "cannot be used" in result.stdout
    assert CANARY not in result.output


@pytest.mark.parametrize(
    "words", ["maintenance status", "backup dump", "backup list", "migrate status", "migrate up --dry-run"]
)
def test_a_verb_that_lost_its_settings_begins_no_database(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    monkeypatch.setenv("LLM_OBSERVATORY_DATA_DIR", str(tmp_path))
    result = run.invoke(cli, words.split())
    assert result.exit_code == 1
    assert f"neither DATABASE_URL nor DB_HOST is set, and there is no embedded PostgreSQL in {tmp_path}" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_database_is_not_restored_from_a_repository(run: CliRunner) -> None:
    result = run.invoke(cli, ["restore", "--latest", "--pgdata", "/nowhere", "--target", "other"])
    assert result.exit_code == 2
    assert "a repository is of the whole server" in " ".join(result.stderr.replace("│", " ").split())


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


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def group(*errors: Exception) -> ExceptionGroup[Exception]:
    return ExceptionGroup("tasks", [ExceptionGroup("inner", [errors[0]]), *errors[1:]])


@pytest.mark.parametrize(
    "raised,said",
    [
        (group(ConfigError(["cannot listen on h:1 (OTLP_GRPC_PORT): no"])), "Error: cannot listen on h:1 (OTLP_GRPC_PORT): no"),
        (EmbeddedServerError("no room"), "Error: no room"),
        (group(EmbeddedServerError("no room"), EmbeddedServerError("no room")), "Error: no room"),
        (ZeroDivisionError("of a bug"), "ZeroDivisionError: of a bug"),
        (group(ZeroDivisionError("of a bug"), ConfigError(["too"])), "ZeroDivisionError: of a bug"),
    ],
    ids=["port", "embedded server", "two expected", "bug", "bug beside an expected one"],
)
def test_whatever_ends_serve_is_told_and_exits_with_1(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch, logging_as_before: None, raised: Exception, said: str
) -> None:
    from llm_observatory.app import serve

    async def fall(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setenv("DB_HOST", "db")
    monkeypatch.setattr(serve, "serve", fall)
    result = run.invoke(cli, ["serve"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert said in result.stderr
    expected = not said.startswith("Zero")
    assert ("Traceback" in result.stderr) is not expected
    assert ("ended by an unexpected error" in result.stderr) is not expected


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

    async def latest(_conninfo: str) -> str:
        return "003_create_indexes.sql"

    monkeypatch.setenv("DATABASE_URL", "postgresql://pooled")
    monkeypatch.setenv("DB_DIRECT_URL", "postgresql://direct")
    monkeypatch.setattr(migrate, "down", down)
    monkeypatch.setattr(migrate, "latest", latest)
    asked = run.invoke(cli, ["migrate", "down"], input="n\n")
    assert asked.exit_code == 1
    assert "003_create_indexes.sql" in asked.output
    assert taken == []
    assert run.invoke(cli, ["migrate", "down", "--yes"]).exit_code == 0
    assert taken == ["postgresql://direct"]


def test_commands_use_the_embedded_server_that_runs(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "running_conninfo", lambda _folder: "postgresql://running/d")
    assert run.invoke(cli, ["dsn"]).stdout == "postgresql://running/d\n"
