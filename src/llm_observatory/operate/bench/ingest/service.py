"""The service that is measured: a process of `llm-observatory serve` with settings of its own and no others."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import psutil

from llm_observatory.operate.bench.ingest.process import LaneFailed
from llm_observatory.pipeline.signal import TRACES
from llm_observatory.settings import Settings

START_SECONDS = 120.0
STOP_SECONDS = 30.0
LOG_TAIL_BYTES = 2000
_OK = 200


class ServiceProcess:
    """A service on a database, as a context. Raises LaneFailed with the end of its log when it does not become ready."""

    def __init__(self, database_url: str, **settings: str) -> None:
        self.grpc_port, self.http_port, self._health_port = free_ports(3)
        self._folder = TemporaryDirectory(prefix="observatory-bench-service-")
        self._log = Path(self._folder.name) / "service.log"
        others = {name.upper() for name in Settings.model_fields} | {"CONFIG_FILE"}
        self._environment = {
            **{name: value for name, value in os.environ.items() if name.upper() not in others},
            "DATABASE_URL": database_url,
            "OTLP_GRPC_PORT": str(self.grpc_port),
            "OTLP_HTTP_PORT": str(self.http_port),
            "HEALTH_CHECK_PORT": str(self._health_port),
            "LOG_LEVEL": "warning",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None  # noqa: S101 - used between start and end
        return self._process.pid

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def memory(self) -> int:
        """Resident bytes."""
        try:
            size: int = psutil.Process(self.pid).memory_info().rss
        except psutil.NoSuchProcess:
            raise LaneFailed(f"the service has ended:\n{self._tail()}") from None
        return size

    def commits(self) -> tuple[float, float]:
        """How many transactions it has written with spans, and how many spans."""
        _, text = self._get("/metrics")
        samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("storage_batch_size_"))
        label = f'{{writer_type="{TRACES.writer_type}"}}'
        return tuple(float(samples.get(f"storage_batch_size_{part}{label}", 0)) for part in ("count", "sum"))  # type: ignore[return-value]

    def _start(self) -> None:
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for the first process, which stops it.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "llm_observatory", "serve", "--role", "ingest"],
                cwd=self._folder.name, env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while self._get("/health/ready")[0] != _OK:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LaneFailed(f"the service does not become ready:\n{self._tail()}")
            time.sleep(0.05)

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health_port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def _tail(self) -> str:
        return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")


def free_ports(number: int) -> list[int]:
    """Loopback ports nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
