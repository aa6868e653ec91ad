"""What operators run, on a PostgreSQL of Debian with pgBackRest and a service that stores in it: backups and the scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest

from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from tests.plugins.content import content, traces
from tests.plugins.database import create, database_url
from tests.plugins.load import Client, Load, retry_seconds, trace_request
from tests.plugins.pgbackrest import Cluster, archived, ask, with_a_small_disk
from tests.plugins.s3 import BUCKET, s3_server
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
    """On a small disk where we may mount one; else a limit of a file's size has to do."""
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


SCRIPTS = Path(__file__).parents[2] / "deploy" / "scripts"


@dataclass
class Operator:
    """Who runs the scripts, as cron does: with the settings of the service, and where backups are."""

    cluster: Cluster
    service: Service
    folder: Path

    def run(self, line: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A script with its words; whatever its exit status."""
        script, *words = line.split()
        environment = {
            **self.service.environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "BACKUP_DIR": str(self.folder / "dumps"),
            **self.cluster.settings,
            "HEALTH_URL": f"http://127.0.0.1:{self.service.health_port}",
            "DR_DATABASE": "exercise",
            # Of some thirty processes each would compile all of Python's modules where none may be kept: most of the time.
            "PYTHONPYCACHEPREFIX": str(self.folder / "compiled"),
            "PYTHONDONTWRITEBYTECODE": "",
            **settings,
        }
        return subprocess.run(
            [SCRIPTS / script, *words],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def did(self, line: str, **settings: str) -> str:
        """What a script that succeeds prints."""
        ran = self.run(line, **settings)
        assert ran.returncode == 0, f"{line}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def database(self, name: str) -> str:
        """The URL of another database on the server."""
        return database_url(self.cluster.url, name)


@pytest.fixture(scope="module")
def operator(cluster: Cluster, service: Service) -> Iterator[Operator]:
    """With some records, a backup and a dump."""
    with Load(service.endpoint, threads=3, signals=(TRACES, METRICS, LOGS)) as load:
        wait_for(lambda: all(len(ids) >= 3 for ids in load.acknowledged_of.values()), 30, "some of everything")
    with TemporaryDirectory(prefix="observatory-") as name:
        made = Operator(cluster, service, Path(name))
        assert ".sql.gz in " in made.did("backup.sh -v -y")
        yield made


def test_what_was_backed_up_is_verified_and_restored(operator: Operator) -> None:
    said = operator.did("verify_backup.sh -y", BACKUP_REPOS="1")
    assert "whole: llm_observatory_" in said
    assert "whole: repo1: " in said
    latest = operator.folder / "dumps" / "latest.sql.gz"
    assert "as the dump says" in operator.did(f"restore.sh -t beside -y {latest}")
    assert content(operator.database("beside"))["llm_traces"] != (0, "")
    refused = operator.run(f"restore.sh -t beside -y {latest}")
    assert (refused.returncode, "there is a database beside already" in refused.stderr) == (1, True)
    assert "database exercise: " in operator.did("test_dr_restore.sh -y")
    assert content(operator.database("exercise")) == content(operator.database("beside"))


def test_the_server_is_restored_to_its_latest(operator: Operator) -> None:
    operator.cluster.sql("CREATE DATABASE after_the_backup")
    operator.cluster.sql("SELECT pg_switch_wal()")
    wait_for(lambda: archived(operator.cluster), 60, "the last WAL is in the archive")
    operator.did("restore.sh --latest -y", PGDATA=str(operator.cluster.root / "elsewhere"))
    with elsewhere(operator.cluster) as restored:
        assert ask(restored, "SELECT datname FROM pg_database WHERE datname = 'after_the_backup'")


def test_to_s3_and_back(operator: Operator, tmp_path: Path) -> None:
    with s3_server(tmp_path) as s3:
        assert "sent backups/" in operator.did(f"backup_to_s3.sh -b {BUCKET} -e -y", **s3.environment)
        operator.did(f"restore.sh -s -b {BUCKET} -t from_s3 -y backups/latest.sql.gz", **s3.environment)
    assert content(operator.database("from_s3"))["llm_traces"] != (0, "")


def test_a_new_database_is_deployed_and_rolled_back(operator: Operator) -> None:
    settings = {"DATABASE_URL": create(operator.cluster.url, "deployed", "template0"), "BACKUP_KINDS": "dump"}
    settings["BACKUP_DIR"] = str(operator.folder / "before")
    assert "what this version expects" in operator.did("deploy_database.sh -y", **settings)
    applied = "SELECT count(*) FROM schema_migrations"
    [(before,)] = ask(settings["DATABASE_URL"], applied)
    operator.did("rollback.sh --emergency", **settings)
    assert ask(settings["DATABASE_URL"], applied) == [(int(str(before)) - 1,)]
    assert len(list((operator.folder / "before").glob("deployed_*.sql.gz"))) == 1
    assert "what this version expects" in operator.did("deploy_database.sh --retry", **settings)


def test_what_was_deployed_works(operator: Operator) -> None:
    report = json.loads(operator.run("daily_health_check.sh --json").stdout)
    wrong = [line for line in report["checks"] if line["status"] == "fail"]
    assert not wrong
    assert "whole: llm_observatory_" in operator.did("verify_deployment.sh --comprehensive -y")
    away = operator.run("verify_deployment.sh", HEALTH_URL=f"http://127.0.0.1:{free_port()}")
    assert away.returncode not in {0, 2}


def test_records_are_refused_during_maintenance(operator: Operator) -> None:
    client = Client(operator.service.endpoint)
    try:
        operator.did("maintenance_mode.sh --enable")
        with pytest.raises(grpc.RpcError) as refused:
            wait_for(lambda: client.export(trace_request(1)[1]) is None, 10, "records are refused")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert retry_seconds(refused.value) > 0
        operator.did("maintenance_mode.sh --disable")
        wait_for(lambda: accepted(client), 10, "records are taken")
    finally:
        client.close()


def accepted(client: Client) -> bool:
    try:
        client.export(trace_request(1)[1])
    except grpc.RpcError:
        return False
    return True


def test_benchmarks_are_run_compared_and_drawn(operator: Operator) -> None:
    tiny = {"BENCHMARK": "codec --data-set spans-0.5k --items 1 --seconds 0.01", "BENCHMARK_RESULTS": "results"}
    for name in ("before", "after"):
        ran = operator.run(f"run_benchmark.sh --output results/{name}.json", **tiny)
        assert ran.returncode in {0, 1}, ran.stderr  # 1: a bar was missed, which so short a run may
    assert "spans-0.5k" in operator.did("compare_benchmarks.sh results/before.json results/after.json")
    operator.did("generate_performance_report.sh --period weekly --output report.html", **tiny)
    assert "<html" in (operator.folder / "report.html").read_text()
