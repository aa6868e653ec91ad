"""The service is killed and PostgreSQL goes on: the next one adopts it, or restarts it where it cannot."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer, binaries, orphans, postmaster, process, ready
from llm_observatory.storage.embedded import server as server_module
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.postmaster import Postmaster
from tests.integration.embedded.support import Service, execute, is_gone, postmaster_pid, running_on, started, until, value


@pytest.fixture
def orphan(serve: Callable[..., Service], data_dir: Path) -> int:
    """The pid of a server whose service was killed."""
    service = serve()
    execute(service.conninfo, "CREATE TABLE kept AS SELECT 42 AS n")
    service.kill()
    pid = postmaster_pid(data_dir)
    assert not is_gone(pid)
    return pid


def test_a_healthy_orphan_is_adopted_and_stopped_by_its_new_owner(orphan: int, data_dir: Path, progress: list[str]) -> None:
    server = EmbeddedServer(data_dir)
    conninfo = server.start(progress.append)
    assert postmaster_pid(data_dir) == orphan
    assert progress == [f"adopting the running PostgreSQL, pid {orphan}"]
    assert value(conninfo, "SELECT n FROM kept") == 42
    assert server.is_alive()
    assert not server.wait(0.05)
    server.stop()
    assert is_gone(orphan)
    assert not running_on(data_dir)


def test_the_death_of_an_adopted_server_is_noticed_and_mended(orphan: int, data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        process.send(process.identity_of(orphan), signal.SIGKILL)
        assert server.wait(10)
        assert not server.is_alive()
        assert value(server.ensure_running(), "SELECT n FROM kept") == 42
        assert postmaster_pid(data_dir) != orphan


def test_an_orphan_of_another_build_is_restarted(
    orphan: int, data_dir: Path, progress: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded = replace(binaries.located(), build="99.0.0")
    monkeypatch.setattr(binaries, "located", lambda: upgraded)
    with started(data_dir, progress.append) as conninfo:
        assert value(conninfo, "SELECT n FROM kept") == 42
        assert is_gone(orphan)
        assert postmaster_pid(data_dir) != orphan


@pytest.mark.parametrize("damage", ["missing", "torn", "not ours"])
def test_an_orphan_that_is_not_on_record_is_restarted(orphan: int, data_dir: Path, progress: list[str], damage: str) -> None:
    record = Layout.of(data_dir).record
    if damage == "missing":  # the service was killed between spawning it and writing so
        record.unlink()
    elif damage == "torn":
        record.write_text('{"identity": {"pid":')
    else:
        content = json.loads(record.read_text())
        content["identity"]["started"] = "another time"
        record.write_text(json.dumps(content))
    with started(data_dir, progress.append) as conninfo:
        assert value(conninfo, "SELECT n FROM kept") == 42
    assert progress[0] == f"stopping the PostgreSQL, pid {orphan}, that an earlier run left behind"
    assert is_gone(orphan)


def test_an_orphan_that_does_not_answer_is_restarted(
    orphan: int, data_dir: Path, progress: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(ready, "_CONNECT_SECONDS", 2)
    monkeypatch.setattr(orphans, "_FAST_SECONDS", 0.1)
    monkeypatch.setattr("llm_observatory.storage.embedded.postmaster._IMMEDIATE_SECONDS", 0.5)
    process.send(process.identity_of(orphan), signal.SIGSTOP)
    with started(data_dir, progress.append) as conninfo:
        assert value(conninfo, "SELECT n FROM kept") == 42
    assert "does not answer" in progress[1]
    assert is_gone(orphan)


def test_a_server_still_at_recovery_is_left_at_work_and_adopted_later(
    data_dir: Path, progress: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned: list[Postmaster] = []
    spawn = postmaster.spawn

    def spawn_frozen(*arguments: object) -> Postmaster:
        spawned.append(spawn(*arguments))  # type: ignore[arg-type]
        process.send(spawned[-1].identity, signal.SIGSTOP)
        return spawned[-1]

    monkeypatch.setattr(server_module, "spawn", spawn_frozen)
    monkeypatch.setattr(ready, "RECOVERY_SECONDS", 2.5)
    server = EmbeddedServer(data_dir)
    with pytest.raises(EmbeddedServerError, match="still recovering after 2 s; it was left at work"):
        server.start(progress.append)
    assert progress[-1] == "waiting for PostgreSQL, 2 s"
    server.stop()
    assert spawned[0].is_alive()
    process.send(spawned[0].identity, signal.SIGCONT)
    with server:
        assert postmaster_pid(data_dir) == spawned[0].identity.pid
    assert not spawned[0].is_alive()


def test_stop_cuts_a_start_short(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    spawn = postmaster.spawn
    frozen = threading.Event()

    def spawn_frozen(*arguments: object) -> Postmaster:
        found = spawn(*arguments)  # type: ignore[arg-type]
        process.send(found.identity, signal.SIGSTOP)
        frozen.set()
        return found

    monkeypatch.setattr(server_module, "spawn", spawn_frozen)
    monkeypatch.setattr(server_module, "STOP_SECONDS", 0.1)
    monkeypatch.setattr("llm_observatory.storage.embedded.postmaster._IMMEDIATE_SECONDS", 0.5)
    server = EmbeddedServer(data_dir)
    outcome: list[BaseException] = []

    def start() -> None:
        try:
            server.start()
        except EmbeddedServerError as exc:
            outcome.append(exc)

    starter = threading.Thread(target=start)
    starter.start()
    assert frozen.wait(10)
    server.stop()
    starter.join(10)
    assert "stopped while PostgreSQL was starting" in str(outcome)
    until(lambda: not running_on(data_dir))
