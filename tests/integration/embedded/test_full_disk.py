"""No room: said with the folder and the free bytes, nothing half made left, and all well once there is room."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer
from tests.integration.embedded.support import ROOT, Service, end_all, running_on, value


@pytest.fixture
def small_disk() -> Iterator[Path]:
    if not ROOT:
        pytest.skip("NOT RUN: a small disk of its own takes root; the file size limit below stands for it")
    place = Path(tempfile.mkdtemp(prefix="observatory-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0755", "observatory-test", place], check=True)
    yield place
    end_all(place / "data")
    subprocess.run(["umount", place], check=True)
    place.rmdir()


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def _fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            assert os.statvfs(disk).f_bavail == 0
    return ballast


def test_making_the_cluster_on_a_disk_too_small(small_disk: Path) -> None:
    server = EmbeddedServer(small_disk / "data")
    with pytest.raises(
        EmbeddedServerError, match=r"no room to write in .*/data \([\d,]+ bytes free\).*LLM_OBSERVATORY_DATA_DIR"
    ):
        server.start()
    assert sorted(path.name for path in (small_disk / "data").iterdir()) == ["serve.lock"]
    _resize(small_disk, "400m")
    with server:
        assert server.is_alive()


def test_starting_on_a_full_disk(small_disk: Path) -> None:
    _resize(small_disk, "400m")
    server = EmbeddedServer(small_disk / "data")
    with server:
        conninfo = server.start()
    ballast = _fill(small_disk)
    with pytest.raises(EmbeddedServerError, match=r"no room to write in .*/data \(0 bytes free\).*No space left on device"):
        server.start()
    assert not running_on(small_disk / "data")
    ballast.unlink()
    assert value(server.start(), "SELECT 1") == 1
    assert server.ensure_running() == conninfo
    server.stop()


def test_making_the_cluster_under_a_file_size_limit(serve: Callable[..., Service], empty_dir: Path) -> None:
    limit = 2 * 1024**2  # below a WAL segment
    service = serve(empty_dir, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert re.search(rf"no room to write in {empty_dir} \([\d,]+ bytes free\)", service.refusal), service.refusal
    assert [path.name for path in empty_dir.iterdir()] == ["serve.lock"]
    service.close()
    assert serve(empty_dir).conninfo
