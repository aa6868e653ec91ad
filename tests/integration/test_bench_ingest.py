"""`bench ingest` from end to end, on a real PostgreSQL: every lane, every figure, and nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil
import psycopg
import pytest

from llm_observatory.operate.bench import ingest
from llm_observatory.operate.bench.ingest import bench, options
from llm_observatory.operate.bench.ingest.database import Database
from llm_observatory.operate.bench.ingest.figures import FIGURES
from llm_observatory.operate.bench.ingest.process import LaneFailed

LOAD_AND_SERVICE = {figure.name for figure in FIGURES}
ACKS = {"ack p50", "ack p95", "ack p99"}
OF_NO_SERVICE = {"CPU of the service", "memory of the service", *ACKS}
"""What a lane without a service has not, or only in turns that are longer than here."""

OF_NO_DATABASE = {"CPU of the database", "spans a commit", "WAL", "stored", "memory of the service"}


def given(
    server: str, *lanes: str, codecs: tuple[str, ...] = ("reference",), rows: int = 0, minutes: float = 0.0
) -> options.Options:
    return options.Options(
        data_set="spans-0.5k", items=64, committers=(1,), rows=rows, lanes=lanes, codecs=codecs, rounds=1,
        seconds=0.3, minutes=minutes, clients=3, seed=1, pin=False, direct_compress=False, database_url=server,
    )  # fmt: skip


def left(server: str) -> list[str]:
    with psycopg.connect(server, autocommit=True) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'observatory_bench_')")
        return [name for (name,) in found if name.endswith(f"_{os.getpid()}")]


@pytest.fixture(autouse=True)
def _nothing_is_left(server: str) -> Iterator[None]:
    cores, children = psutil.Process().cpu_affinity(), {child.pid for child in psutil.Process().children()}
    yield
    assert left(server) == []
    assert psutil.Process().cpu_affinity() == cores
    # multiprocessing keeps one process that tracks its resources.
    alive = [child for child in psutil.Process().children() if child.pid not in children]
    assert [child for child in alive if "resource_tracker" not in " ".join(child.cmdline())] == []


@pytest.mark.timeout(120)
def test_every_lane_stored_what_it_acknowledged_and_has_every_figure(server: str) -> None:
    said: list[str] = []
    report, figures = ingest.run(given(server, *options.LANES, codecs=options.codecs("both")), said.append)
    names = {one.name for one in report.measurements}
    for lane in options.LANES:
        without = OF_NO_SERVICE if lane in {"copy", "asyncpg", "psycopg"} else OF_NO_DATABASE if lane == "noop" else set()
        assert {
            name.partition(": ")[2] for name in names if name.startswith(f"{lane}, 1 committer: ")
        } >= LOAD_AND_SERVICE - without
    assert all(one.value > 0 for one in report.measurements if not one.name.endswith(("sent again", "too late by")))
    assert {one.name for one in figures.compared()} >= {
        "grpc, 1 committer: rate to copy",
        "http, 1 committer: rate to copy",
        "asyncpg, 1 committer: rate to copy",
        "psycopg, 1 committer: rate to copy",
        "small, 1 committer: rate to grpc",
        "CPU a span of all processes, copy to grpc",
        "CPU of the service above a no-op server",
        "ack p95 at half load",
        "ack p95 at saturation",
        "memory of the service, at most",
    }
    [stored] = [one.value for one in report.measurements if one.name == "acknowledged, and found stored"]
    assert stored >= 64 * len(options.LANES)
    assert said[0].startswith("making a database")


@pytest.mark.timeout(120)
def test_rows_that_are_there_before_stay_and_a_flood_is_measured(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SLICE_SECONDS", 0.5)
    monkeypatch.setattr(bench, "OVERLOAD", 2)
    said: list[str] = []
    report, _ = ingest.run(given(server, "grpc", rows=60_000, minutes=0.01), said.append)
    assert any("60,000 of 60,000 rows are there" in line for line in said)
    names = {one.name for one in report.measurements}
    assert {"grpc, 1 committer: rate to grpc-empty", "flood, 1 committer: rate"} <= names


def test_a_lane_that_loses_rows_ends_the_run(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Database.stored

    def one_less(database: Database) -> object:
        found = stored(database)
        return found._replace(spans=max(0, found.spans - 1))

    monkeypatch.setattr(Database, "stored", one_less)
    with pytest.raises(LaneFailed, match=r"copy: .* spans were acknowledged, .* are stored"):
        ingest.run(given(server, "copy"), lambda _line: None)
