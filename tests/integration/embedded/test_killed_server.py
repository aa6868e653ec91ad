"""PostgreSQL is killed: what it had acknowledged is there again, whatever it left lying about."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from llm_observatory.storage.embedded import EmbeddedServer
from llm_observatory.storage.embedded import server as embedded_server
from llm_observatory.storage.embedded.folder import Layout
from tests.integration.embedded.support import Service, execute, is_gone, postmaster_pid, started, until, value


def test_committed_rows_survive_the_servers_death(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()
        execute(conninfo, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 10000) n")
        first = postmaster_pid(data_dir)
        os.kill(first, signal.SIGKILL)  # our child: the pid is its own until we wait for it
        assert server.wait(10)
        assert not server.is_alive()
        assert Layout.of(data_dir).postmaster_pid.exists()
        assert value(server.ensure_running(), "SELECT count(*) FROM kept") == 10000
        assert server.ensure_running() == conninfo
        assert postmaster_pid(data_dir) != first


def test_service_and_server_killed_together(serve: Callable[..., Service], data_dir: Path) -> None:
    service = serve()
    execute(service.conninfo, "CREATE TABLE kept AS SELECT 42 AS n")
    pid = postmaster_pid(data_dir)
    os.kill(pid, signal.SIGKILL)
    service.kill()
    until(lambda: is_gone(pid))
    with EmbeddedServer(data_dir) as server:
        assert value(server.start(), "SELECT n FROM kept") == 42


def test_a_backend_too_busy_to_notice_is_ended_first(
    serve: Callable[..., Service], data_dir: Path, progress: list[str]
) -> None:
    service = serve()
    with closing(psycopg.connect(service.conninfo, autocommit=True)) as busy:
        backend = busy.info.backend_pid
        busy.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
        until(lambda: value(service.conninfo, f"SELECT state FROM pg_stat_activity WHERE pid = {backend}") == "active")
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        service.kill()
        assert not is_gone(backend)
        with started(data_dir, progress.append) as conninfo:
            assert value(conninfo, "SELECT 1") == 1
            assert is_gone(backend)
    assert "PostgreSQL processes whose server was killed" in progress[0]


def test_a_killed_backend_is_mended_by_the_server_itself(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()
        execute(conninfo, "CREATE TABLE kept AS SELECT 42 AS n")
        first = postmaster_pid(data_dir)
        with psycopg.connect(conninfo) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)

            def answers() -> bool:
                try:
                    return bool(value(conninfo, "SELECT n FROM kept") == 42)
                except psycopg.OperationalError:
                    return False  # all connections end, and new ones are refused for a moment

            until(lambda: is_gone(connection.info.backend_pid))
            until(answers)
        assert server.is_alive()
        assert postmaster_pid(data_dir) == first


def test_a_server_that_hangs_at_its_end_is_ended_and_started_anew(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_server, "HANGING_SECONDS", 0.3)
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()
        with closing(psycopg.connect(conninfo)):  # a smart shutdown waits for it, for ever
            pid = postmaster_pid(data_dir)
            os.kill(pid, signal.SIGTERM)
            until(lambda: not server.is_alive())
            assert not is_gone(pid)
            assert value(server.ensure_running(), "SELECT 1") == 1
        assert postmaster_pid(data_dir) != pid
        assert server.is_alive()


def test_an_empty_lock_file_of_a_crash_on_a_full_disk_is_not_for_ever(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    Layout.of(data_dir).postmaster_pid.write_text("")
    with EmbeddedServer(data_dir) as server:
        assert server.is_alive()


def test_a_half_made_cluster_is_made_again(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    half = data_dir / ".cluster.0badcafe"
    (data_dir / "cluster").rename(half)  # initdb never came to the rename
    with EmbeddedServer(data_dir) as server:
        assert server.is_alive()
        assert not half.exists()
