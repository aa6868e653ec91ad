"""A real `llm-observatory serve` process with an embedded PostgreSQL of its own, and the database behind it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
import pytest

from tests.plugins.database import create, drop, new_name

START_SECONDS = 60
"""A first start creates a cluster: a second on a quiet machine, many on a busy one."""


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll `condition` until it holds; fails the test with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Service:
    """One service process. Ports are fixed at construction, so a restart is reached at the same address."""

    def __init__(self, folder: Path, role: str = "all", **settings: str) -> None:
        self.folder = folder
        self.grpc_port, self.http_port, self.query_port, self.health_port = (free_port() for _ in range(4))
        self.log = folder / "service.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DB_", "DATABASE_", "LLM_"))},
            "LLM_OBSERVATORY_DATA_DIR": str(folder / "data"),
            "OTLP_GRPC_PORT": str(self.grpc_port),
            "OTLP_HTTP_PORT": str(self.http_port),
            "QUERY_PORT": str(self.query_port),
            "HEALTH_CHECK_PORT": str(self.health_port),
            **settings,
        }
        self.arguments = ["serve", "--role", role]
        self._process: subprocess.Popen[bytes] | None = None
        self._dsn: str | None = None

    @property
    def endpoint(self) -> str:
        """Where OTLP over gRPC is served."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http_endpoint(self) -> str:
        """The base URL of OTLP over HTTP."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def query_endpoint(self) -> str:
        """Where questions are answered."""
        return f"127.0.0.1:{self.query_port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    def share_ports(self, other: Service | None = None) -> Service:
        """Let it listen on its OTLP ports together with others, or on those of `other`."""
        self.arguments.append("--share-port")
        if other is not None:
            self.grpc_port, self.http_port = other.grpc_port, other.http_port
            self.environment |= {"OTLP_GRPC_PORT": str(self.grpc_port), "OTLP_HTTP_PORT": str(self.http_port)}
        return self

    def start(self, *, wait: bool = True) -> Service:
        """Start the process; with `wait` until it is ready."""
        self._dsn = None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "llm_observatory", *self.arguments],
                cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until /health/ready says 200; fails at once when the process has ended."""
        deadline = time.monotonic() + seconds
        while self.get("/health/ready")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-4000:]
                pytest.fail(f"the service is not ready (exit status {self.process.poll()}):\n{tail}")
            time.sleep(0.05)

    def get(self, path: str) -> tuple[int, bytes]:
        """GET from the sidecar: status and body; status 0 when nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=5) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def health(self) -> dict[str, Any]:
        """The JSON of /health."""
        loaded: dict[str, Any] = json.loads(self.get("/health")[1])
        return loaded

    def metric(self, sample: str) -> float:
        """The value of one exported sample, as it stands in /metrics; 0 when it is not there."""
        return self.metrics().get(sample, 0.0)

    def metrics(self) -> dict[str, float]:
        """All samples of one moment."""
        lines = [line for line in self.get("/metrics")[1].decode().splitlines() if not line.startswith("#")]
        return {sample: float(value) for sample, _, value in (line.rpartition(" ") for line in lines)}

    def memory(self) -> int:
        """Resident bytes of the process."""
        size: int = psutil.Process(self.process.pid).memory_info().rss
        return size

    def dsn(self) -> str:
        """What `llm-observatory dsn` prints, asked once a start."""
        if self._dsn is None:
            self._dsn = self._ask_dsn()
        return self._dsn

    def _ask_dsn(self) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "llm_observatory", "dsn"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return ran.stdout.strip()

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of one statement on the service's database."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def postmaster(self) -> psutil.Process:
        """The embedded server's first process."""
        if "DATABASE_URL" in self.environment:
            pytest.skip("the server is not the service's own, and others use it: it is not killed")
        pid = int(next((self.folder / "data").rglob("postmaster.pid")).read_text().split()[0])
        return psutil.Process(pid)

    def stop(self) -> None:
        """End the process and the server behind it, however they are."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.terminate()
        if self._process is not None and self._process.poll() is None:
            self.kill()
        for pid_file in (self.folder / "data").rglob("postmaster.pid"):
            with contextlib.suppress(psutil.Error, ValueError):
                process = psutil.Process(int(pid_file.read_text().split()[0]))
                if process.name() == "postgres":
                    process.send_signal(signal.SIGQUIT)
                    process.wait(10)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts may pass: run by root the server belongs to one, which pytest's own does not let in."""
    with TemporaryDirectory(prefix="observatory-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def database_of_a_service(request: pytest.FixtureRequest) -> Iterator[Callable[[], dict[str, str]]]:
    """Settings of services: an embedded server each, or where the tests run on a TimescaleDB server a new database there."""
    if request.getfixturevalue("licence") is None:
        yield dict
        return
    server: str = request.getfixturevalue("server")
    names: list[str] = []

    def given() -> dict[str, str]:
        names.append(new_name("service"))
        return {"DATABASE_URL": create(server, names[-1], "template0")}

    yield given
    for name in names:
        drop(server, name)


@pytest.fixture(scope="session")
def migrated_data() -> Iterator[Path]:
    """The data folder of a service started once, on nothing, and stopped well: initdb and migrations are done in it."""
    with TemporaryDirectory(prefix="observatory-") as name:
        Path(name).chmod(0o711)
        first = Service(Path(name))
        try:
            status = first.start().terminate()
            assert status == 0, first.log.read_text(errors="replace")[-4000:]
            assert not list((first.folder / "data").rglob("postmaster.pid")), "a copy of a running server is none"
            yield first.folder / "data"
        finally:
            first.stop()


def lay_migrated_data(request: pytest.FixtureRequest, service: Service) -> Service:
    """Spare an embedded server its first start; owners and modes are kept: run by root the server has its own account."""
    if "DATABASE_URL" not in service.environment:
        subprocess.run(["cp", "-a", request.getfixturevalue("migrated_data"), service.folder / "data"], check=True)
    return service


@pytest.fixture
def new_service(folder: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Service]]:
    """Makes services that are ended with the test; with `fresh` on no data folder, for tests of a first start."""
    made: list[Service] = []

    with database_of_a_service(request) as given:

        def make(role: str = "all", *, fresh: bool = False, **settings: str) -> Service:
            own = folder / f"service-{len(made)}"
            own.mkdir()
            own.chmod(0o711)
            made.append(Service(own, role, **{**given(), **settings}))
            return made[-1] if fresh else lay_migrated_data(request, made[-1])

        yield make
        for service in made:
            service.stop()


@pytest.fixture
def service(new_service: Callable[..., Service]) -> Service:
    """A started service on an empty database."""
    return new_service().start()


@pytest.fixture(scope="module")
def shared_service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A started service for the tests of one module that do not disturb each other."""
    with TemporaryDirectory(prefix="observatory-") as name, database_of_a_service(request) as given:
        Path(name).chmod(0o711)
        shared = lay_migrated_data(request, Service(Path(name), **given()))
        try:
            yield shared.start()
        finally:
            shared.stop()
