"""Start, use, stop: what a healthy server looks like."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer, binaries_version, cluster, folder, running_conninfo
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.binaries import Binaries
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.output import LOG_FILES_KEPT, log_files
from llm_observatory.storage.server_environment import SERVER_ENVIRONMENT
from tests.integration.embedded.support import (
    Service,
    dbmate,
    end_all,
    execute,
    is_gone,
    new_folder,
    postmaster_pid,
    running_on,
    until,
    value,
)


def test_first_start_creates_the_cluster_and_the_database_and_tells(empty_dir: Path, progress: list[str]) -> None:
    server = EmbeddedServer(empty_dir, "telemetry")
    begun = time.monotonic()
    conninfo = server.start(progress.append)
    took = time.monotonic() - begun
    try:
        assert value(conninfo, "SELECT current_database()") == "telemetry"
        assert value(conninfo, "SHOW server_version") == binaries_version()
        assert progress == [
            f"creating the database cluster in {empty_dir}/cluster",
            f"starting PostgreSQL {binaries_version()}",
            "created database telemetry",
        ]
        assert took < 8  # about one second on an idle machine
    finally:
        server.stop()


def test_what_was_written_is_there_after_a_stop_and_a_start(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()
        execute(conninfo, "CREATE TABLE kept AS SELECT 42 AS n")
        pid = postmaster_pid(data_dir)
    assert is_gone(pid)
    assert not running_on(data_dir)
    with EmbeddedServer(data_dir) as server:
        assert value(server.start(), "SELECT n FROM kept") == 42


def test_stop_is_harmless_twice_and_before_a_start(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert not server.is_alive()
    assert server.wait(0)


def test_ensure_running_does_not_bring_back_what_was_stopped(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    server.start()
    server.stop()
    with pytest.raises(EmbeddedServerError, match="was stopped"):
        server.ensure_running()
    assert not running_on(data_dir)


def test_stop_while_the_cluster_is_made_starts_no_server(
    empty_dir: Path, progress: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(empty_dir)
    stopper = threading.Thread(target=server.stop)
    initdb = cluster._initdb

    def interrupted(binaries: Binaries, account: Account, fresh: Path) -> None:
        stopper.start()
        until(server._stopping.is_set)
        initdb(binaries, account, fresh)

    monkeypatch.setattr(cluster, "_initdb", interrupted)
    with pytest.raises(EmbeddedServerError, match="stopped before PostgreSQL was started"):
        server.start(progress.append)
    stopper.join(10)
    assert progress == [f"creating the database cluster in {empty_dir}/cluster"]
    assert not Layout.of(empty_dir).postmaster_pid.exists()
    monkeypatch.undo()
    with server:
        assert server.is_alive()


def test_stop_is_not_forgotten_by_a_start_that_is_on_its_way(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedServer(data_dir)
    prepare = folder.prepare

    def interrupted(layout: Layout) -> Account:
        threading.Thread(target=server.stop).start()
        until(server._stopping.is_set)
        return prepare(layout)

    monkeypatch.setattr(folder, "prepare", interrupted)
    with pytest.raises(EmbeddedServerError, match="stopped before PostgreSQL was started"):
        server.ensure_running()
    server.stop()
    assert not running_on(data_dir)


def test_dbmate_takes_the_same_url(data_dir: Path) -> None:
    migrations = data_dir / "migrations"
    with EmbeddedServer(data_dir) as server:
        migrations.mkdir()
        (migrations / "001_first.sql").write_text("-- migrate:up\nCREATE TABLE made_by_dbmate ();\n-- migrate:down\n")
        conninfo = server.start()
        dbmate(conninfo, "-d", str(migrations), "up")
        assert value(conninfo, "SELECT to_regclass('made_by_dbmate') IS NOT NULL") is True


@pytest.mark.parametrize(
    "name,expected",
    [
        ("jit", "off"),
        ("max_locks_per_transaction", "512"),
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("max_wal_size", "2GB"),
        ("max_connections", "100"),
        ("TimeZone", "UTC"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("server_encoding", "UTF8"),
        ("data_directory_mode", "0700"),
    ],
)
def test_settings(healthy: str, name: str, expected: str) -> None:
    assert value(healthy, f"SHOW {name}") == expected


def test_locale_is_the_builtin_one(healthy: str) -> None:
    found = value(healthy, "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = 'llm_observatory'")
    assert found == "b C.UTF-8"


def test_no_port_is_open(healthy: str) -> None:
    assert value(healthy, "SHOW listen_addresses") == ""


@pytest.fixture(scope="module")
def healthy() -> Iterator[str]:
    path = new_folder()
    with EmbeddedServer(path) as server:
        yield server.start()
    end_all(path)


def test_the_environment_does_not_change_what_is_reached(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, other in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATABASE": "other", "PGUSER": "other", "PGDATA": "/"}.items():
        monkeypatch.setenv(name, other)
    with EmbeddedServer(data_dir) as server:
        assert value(server.start(), "SELECT current_user || ' ' || current_database()") == "postgres llm_observatory"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process was started with")
def test_the_allocator_keeps_what_a_copy_frees(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        server.start()
        environment = Path(f"/proc/{postmaster_pid(data_dir)}/environ").read_text().split("\0")
    assert {f"{name}={value}" for name, value in SERVER_ENVIRONMENT.items()} <= set(environment)


def test_our_settings_are_rewritten_and_the_operators_survive(data_dir: Path) -> None:
    layout = Layout.of(data_dir)
    layout.local_conf.write_text("work_mem = '7MB'\njit = on\n")
    with EmbeddedServer(data_dir) as server:
        server.start()
    (layout.cluster / "postgresql.conf").write_text("work_mem = '9MB'\n")
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()
        assert value(conninfo, "SHOW work_mem") == "7MB"
        assert value(conninfo, "SHOW max_locks_per_transaction") == "512"
    assert layout.local_conf.read_text() == "work_mem = '7MB'\njit = on\n"


def test_a_failed_start_says_the_servers_last_words_and_leaves_nothing_running(data_dir: Path) -> None:
    layout = Layout.of(data_dir)
    layout.local_conf.write_text("work_mem = 'a lot'\n")
    server = EmbeddedServer(data_dir)
    with pytest.raises(EmbeddedServerError, match='invalid value for parameter "work_mem": "a lot"'):
        server.start()
    assert not running_on(data_dir)
    layout.local_conf.unlink()
    with server:
        assert server.is_alive()


def test_only_the_owner_can_look_inside(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        for path in (data_dir, data_dir / "cluster", data_dir / "run", data_dir / "log"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
        for path in (data_dir / "server.json", data_dir / "serve.lock", *log_files(data_dir / "log")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_parents_stay_as_they_are(empty_dir: Path) -> None:
    parent = empty_dir / "parent"
    parent.mkdir(mode=0o755)
    empty_dir.chmod(0o755)
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (parent, *parent.parents)]
    with EmbeddedServer(parent / "data"):
        assert [(path, path.stat().st_mode, path.stat().st_uid) for path, _, _ in before] == before


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(serve: Callable[..., Service], data_dir: Path) -> None:
    service = serve(start_new_session=True)
    pid = postmaster_pid(data_dir)
    assert os.getsid(pid) == pid
    os.killpg(service.process.pid, signal.SIGINT)  # what a terminal does
    assert service.process.wait(10) != 0
    assert value(service.conninfo, "SELECT 1") == 1
    assert not is_gone(pid)


def test_a_one_shot_command_finds_the_server_of_a_live_service(serve: Callable[..., Service], data_dir: Path) -> None:
    assert running_conninfo(data_dir) is None
    assert running_conninfo(data_dir / "missing") is None
    service = serve()
    assert running_conninfo(data_dir) == service.conninfo
    service.stop()
    assert running_conninfo(data_dir) is None


def test_old_log_files_are_deleted(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    log = data_dir / "log"
    for day in range(1, 29):
        (log / f"postgresql-2020-01-{day:02}_000000.log").write_text("old\n")
    (log / "notes.txt").write_text("mine\n")
    with EmbeddedServer(data_dir):
        until(lambda: len(log_files(log)) <= LOG_FILES_KEPT + 1)
        assert (log / "notes.txt").exists()
        assert log_files(log)[-1].read_text() != "old\n"


def test_the_log_is_rotated_by_size(data_dir: Path) -> None:
    Layout.of(data_dir).local_conf.write_text("log_rotation_size = '64kB'\nlog_statement = 'all'\n")
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()

        def rotated() -> bool:
            value(conninfo, f"SELECT length('{'x' * 100_000}')")
            return len(log_files(data_dir / "log")) > 1

        until(rotated)
