"""From the release before to this one while records come in: each acknowledged record is stored once, whoever took it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.plugins.load import Load
from tests.plugins.service import Service, wait_for
from tests.upgrade.release import VERSION, lay_out

pytestmark = pytest.mark.timeout(240)

SEEN_SECONDS = 60


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("release"))


@pytest.fixture
def make(folder: Path, empty_database: str, release: Path) -> Iterator[Callable[..., Service]]:
    """Processes of either version on one database that is empty at first."""
    made: list[Service] = []

    def one(*, old: bool) -> Service:
        own = folder / f"service-{len(made)}"
        own.mkdir()
        # The native codec here is that of this version.
        of_old = {"PYTHONPATH": str(release), "OBSERVATORY_CODEC": "reference"} if old else {}
        made.append(Service(own, DATABASE_URL=empty_database, **of_old))
        return made[-1]

    yield one
    for service in made:
        service.stop()


def migrations(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        return {version for (version,) in connection.execute("SELECT version FROM schema_migrations").fetchall()}


def more(load: Load, requests: int = 10) -> None:
    """Wait until so many more are acknowledged."""
    before = len(load.acknowledged)
    wait_for(lambda: len(load.acknowledged) >= before + requests, SEEN_SECONDS, f"records are taken in: {load.statuses}")


def assert_stored_once(database: str, *loads: Load) -> None:
    ids = [str(uuid.UUID(bytes=trace_id)) for load in loads for trace_id in load.acknowledged]
    with psycopg.connect(database) as connection:
        counted = "SELECT trace_id::text, count(*) FROM llm_traces WHERE trace_id = ANY(%s::uuid[]) GROUP BY 1"
        stored: dict[str, int] = dict(connection.execute(counted, [ids]).fetchall())
    assert Counter(ids).most_common(1)[0][1] == 1
    assert stored == dict.fromkeys(ids, loads[0].spans)


def test_it_is_the_release_that_runs(release: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import llm_observatory as it; print(it.__version__, it.__file__)"],
        env={"PYTHONPATH": str(release)}, cwd=release, capture_output=True, text=True, check=True,
    )  # fmt: skip
    version, file = ran.stdout.split()
    assert (version, Path(file).is_relative_to(release)) == (VERSION, True)


def test_both_store_on_the_new_schema_and_the_release_can_come_back(make: Callable[..., Service], empty_database: str) -> None:
    old, new = make(old=True).start(), make(old=False)
    before = migrations(empty_database)
    with Load(old.endpoint, threads=2) as to_old, Load(new.endpoint, threads=2) as to_new:
        more(to_old)
        new.start()
        assert migrations(empty_database) > before
        for load in (to_old, to_new):
            more(load)
        # Rolled back to the release, on the schema of this version.
        assert old.terminate() == 0
        old.start(wait=False)
        more(to_old)
        wait_for(
            lambda: b"a table that nothing declares" in old.get("/health/ready")[1],
            SEEN_SECONDS,
            "what docs/commands.md says of 0.1.0: it is not ready, and takes records all the same",
        )
        for load in (to_old, to_new):
            more(load)
        assert json.loads(new.get("/health/ready")[1]) == {"ready": True, "reasons": []}
    assert_stored_once(empty_database, to_old, to_new)


def test_two_processes_on_one_port_are_replaced_one_after_the_other(make: Callable[..., Service], empty_database: str) -> None:
    old = [make(old=True).share_ports().start()]
    old.append(make(old=True).share_ports(old[0]).start())
    # The kernel chooses who of those that listen gets a connection; whose process is gone opens another.
    with Load(old[0].endpoint, threads=3) as load:
        for leaving in old:
            more(load)
            assert leaving.terminate() == 0
            more(load)
            make(old=False).share_ports(old[0]).start()
        more(load)
    assert_stored_once(empty_database, load)
    assert load.statuses["OK"] == len(load.acknowledged)
