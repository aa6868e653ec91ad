"""A pid on record that is another process by now is neither signalled nor adopted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_observatory.storage.embedded import EmbeddedServer, running_conninfo
from llm_observatory.storage.embedded.folder import Layout
from tests.integration.embedded.support import as_owner, postmaster_pid, started, value


@pytest.fixture
def stranger(data_dir: Path) -> Iterator[int]:
    """A process of the server's own account that took the pid; PostgreSQL itself would take it for a live server."""
    with EmbeddedServer(data_dir):
        pass
    child = subprocess.Popen(["sleep", "60"], **as_owner(data_dir))
    yield child.pid
    assert child.poll() is None, "the stranger was signalled"
    child.kill()
    child.wait()


def _postmaster_file(data_dir: Path, pid: int) -> str:
    return f"{pid}\n{data_dir}/cluster\n1700000000\n5432\n{data_dir}/run\n\n  1234567         0\nready   \n"


def test_a_lock_file_with_a_strangers_pid_is_not_believed(data_dir: Path, stranger: int, progress: list[str]) -> None:
    Layout.of(data_dir).postmaster_pid.write_text(_postmaster_file(data_dir, stranger))
    with started(data_dir, progress.append) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
        assert postmaster_pid(data_dir) != stranger
    assert not [line for line in progress if "adopting" in line or "stopping" in line]


def test_a_record_with_a_strangers_pid_is_not_believed(data_dir: Path, stranger: int, progress: list[str]) -> None:
    layout = Layout.of(data_dir)
    with EmbeddedServer(data_dir):
        content = json.loads(layout.record.read_text())
    content["identity"]["pid"] = stranger
    layout.record.write_text(json.dumps(content))
    layout.postmaster_pid.write_text(_postmaster_file(data_dir, stranger))
    assert running_conninfo(data_dir) is None
    with started(data_dir, progress.append) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
    assert not [line for line in progress if "adopting" in line or "stopping" in line]


def test_a_pid_taken_by_another_cluster_of_ours_is_left_alone(
    data_dir: Path, copy: Callable[[Path], Path], progress: list[str]
) -> None:
    with EmbeddedServer(data_dir):
        pass
    other_dir = copy(data_dir.with_name(f"{data_dir.name}-other"))
    with EmbeddedServer(other_dir) as other:
        layout = Layout.of(data_dir)
        layout.record.write_text(Layout.of(other_dir).record.read_text())
        layout.postmaster_pid.write_text(_postmaster_file(data_dir, postmaster_pid(other_dir)))
        with started(data_dir, progress.append) as conninfo:
            assert value(conninfo, "SHOW data_directory") == str(layout.cluster)
        assert other.is_alive()
