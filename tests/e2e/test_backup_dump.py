"""Dumps: made while records come in, restored to the row, refused where they would harm, damaged ones found."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner, Result

from llm_observatory.app.cli import cli
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from tests.plugins.content import content, traces
from tests.plugins.database import database_url, drop
from tests.plugins.load import Load
from tests.plugins.s3 import BUCKET, s3_server
from tests.plugins.service import Service, wait_for

TARGETS = ("during", "equal", "lost", "kept", "from_s3")
"""What dumps are restored to; the server may be one that stays."""


@dataclass
class Operator:
    """Who runs commands against a service's database, with a folder for dumps."""

    service: Service
    folder: Path

    def run(self, *words: str, prepare: Callable[[], None] | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command; whatever its exit status."""
        return subprocess.run(
            [sys.executable, "-m", "llm_observatory", *words],
            env={**self.service.environment, "BACKUP_DIR": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", **settings},
            cwd=self.service.folder, capture_output=True, text=True, check=False, timeout=60, preexec_fn=prepare,
        )  # fmt: skip

    def did(self, *words: str, **settings: str) -> str:
        """What a command that succeeds prints. In this process: a start of Python for each would take most of the time."""
        ran = self._invoke(words, settings)
        assert ran.exit_code == 0, ran.stderr
        return ran.stdout

    def failed(self, *words: str, **settings: str) -> str:
        """What a command that fails says."""
        ran = self._invoke(words, settings)
        assert ran.exit_code == 1, ran.stderr
        return ran.stderr

    def _invoke(self, words: Sequence[str], settings: dict[str, str]) -> Result:
        return CliRunner().invoke(cli, words, env={**self.service.environment, "BACKUP_DIR": str(self.folder), **settings})

    def dump(self) -> Path:
        """Make one."""
        return self.folder / str(json.loads(self.did("backup", "dump", "--json"))["label"])

    def database(self, name: str) -> str:
        """The URL of another database on the server."""
        return database_url(self.service.dsn(), name)

    @property
    def own(self) -> str:
        """The name of the service's database."""
        return str(conninfo_to_dict(self.service.dsn())["dbname"])


@pytest.fixture(scope="module")
def operator(shared_service: Service) -> Iterator[Operator]:
    """With some records of every signal in the database."""
    with Load(shared_service.endpoint, threads=3, signals=(TRACES, METRICS, LOGS)) as load:
        wait_for(lambda: all(len(ids) >= 5 for ids in load.acknowledged_of.values()), 30, "some of everything")
    folder = shared_service.folder / "dumps"
    yield Operator(shared_service, folder)
    for name in TARGETS:
        drop(shared_service.dsn(), name)


@pytest.fixture(scope="module")
def dumped(operator: Operator) -> Path:
    """A dump that tests do not change."""
    return operator.dump()


@pytest.fixture
def damaged(dumped: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    for path in dumped.parent.glob(f"{dumped.name}*"):
        shutil.copy(path, tmp_path)
    return tmp_path / dumped.name


def test_made_while_records_come_in(operator: Operator) -> None:
    with Load(operator.service.endpoint, threads=3, signals=(TRACES, METRICS, LOGS)) as load:
        wait_for(lambda: len(load.acknowledged) >= 10, 30, "records come in")
        before = set(load.acknowledged)
        dump = operator.dump()
        during = len(load.acknowledged)
    assert during > len(before), "nothing came in meanwhile"
    assert not load.statuses.keys() - {"OK"}
    operator.did("restore", str(dump), "--target", "during")
    restored = traces(operator.database("during"))
    assert before <= restored <= traces(operator.service.dsn())


def test_every_row_and_rollup_is_equal(operator: Operator) -> None:
    expected = content(operator.service.dsn())
    assert all(expected[name] != (0, "") for name in ("llm_traces", "llm_metrics", "llm_logs", "trace_metrics_hourly"))
    dump = operator.dump()
    said = operator.did("restore", str(dump), "--target", "equal")
    assert "as the dump says" in said
    assert content(operator.database("equal")) == expected
    assert "what this version expects" in operator.did("migrate", "verify", DATABASE_URL=operator.database("equal"))


def test_a_deleted_table_is_brought_back(operator: Operator, dumped: Path) -> None:
    operator.did("restore", str(dumped), "--target", "lost")
    expected = content(operator.database("lost"))
    with psycopg.connect(operator.database("lost"), autocommit=True) as connection:
        connection.execute("DROP TABLE llm_logs CASCADE")
    operator.did("restore", str(dumped), "--target", "lost", "--drop-existing", "--yes")
    assert content(operator.database("lost")) == expected


def test_what_is_there_is_not_replaced_unasked(operator: Operator, dumped: Path) -> None:
    operator.did("restore", str(dumped), "--target", "kept")
    assert "there is a database kept already" in operator.failed("restore", str(dumped), "--target", "kept")
    assert "Aborted" in operator.failed("restore", str(dumped), "--target", "kept", "--drop-existing")
    with psycopg.connect(operator.database("kept"), application_name="somebody"):
        said = operator.failed("restore", str(dumped), "--target", "kept", "--drop-existing", "-y")
    assert "in use by somebody" in said
    said = operator.failed("restore", str(dumped), "--drop-existing", "-y")
    assert f"database {operator.own} is in use by llm-observatory-storage" in said


@pytest.mark.parametrize("name", ["{}", ".{}.part"], ids=["there", "being made"])
def test_dumps_of_one_second_take_two_names(operator: Operator, name: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    seconds = [f"{operator.own}_{now + timedelta(seconds=later):%Y%m%d_%H%M%S}.sql.gz" for later in range(5)]
    others = [tmp_path / name.format(second) for second in seconds]
    for other in others:
        other.write_text("another's")
    made = json.loads(operator.did("backup", "dump", "--json", BACKUP_DIR=str(tmp_path)))["label"]
    assert made not in seconds
    assert {other.read_text() for other in others} == {"another's"}
    assert "whole: " in operator.did("backup", "verify", str(tmp_path / made))


def test_one_that_is_ended_leaves_nothing(operator: Operator, tmp_path: Path) -> None:
    with psycopg.connect(operator.service.dsn()) as connection:
        connection.execute("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE")
        dumping = subprocess.Popen(
            [sys.executable, "-m", "llm_observatory", "backup", "dump"],
            env={**operator.service.environment, "BACKUP_DIR": str(tmp_path)},
            cwd=operator.service.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: any(tmp_path.iterdir()), 30, "it has begun")
        dumping.terminate()
        assert dumping.wait(30) == 143
    assert list(tmp_path.iterdir()) == []


def test_the_newest_is_the_one_that_began_last(operator: Operator, tmp_path: Path) -> None:
    later = tmp_path / "other_29991231_000000.sql.gz"
    later.write_text("")
    (tmp_path / "latest.sql.gz").symlink_to(later.name)
    operator.did("backup", "dump", BACKUP_DIR=str(tmp_path))
    assert (tmp_path / "latest.sql.gz").readlink() == Path(later.name)
    later.unlink()
    made = json.loads(operator.did("backup", "dump", "--json", BACKUP_DIR=str(tmp_path)))["label"]
    assert (tmp_path / "latest.sql.gz").readlink() == Path(made)


def test_a_flipped_bit_is_found(operator: Operator, damaged: Path) -> None:
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    assert "is corrupted: its sha256" in operator.failed("backup", "verify", str(damaged))
    assert "is corrupted: its sha256" in operator.failed("restore", str(damaged), "--target", "flipped")
    with psycopg.connect(operator.service.dsn()) as connection:
        assert connection.execute("SELECT FROM pg_database WHERE datname LIKE 'flipped%'").rowcount == 0


def test_a_dump_that_was_cut_before_its_sum_was_taken(operator: Operator, damaged: Path) -> None:
    damaged.write_bytes(damaged.read_bytes()[:-20])
    ran = subprocess.run(["sha256sum", damaged.name], cwd=damaged.parent, capture_output=True, text=True, check=True)
    damaged.with_name(f"{damaged.name}.sha256").write_text(ran.stdout)
    assert "cannot be unpacked" in operator.failed("backup", "verify", str(damaged))


def test_rows_that_are_missing_are_found(operator: Operator, damaged: Path) -> None:
    manifest = damaged.with_name(f"{damaged.name}.json")
    said = json.loads(manifest.read_text())
    said["rows"]["llm_traces"] += 1
    manifest.write_text(json.dumps(said))
    assert "not those of the dump: llm_traces:" in operator.failed("restore", str(damaged), "--target", "fewer")
    with psycopg.connect(operator.service.dsn()) as connection:
        assert connection.execute("SELECT FROM pg_database WHERE datname LIKE 'fewer%'").rowcount == 0


def test_what_was_verified_is_listed(operator: Operator, dumped: Path) -> None:
    subprocess.run(["sha256sum", "--check", f"{dumped.name}.sha256"], cwd=dumped.parent, check=True, capture_output=True)
    assert "whole: " in operator.did("backup", "verify", str(dumped))
    [listed] = [one for one in json.loads(operator.did("backup", "list", "--json")) if one["label"] == dumped.name]
    assert listed["verified_at"] is not None
    assert listed["bytes"] == dumped.stat().st_size


def test_a_full_disk_is_told_and_leaves_nothing(operator: Operator, dumped: Path) -> None:
    before = sorted(path.name for path in operator.folder.iterdir())
    ran = operator.run("backup", "dump", prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    assert ran.returncode == 1
    assert "no room for the backup" in ran.stderr
    assert sorted(path.name for path in operator.folder.iterdir()) == before


def test_to_s3_and_back(operator: Operator, dumped: Path, tmp_path: Path) -> None:
    with s3_server(tmp_path) as s3:
        assert f"backups/daily/{dumped.name}" in operator.did(
            "backup", "upload", "--bucket", BUCKET, "--encrypt", **s3.environment
        )
        assert "every dump already" in operator.did("backup", "upload", "--bucket", BUCKET, **s3.environment)
        with s3.client() as client:
            head = client.head_object(Bucket=BUCKET, Key=f"backups/daily/{dumped.name}")
            client.delete_object(Bucket=BUCKET, Key="backups/latest.sql.gz.sha256")  # as when that run was ended
            client.put_object(Bucket=BUCKET, Key="backups/latest.sql.gz", Body=b"an older one")
        assert head["ServerSideEncryption"] == "AES256"
        assert "every dump already" in operator.did("backup", "upload", "--bucket", BUCKET, **s3.environment)
        key = "backups/latest.sql.gz"
        operator.did("restore", key, "--bucket", BUCKET, "--target", "from_s3", **s3.environment)
        newest = (operator.folder / "latest.sql.gz").resolve()
        rows = json.loads(newest.with_name(f"{newest.name}.json").read_text())["rows"]["llm_traces"]
        assert content(operator.database("from_s3"))["llm_traces"][0] == rows  # type: ignore[index]
        said = operator.failed("restore", "backups/none.sql.gz", "--bucket", BUCKET, "--target", "none", **s3.environment)
        assert "S3: " in said
