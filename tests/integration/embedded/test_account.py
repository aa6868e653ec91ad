"""Whose account the server runs under: ours, or as root an unprivileged one."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer, binaries
from llm_observatory.storage.embedded.account import Account
from tests.integration.embedded.support import ROOT, Service, end_all, execute, new_folder, postmaster_pid, started, value

as_root = pytest.mark.skipif(not ROOT, reason="NOT RUN: what root does takes root")


def test_the_server_never_runs_as_root(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        server = psutil.Process(postmaster_pid(data_dir))
        owner = data_dir.stat().st_uid
        assert set(server.uids()) == {owner}
        assert owner != 0
        assert ROOT or owner == os.geteuid()


@as_root
def test_root_prefers_the_account_postgres(empty_dir: Path) -> None:
    names = {entry.pw_name for entry in pwd.getpwall()}
    expected = "postgres" if "postgres" in names else "nobody"
    with EmbeddedServer(empty_dir):
        server = psutil.Process(postmaster_pid(empty_dir))
        assert server.username() == expected
        with Path(f"/proc/{server.pid}/status").open() as status:
            assert [line.split()[1:] for line in status if line.startswith("Groups:")] == [[]]


@as_root
def test_root_without_an_account_postgres_takes_nobody(empty_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = pwd.getpwnam

    def without_postgres(name: str) -> pwd.struct_passwd:
        if name == "postgres":
            raise KeyError(name)
        return known(name)

    monkeypatch.setattr(pwd, "getpwnam", without_postgres)
    with EmbeddedServer(empty_dir) as server:
        assert psutil.Process(postmaster_pid(empty_dir)).username() == "nobody"
        assert value(server.start(), "SELECT current_user") == "postgres"


def test_root_runs_the_server_as_the_owner_of_the_folder(empty_dir: Path, someone: Account) -> None:
    os.chown(empty_dir, someone.uid, someone.gid)
    with EmbeddedServer(empty_dir):
        assert psutil.Process(postmaster_pid(empty_dir)).uids().real == someone.uid
    assert {path.lstat().st_uid for path in empty_dir.rglob("*")} == {someone.uid}


def test_a_user_and_then_root_and_then_the_user(
    serve: Callable[..., Service], empty_dir: Path, someone: Account, their_python: str
) -> None:
    os.chown(empty_dir, someone.uid, someone.gid)
    as_them = {"interpreter": their_python, "user": someone.uid, "group": someone.gid, "extra_groups": []}
    theirs = serve(empty_dir, **as_them)
    assert theirs.user == "postgres", theirs.refusal
    assert psutil.Process(postmaster_pid(empty_dir)).uids().real == someone.uid
    with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
        value(theirs.conninfo, "SELECT 1")  # we are root, and their server does not know us
    theirs.stop()
    with EmbeddedServer(empty_dir) as server:
        assert value(server.start(), "SELECT 1") == 1
    assert serve(empty_dir, **as_them).user == "postgres"


def test_nobody_else_passes_peer_authentication(data_dir: Path, someone: Account, their_python: str) -> None:
    with EmbeddedServer(data_dir) as server:
        conninfo = server.start()
        data_dir.chmod(0o755)
        (data_dir / "run").chmod(0o755)
        code = f"import psycopg; psycopg.connect({conninfo!r})"
        said = someone.run(
            ["/usr/bin/env", f"PYTHONPATH={Path(psycopg.__file__).parents[1]}", their_python, "-c", code], Path("/")
        )
    assert 'Peer authentication failed for user "postgres"' in said.stdout


@pytest.fixture
def hidden_binaries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The binaries as below /root: nobody but root gets at them."""
    place = new_folder(on_disk=True)
    found = binaries.located()
    binaries._copy(found, place / "site")
    assert place.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(binaries, "located", lambda: replace(found, site=place / "site"))
    yield
    assert place.stat().st_mode & 0o077 == 0
    end_all(place)


@as_root
def test_binaries_out_of_the_accounts_reach_are_copied_once(
    hidden_binaries: None, copy: Callable[[Path], Path], progress: list[str]
) -> None:
    data_dir = copy(new_folder(make=False, on_disk=True))
    (data_dir / "serve.lock").touch()
    (data_dir / "binaries" / "1.2.3" / "old").mkdir(parents=True)
    with started(data_dir, progress.append) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
        assert "copying PostgreSQL" in progress[0]
        build = binaries.located().build
        assert [path.name for path in (data_dir / "binaries").iterdir()] == [build]
        assert Path(psutil.Process(postmaster_pid(data_dir)).exe()).is_relative_to(data_dir / "binaries" / build)
        size = sum(path.stat().st_size for path in (data_dir / "binaries").rglob("*") if path.is_file())
        assert 10_000_000 < size < 60_000_000
        execute(conninfo, "CREATE EXTENSION pg_trgm")
    progress.clear()
    with started(data_dir, progress.append) as conninfo:
        assert conninfo
    assert not [line for line in progress if "copying" in line]


@as_root
def test_a_folder_behind_a_closed_parent_is_refused_by_name(empty_dir: Path) -> None:
    closed = empty_dir / "closed"
    closed.mkdir(mode=0o700)
    empty_dir.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=f"cannot pass {closed} on the way to {closed}/deep/data: .*DATA_DIR"):
        EmbeddedServer(closed / "deep" / "data").start()
    assert closed.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_uid == 0


def test_a_user_id_without_a_name_is_refused(empty_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    os.chown(empty_dir, 4_000_000, -1) if ROOT else monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises(EmbeddedServerError, match="no name in the password database" if ROOT else "belongs to"):
        EmbeddedServer(empty_dir).start()
