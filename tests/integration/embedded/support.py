"""Running the embedded server in processes that can be killed, and finding what they leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from llm_observatory.storage.embedded import EmbeddedServer, process
from llm_observatory.storage.embedded.account import Account, passage
from llm_observatory.storage.embedded.folder import Layout

ROOT = os.geteuid() == 0
_SOURCES = Path(__file__).parents[3] / "src"
_PACKAGES = Path(psycopg.__file__).parents[1]

_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 1024**3


def new_folder(*, make: bool = True, on_disk: bool = False) -> Path:
    """The path of a new folder; in memory where there is plenty, since what these tests wait for is fsync.

    Not below tmp_path: as root its parents are 0700, and the server runs under another account. `on_disk` is for tests
    that run programs from the folder: memory is often mounted noexec.
    """
    spacious = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
    path = Path(tempfile.mkdtemp(prefix="observatory-", dir=_MEMORY if spacious and not on_disk else None)).resolve()
    if not make:
        path.rmdir()
    return path


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll a condition, with a bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def interpreter_for(account: Account) -> str | None:
    """A Python of our minor version that `account` can run with our packages, None if there is none."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/local/bin/python3"):
        real = Path(candidate).resolve()
        needed = [Path(psycopg.__file__), _SOURCES / "llm_observatory", Path(__file__)]
        reached = [pair for path in (real, *needed) for pair in (*passage(path), ("r", path))]
        if real.exists() and account.blocking([*reached, ("x", real)]) is None:
            code = "import sys; print(sys.version_info[:2])"
            if subprocess.check_output([real, "-c", code], text=True).strip() == str(sys.version_info[:2]):
                return str(real)
    return None


class Service:
    """One process that serves from a data folder."""

    def __init__(self, data_dir: Path, interpreter: str = sys.executable, **options: Any) -> None:
        self.process = subprocess.Popen(
            [interpreter, "-B", str(Path(__file__).with_name("serving.py")), str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": f"{_SOURCES}:{_PACKAGES}"},
            **options,
        )
        self.progress: list[str] = []
        self.refusal = self.conninfo = self.user = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            kind, *words = json.loads(line)
            if kind == "progress":
                self.progress += words
                continue
            if kind == "ready":
                self.conninfo, self.user = words
            else:
                self.refusal = words[0]
            break

    def kill(self) -> None:
        """End it as the kernel's OOM killer does."""
        self.process.kill()
        self.close()

    def stop(self) -> None:
        """Let it stop its server and exit."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(15) == 0
        self.close()

    def close(self) -> None:
        """Leave no process of ours behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def started(data_dir: Path, tell: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """The conninfo of a server of this process; `tell` hears its progress."""
    server = EmbeddedServer(data_dir)
    try:
        yield server.start(tell)
    finally:
        server.stop()


def dbmate(conninfo: str, *arguments: str) -> None:
    """Run dbmate with the URL as it is."""
    found = shutil.which("dbmate", path=f"{_PACKAGES.parents[2] / 'bin'}:{os.environ['PATH']}")
    assert found is not None
    subprocess.run([found, "--url", conninfo, "--no-dump-schema", *arguments], check=True, capture_output=True, timeout=15)


def as_owner(path: Path) -> dict[str, Any]:
    """The arguments of subprocess for a child of the account that owns `path`."""
    owner = path.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if ROOT else {}


def postmaster_pid(data_dir: Path) -> int:
    return int(Layout.of(data_dir).postmaster_pid.read_text().splitlines()[0])


def running_on(data_dir: Path) -> list[process.Identity]:
    """The PostgreSQL processes of a data folder, whoever runs them."""
    cluster = Layout.of(data_dir).cluster
    return process.servers_on(cluster, cluster.stat().st_uid) if cluster.exists() else []


def end_all(data_dir: Path) -> None:
    """Kill what runs on a data folder and delete it."""
    for found in running_on(data_dir):
        process.send(found, signal.SIGKILL)
        process.wait_for(found, 10)
    shutil.rmtree(data_dir, ignore_errors=True)


def is_gone(pid: int) -> bool:
    """Whether a process has ended (it may wait for its parent)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def value(conninfo: str, statement: str) -> Any:
    """The first value a statement returns."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())
