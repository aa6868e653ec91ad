"""PgBackRest on a PostgreSQL of Debian: encrypted repositories on disk and in S3, points in time, damage found."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from typer.testing import CliRunner, Result

from llm_observatory.app.cli import cli
from tests.plugins import programs
from tests.plugins.debian_server import Servers
from tests.plugins.s3 import BUCKET, S3, s3_server
from tests.plugins.service import free_port, wait_for

pytestmark = pytest.mark.timeout(180)

STANZA = "test"
CONFIG = """\
[global]
repo1-path={root}/repo
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=one
repo1-retention-full-type=time
repo1-retention-full=30
repo2-type=s3
repo2-path=/pgbackrest
repo2-s3-bucket={bucket}
repo2-s3-endpoint=localhost
repo2-s3-region=us-east-1
repo2-s3-key=key
repo2-s3-key-secret=secret
repo2-s3-uri-style=path
repo2-storage-port={s3.port}
repo2-storage-ca-file={s3.ca}
repo2-cipher-type=aes-256-cbc
repo2-cipher-pass=two
repo2-retention-full-type=time
repo2-retention-full=30
start-fast=y
compress-type=zst
archive-async=y
archive-timeout=60
spool-path={root}/spool
log-path={root}/log
lock-path={root}/lock
[test]
pg1-path={root}/pg
pg1-port={port}
pg1-user=postgres
pg1-socket-path={root}/run
"""
SERVER = """
port = {port}
listen_addresses = ''
unix_socket_directories = '{root}/run'
archive_mode = on
archive_command = '{pgbackrest} --config={root}/pgbackrest.conf --stanza=test archive-push %p'
"""


@dataclass
class Cluster(Servers):
    """A server with its repositories."""

    port: int = 0

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.root}/run&port={self.port}"

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def command(self, *words: str) -> Result:
        """A command of ours with this stanza, as the account would run it."""
        settings = {"DATABASE_URL": self.url, "PGBACKREST_STANZA": STANZA}
        return CliRunner().invoke(cli, [*words, "--config", str(self.root / "pgbackrest.conf")], env=settings)

    def did(self, *words: str) -> str:
        ran = self.command(*words)
        assert ran.exit_code == 0, ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One server and one pair of repositories for the module. PgBackRest runs as the server's account through a wrapper."""
    from llm_observatory.storage import migrate

    with TemporaryDirectory(prefix="observatory-") as name, s3_server(Path(name)) as s3:
        root = Path(name)
        root.chmod(0o711)
        made = Cluster(root, port=free_port())
        _prepare(made, s3)
        made.start("pg")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PATH", f"{root}/bin{os.pathsep}{os.environ['PATH']}")
            made.run(root / "bin" / "pgbackrest", f"--config={root}/pgbackrest.conf", f"--stanza={STANZA}", "stanza-create")
            asyncio.run(migrate.up(made.url, lambda _line: None))
            try:
                yield made
            finally:
                for folder in ("pg", "again"):
                    made.stop(folder)


def _prepare(made: Cluster, s3: S3) -> None:
    for folder in ("pg", "run", "log", "spool", "repo", "lock", "again"):
        path = made.root / folder
        path.mkdir(mode=0o700)
        if made.identity:
            os.chown(path, made.identity["user"], made.identity["group"])
    (made.root / "run").chmod(0o711)
    (made.root / "pgbackrest.conf").write_text(CONFIG.format(root=made.root, port=made.port, s3=s3, bucket=BUCKET))
    pgbackrest = _wrapper(made)
    made.run(
        programs.program("initdb"), "-D", made.root / "pg", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"
    )
    with (made.root / "pg" / "postgresql.conf").open("a") as conf:
        conf.write(SERVER.format(root=made.root, port=made.port, pgbackrest=pgbackrest))


def _wrapper(made: Cluster) -> Path:
    """`pgbackrest` as PATH has it: it runs as the account of the server, with the libraries that were unpacked beside it."""
    path = made.root / "bin" / "pgbackrest"
    path.parent.mkdir(mode=0o755)
    libraries = programs.environment().get("LD_LIBRARY_PATH", "")
    become = ""
    if made.identity:
        ids = f"--reuid={made.identity['user']} --regid={made.identity['group']}"
        become = f'[ "$(id -u)" = 0 ] && exec setpriv {ids} --clear-groups "$0" "$@"'
    path.write_text(f'#!/bin/sh\n{become}\nexport LD_LIBRARY_PATH={libraries}\nexec {programs.program("pgbackrest")} "$@"\n')
    path.chmod(0o755)
    return path


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


def archived(cluster: Cluster) -> bool:
    """Whether the segment before the current one has gone."""
    before = "pg_walfile_name(pg_current_wal_lsn() - 16 * 1024 * 1024)"
    [(done,)] = cluster.sql(f"SELECT coalesce(last_archived_wal >= {before}, false) FROM pg_stat_archiver")
    return bool(done)


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
