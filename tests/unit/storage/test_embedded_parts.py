"""The parts of the embedded server that are decided without a server."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from psycopg.conninfo import conninfo_to_dict

from llm_observatory.storage.embedded import conf, process
from llm_observatory.storage.embedded.address import Address, fits_socket, socket_address
from llm_observatory.storage.embedded.memory import usable_memory
from llm_observatory.storage.embedded.trouble import failure

_MIB = 1024**2


@pytest.mark.parametrize("folder", ["/run/x", "/with space/x", "/50%/x", "/a'b\"c\\d/x", "/q?=&#@:+/x", "/ünï/x"])
def test_libpq_reads_the_folder_back_from_the_url(folder: str) -> None:
    found = conninfo_to_dict(socket_address(Path(folder)).conninfo("data base/1"))
    assert found == {"user": "postgres", "dbname": "data base/1", "host": folder, "port": "5432"}


def test_libpq_reads_the_password_back_from_the_url() -> None:
    found = conninfo_to_dict(Address(6543, password="p@:/?").conninfo("x"))
    assert (found["host"], found["port"], found["password"], found["sslmode"]) == ("127.0.0.1", "6543", "p@:/?", "disable")


@pytest.mark.parametrize("length,fits", [(107, True), (108, False)])
def test_a_socket_path_has_at_most_107_bytes(length: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.storage.embedded.address._LONGEST", 107)
    assert fits_socket(Path("/" + "x" * (length - len("//.s.PGSQL.5432")))) is fits
    assert not fits_socket(Path("/" + "ü" * 50))  # bytes count, not characters


def test_a_comma_would_be_a_second_host() -> None:
    assert not fits_socket(Path("/a,b"))


@pytest.mark.parametrize("mebibytes,expected", [(128, 32), (4096, 512), (65536, 1024)])
def test_shared_buffers_are_bounded_by_memory(mebibytes: int, expected: int) -> None:
    assert conf.shared_buffers(mebibytes * _MIB) == expected * _MIB


@pytest.mark.parametrize(
    "groups,file,limit",
    [
        ("0::/system.slice/ours.service", "system.slice/ours.service/memory.max", "70000000"),
        ("0::/system.slice/ours.service", "system.slice/memory.max", "70000000"),
        ("0::/not/mounted/here", "memory.max", "70000000"),
        ("9:cpu,cpuacct:/\n4:memory:/docker/a:b\n0::/", "memory/docker/a:b/memory.limit_in_bytes", "70000000\n"),
    ],
)
def test_memory_is_what_a_control_group_has(groups: str, file: str, limit: str, tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(groups + "\n")
    limited = tmp_path / "mounted" / file
    limited.parent.mkdir(parents=True)
    limited.write_text(limit)
    assert usable_memory(tmp_path / "cgroup", tmp_path / "mounted") == 70_000_000


def test_memory_is_the_machines_where_no_group_has_less(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert usable_memory(tmp_path / "none", tmp_path) == psutil.virtual_memory().total


def test_values_are_quoted_for_a_configuration_file() -> None:
    assert conf.quoted("it's C:\\") == "'it''s C:\\\\'"


def test_a_process_is_itself_and_nothing_else() -> None:
    me = process.identity_of(os.getpid())
    assert process.is_running(me)
    assert not process.is_running(process.Identity(me.pid, "then", me.executable))
    assert not process.is_running(process.Identity(me.pid, me.started, "/bin/other"))
    with pytest.raises(psutil.NoSuchProcess):
        process.started_at(2**22 + 1)


def test_a_hint_of_a_full_disk_is_enough(tmp_path: Path) -> None:
    said = "FATAL: could not extend file: wrote only 4096 of 8192 bytes\nHINT: Check free disk space.\n"
    assert "no room to write" in str(failure(tmp_path, "initdb failed", said))
    assert "wrote only 4096" in str(failure(tmp_path, "initdb failed", said))
    assert "no room" not in str(failure(tmp_path, "initdb failed", "FATAL: other\n"))
