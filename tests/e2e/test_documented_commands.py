"""Every block of the documentation that is marked `run`, against a running service that has taken all three signals in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.documents import TOP, Block, blocks
from tests.plugins.programs import environment, program
from tests.plugins.sdk_clients import Road, clients
from tests.plugins.service import Service

pytestmark = pytest.mark.timeout(180)


def _parameters() -> Iterator[object]:
    for block in blocks():
        if block.runs:
            marks = [pytest.mark.timescaledb("a block about TimescaleDB")] if block.said.endswith("timescaledb") else []
            yield pytest.param(block, id=block.name, marks=marks)


@pytest.fixture(scope="module")
def told(shared_service: Service) -> Service:
    """A service that knows something."""
    road = Road("python", "grpc", "none")
    with clients(shared_service, [road], "documented", time.time_ns()) as running:
        running.send()
        assert set(running.said().results.values()) == {"SUCCESS"}
    return shared_service


@pytest.mark.parametrize("block", list(_parameters()))
def test_a_documented_block(told: Service, block: Block, tmp_path: Path) -> None:
    told.wait_ready()  # the block before may have had it in maintenance
    text = block.text
    for documented, port in ((4317, told.grpc_port), (4318, told.http_port), (8080, told.query_port), (9090, told.health_port)):
        for host in ("localhost", "127.0.0.1"):
            text = text.replace(f"{host}:{documented}", f"127.0.0.1:{port}")
    path = os.pathsep.join([str(Path(sys.executable).parent), str(program("psql").parent), told.environment["PATH"]])
    variables = {**environment(), **told.environment, "PATH": path, "TMPDIR": str(tmp_path)}
    commands = {
        "sql": ["psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", "-", told.dsn()],
        "python": [sys.executable, "-"],
    }
    command = commands.get(block.language, ["bash", "-euo", "pipefail", "-s"])
    ran = subprocess.run(
        command, cwd=TOP, env=variables, input=text, timeout=120,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{text}\n{ran.stdout}\n{ran.stderr}"
