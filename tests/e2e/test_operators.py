"""What operators run, on a PostgreSQL of Debian with pgBackRest and a service that stores in it: backups and the scripts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from tests.plugins.content import content, traces
from tests.plugins.database import create
from tests.plugins.load import Load
from tests.plugins.pgbackrest import Cluster, archived, ask, with_a_small_disk
from tests.plugins.service import Service, free_port, wait_for

pytestmark = pytest.mark.timeout(180)


DATABASE = "llm_observatory"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One server and one pair of repositories for the module."""
    with with_a_small_disk() as made:
        create(made.url, DATABASE, "template0")
        made.database = DATABASE
        yield made


@pytest.fixture(scope="module")
def service(cluster: Cluster) -> Iterator[Service]:
    """One service for the module, which stores there."""
    with TemporaryDirectory(prefix="observatory-") as name:
        made = Service(Path(name), DATABASE_URL=cluster.url)
        try:
            yield made.start()
        finally:
            made.stop()


def test_made_while_records_come_in(cluster: Cluster, service: Service) -> None:
    """Into an empty folder, beside the server that goes on: all that was acknowledged, before, during and after the backup."""
    with Load(service.endpoint, threads=3, signals=(TRACES, METRICS, LOGS)) as load:
        wait_for(lambda: all(len(ids) >= 5 for ids in load.acknowledged_of.values()), 30, "records come in")
        before = len(load.acknowledged)
        made = json.loads(cluster.did("backup", "physical", "--type", "full", "--json"))
        during = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > during, 30, "records come in after it")
    assert during > before, "nothing came in meanwhile"
    assert not load.statuses.keys() - {"OK"}
    assert service.terminate() == 0, "what is compared must not change any more"
    acknowledged, expected = set(load.acknowledged), content(cluster.url)
    cluster.sql("SELECT pg_switch_wal()")
    service.start()
    assert acknowledged <= traces(cluster.url)
    assert all(expected[name] != (0, "") for name in ("llm_traces", "llm_metrics", "llm_logs", "trace_metrics_hourly"))
    wait_for(lambda: archived(cluster), 60, "the last WAL is in the archive")
    began = time.monotonic()
    cluster.did("restore", "--latest", "--pgdata", str(cluster.root / "elsewhere"))
    with elsewhere(cluster) as restored:
        sizes = f"{made['database_bytes']:,} bytes, {made['bytes']:,} in the repository"
        took = f"backed up in {made['seconds']:.1f} s, restored and replayed in {time.monotonic() - began:.1f} s"
        print(f"{sizes}: {took}")  # noqa: T201 - read with -s
        assert acknowledged <= traces(restored)
        assert content(restored) == expected


@contextmanager
def elsewhere(cluster: Cluster) -> Iterator[str]:
    """A server on what was restored there, on a port of loopback, while the first goes on; the URL of the database."""
    port = free_port()
    with (cluster.root / "elsewhere" / "postgresql.conf").open("a") as conf:
        conf.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\narchive_mode = off\n")
    cluster.start("elsewhere")
    try:
        restored = f"postgresql://postgres@127.0.0.1:{port}/{DATABASE}"
        wait_for(lambda: ask(restored, "SELECT pg_is_in_recovery()") == [(False,)], 60, "it is promoted")
        yield restored
    finally:
        cluster.stop("elsewhere")
        for path in (cluster.root / "elsewhere").iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_full_disk_is_told_and_earlier_backups_stay(cluster: Cluster, service: Service) -> None:
    """On a disk of 64 MiB where we may mount one; else a limit of a file's size has to do."""
    first = json.loads(cluster.did("backup", "physical", "--type", "full", "--repo", "2", "--json"))
    with cluster.no_room():
        ran = cluster.command("backup", "physical", "--type", "full", "--repo", "2")
    assert ran.exit_code == 1
    assert "repo2 cannot be written, most often for want of room" in ran.stderr
    assert "pgbackrest --stanza=test --repo=2 expire" in ran.stderr
    listed = json.loads(cluster.did("backup", "list", "--json"))
    assert [one["label"] for one in listed if one["destination"] == "repo2"] == [first["label"]]
    assert f"whole: repo2: {first['label']}" in cluster.did("backup", "verify", "--repo", "2")
    again = json.loads(cluster.did("backup", "physical", "--type", "full", "--repo", "2", "--json"))
    assert again["before"]["label"] == first["label"]
