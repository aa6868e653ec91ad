"""Every block of the documentation that is marked `run`, against a running service that has taken all three signals in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugins.documents import TOP, Block, blocks
from tests.plugins.programs import environment, program
from tests.plugins.sdk_clients import Road, clients
from tests.plugins.service import Service

pytestmark = pytest.mark.timeout(180)


RUN = [block for block in blocks() if block.runs]
OF_TIMESCALEDB = [block for block in RUN if block.said.endswith("timescaledb")]
BY_PAGE = {
    str(page.relative_to(TOP)): [block for block in RUN if block.page == page and block not in OF_TIMESCALEDB]
    for page in sorted({block.page for block in RUN})
}


@pytest.fixture(scope="module")
def told(shared_service: Service) -> Service:
    """A service that knows something."""
    road = Road("python", "grpc", "none")
    with clients(shared_service, [road], "documented", time.time_ns()) as running:
        running.send()
        assert set(running.said().results.values()) == {"SUCCESS"}
    return shared_service


@pytest.mark.parametrize("page", BY_PAGE)
def test_the_blocks_of_a_page_one_after_the_other(told: Service, page: str, tmp_path: Path) -> None:
    """As a reader runs them: a later one may need what an earlier one did."""
    for block in BY_PAGE[page]:
        _run(told, block, tmp_path)


@pytest.mark.timescaledb("blocks about TimescaleDB")
@pytest.mark.parametrize("block", OF_TIMESCALEDB, ids=lambda block: block.name)
def test_a_block_about_timescaledb(told: Service, block: Block, tmp_path: Path) -> None:
    _run(told, block, tmp_path)


def _run(told: Service, block: Block, tmp_path: Path) -> None:
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
    assert ran.returncode == 0, f"{block.name}\n{text}\n{ran.stdout}\n{ran.stderr}"
