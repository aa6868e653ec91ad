"""PgBackRest on a PostgreSQL of Debian: encrypted repositories on disk and in S3, points in time, damage found."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from tests.plugins.pgbackrest import Cluster, archived, with_s3
from tests.plugins.service import wait_for

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One server and one pair of repositories for the module."""
    with with_s3() as made:
        asyncio.run(migrate.up(made.url, lambda _line: None, Settings()))
        yield made


def now_after_a_moment(cluster: Cluster) -> datetime:
    """A time of the server's clock that is later than what was committed before and earlier than what is after."""
    [(moment,)] = cluster.sql("SELECT clock_timestamp()")
    assert isinstance(moment, datetime)
    wait_for(lambda: datetime.now(UTC) > moment, 5, "the clock goes on")
    return moment


def test_a_point_in_time_and_a_table_that_was_dropped(cluster: Cluster) -> None:
    cluster.sql("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    first = json.loads(cluster.did("backup", "physical", "--type", "full", "--json"))
    assert first["label"].endswith("F")
    assert first["destination"] == "repo1"
    # PgBackRest counts in whole seconds: a moment must lie in a later one than the backup's end.
    ended = datetime.fromisoformat(first["finished_at"])
    wait_for(lambda: datetime.now(UTC) > ended + timedelta(seconds=1), 5, "the next second")
    cluster.sql("INSERT INTO kept VALUES (1001)")
    between = now_after_a_moment(cluster)
    cluster.sql("INSERT INTO kept VALUES (1002)")
    cluster.sql("DROP TABLE kept")
    cluster.sql("SELECT pg_switch_wal()")
    wait_for(lambda: archived(cluster), 60, "the last WAL is in the archive")
    running = cluster.command("restore", "--latest", "--pgdata", str(cluster.root / "pg"))
    assert running.exit_code == 1
    assert "a PostgreSQL runs on" in running.stderr
    cluster.stop("pg")
    kept = cluster.command("restore", "--latest", "--pgdata", str(cluster.root / "pg"))
    assert kept.exit_code == 1
    assert "there is a database in" in kept.stderr
    cluster.did("restore", "--target-time", between.isoformat(), "--pgdata", str(cluster.root / "pg"), "--drop-existing", "-y")
    cluster.start("pg")
    wait_for(lambda: cluster.sql("SELECT pg_is_in_recovery()") == [(False,)], 60, "it is promoted")
    assert cluster.sql("SELECT count(*), max(n) FROM kept") == [(1001, 1001)]


def test_to_s3_and_back_into_an_empty_folder(cluster: Cluster) -> None:
    cluster.sql("CREATE TABLE far AS SELECT generate_series(1, 10) AS n")
    made = json.loads(cluster.did("backup", "physical", "--repo", "2", "--json"))
    assert made["destination"] == "repo2"
    assert "whole: repo2" in cluster.did("backup", "verify", "--repo", "2")
    began = time.monotonic()
    cluster.did("restore", "--latest", "--repo", "2", "--pgdata", str(cluster.root / "again"))
    print(f"restored {made['database_bytes']:,} bytes in {time.monotonic() - began:.1f} s")  # noqa: T201 - read with -s
    cluster.stop("pg")
    cluster.start("again")
    try:
        wait_for(lambda: cluster.sql("SELECT pg_is_in_recovery()") == [(False,)], 60, "it is promoted")
        assert cluster.sql("SELECT count(*) FROM far") == [(10,)]
    finally:
        cluster.stop("again")
        cluster.start("pg")


def test_a_flipped_bit_in_the_repository_is_found(cluster: Cluster) -> None:
    cluster.did("backup", "physical", "--type", "full")
    assert "whole: repo1" in cluster.did("backup", "verify", "--repo", "1")
    victim = max((cluster.root / "repo" / "backup").rglob("*.zst"), key=lambda path: path.stat().st_size)
    whole = victim.read_bytes()
    data = bytearray(whole)
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    ran = cluster.command("backup", "verify", "--repo", "1")
    victim.write_bytes(whole)
    assert ran.exit_code == 1
    assert "repo1 is corrupted" in ran.stderr
    assert "checksum invalid" in ran.stderr


def test_a_repository_that_is_not_there(cluster: Cluster) -> None:
    repo = cluster.root / "repo" / "backup"
    shutil.move(repo, cluster.root / "repo" / "gone")
    try:
        ran = cluster.command("backup", "verify", "--repo", "1")
        assert ran.exit_code == 1
    finally:
        shutil.move(cluster.root / "repo" / "gone", repo)
