"""A service under load while its database is moved to TimescaleDB: nothing that it acknowledged is lost or there twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from llm_observatory.pipeline.signal import SIGNALS
from tests.migration.test_move import begin_on_partitions
from tests.plugins.database import execute
from tests.plugins.kept import acknowledged, assert_stored_once
from tests.plugins.load import Load
from tests.plugins.service import Service, wait_for

pytestmark = [pytest.mark.timeout(240), pytest.mark.timescaledb("the other end of the move")]


def test_the_service_goes_on_while_its_database_is_moved(empty_database: str, new_service: Callable[..., Service]) -> None:
    execute(empty_database, "CREATE EXTENSION timescaledb")
    asyncio.run(begin_on_partitions(empty_database))
    service = new_service(DATABASE_URL=empty_database).start()
    with Load(service.endpoint, threads=len(SIGNALS), signals=SIGNALS) as load:
        wait_for(acknowledged(load, 20), 60, "requests are acknowledged")
        moved = subprocess.run(
            [sys.executable, "-m", "llm_observatory", "migrate", "timescaledb", "--json"],
            cwd=service.folder, env=service.environment, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        wait_for(acknowledged(load, 20), 60, "requests are acknowledged after the move")
    assert sum(table["rows"] for table in json.loads(moved.stdout)["moved"]) > 0
    assert set(load.statuses) <= {"OK", "UNAVAILABLE"}
    assert_stored_once(service, load)
    assert service.get("/health/ready")[0] == 200
    hypertables = "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public'"
    assert service.query(hypertables) == [(5,)]
    jobs = "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000"
    assert service.query(jobs) == [(20,)]
    wait_for(lambda: "hypertables of TimescaleDB" in service.log.read_text(), 90, "the service noticed")
