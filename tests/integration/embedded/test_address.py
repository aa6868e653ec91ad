"""Folders of any name: a socket where a client can be told of it, else a loopback port with a password."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from llm_observatory.storage.embedded import EmbeddedServer, running_conninfo
from tests.integration.embedded.support import dbmate, end_all, execute, value


@pytest.mark.parametrize("name", ["with space", "per%cent", "quo'te", 'dou"ble', "back\\slash", "q?=&#@:+", "ünïcode"])
def test_a_socket_in_a_folder_with_a_strange_name(empty_dir: Path, copy: Callable[[Path], Path], name: str) -> None:
    empty_dir.chmod(0o755)
    with EmbeddedServer(copy(empty_dir / name)) as server:
        conninfo = server.start()
        assert value(conninfo, "SHOW listen_addresses") == ""
        dbmate(conninfo, "wait")


def test_a_first_start_in_a_folder_with_a_strange_name(empty_dir: Path) -> None:
    empty_dir.chmod(0o755)
    path = empty_dir / "q?=&#@:+ %'\"\\ü"
    try:
        with EmbeddedServer(path) as server:
            assert value(server.start(), "SELECT 1") == 1
    finally:
        end_all(path)


@pytest.fixture
def far(empty_dir: Path, copy: Callable[[Path], Path]) -> Path:
    """A data folder whose path is too long for a socket."""
    empty_dir.chmod(0o755)
    return copy(empty_dir / ("long" * 30))


def test_a_path_too_long_for_a_socket_gets_a_port_with_a_password(far: Path) -> None:
    with EmbeddedServer(far) as server:
        conninfo = server.start()
        parts = urlsplit(conninfo)
        assert parts.hostname == "127.0.0.1"
        assert value(conninfo, "SHOW listen_addresses") == "127.0.0.1"
        assert value(conninfo, "SHOW unix_socket_directories") == ""
        assert running_conninfo(far) == conninfo
        assert stat.S_IMODE((far / "password").stat().st_mode) == 0o600
        wrong = conninfo.replace(str(parts.password), "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            value(wrong, "SELECT 1")
        dbmate(conninfo, "wait")
        logged = "".join(file.read_text() for file in (far / "log").iterdir())
        assert str(parts.password) not in logged


def test_a_first_start_on_a_path_too_long_for_a_socket(empty_dir: Path) -> None:
    empty_dir.chmod(0o755)
    path = empty_dir / ("long" * 30)
    try:
        with EmbeddedServer(path) as server:
            assert urlsplit(server.start()).hostname == "127.0.0.1"
    finally:
        end_all(path)


def test_a_lost_password_is_made_anew(far: Path) -> None:
    with EmbeddedServer(far) as server:
        first = urlsplit(server.start()).password
    (far / "password").unlink()
    with EmbeddedServer(far) as server:
        conninfo = server.start()
        assert value(conninfo, "SELECT 1") == 1
        assert urlsplit(conninfo).password != first


def test_a_folder_that_moves_away_from_its_long_path_and_back(far: Path) -> None:
    near = far.with_name("near")
    far.rename(near)
    try:
        with EmbeddedServer(near) as server:
            execute(server.start(), "CREATE TABLE kept AS SELECT 42 AS n")
        for place, before in ((far, near), (near, far)):
            before.rename(place)
            with EmbeddedServer(place) as server:
                assert value(server.start(), "SELECT n FROM kept") == 42
    finally:
        end_all(near)


def test_the_port_stays_the_same_when_the_server_is_brought_back(far: Path) -> None:
    with EmbeddedServer(far) as server:
        conninfo = server.start()
        assert server._postmaster is not None
        assert server._postmaster.child is not None
        server._postmaster.child.kill()
        assert server.wait(10)
        assert server.ensure_running() == conninfo


def test_a_comma_in_the_path_gets_a_port(empty_dir: Path, copy: Callable[[Path], Path]) -> None:
    empty_dir.chmod(0o755)
    with EmbeddedServer(copy(empty_dir / "one,two")) as server:
        conninfo = server.start()
        assert urlsplit(conninfo).hostname == "127.0.0.1"
        assert value(conninfo, "SELECT 1") == 1
