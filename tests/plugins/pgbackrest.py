"""A PostgreSQL of Debian with pgBackRest: a repository on disk, and another in S3 or on a disk that is soon full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from typer.testing import CliRunner, Result

from llm_observatory.app.cli import cli
from tests.plugins import programs
from tests.plugins.debian_server import Servers
from tests.plugins.s3 import BUCKET, s3_server
from tests.plugins.service import free_port

STANZA = "test"
CONFIG = """\
[global]
repo1-path={root}/repo
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=one
repo1-retention-full-type=time
repo1-retention-full=30
{second_repository}start-fast=y
compress-type=zst
archive-async=y
archive-timeout=60
job-retry=0
spool-path={root}/spool
log-path={root}/log
lock-path={root}/lock
[test]
pg1-path={root}/pg
pg1-port={port}
pg1-user=postgres
pg1-socket-path={root}/run
"""
IN_S3 = """\
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
"""
ON_A_SMALL_DISK = """\
repo2-path={root}/small/repo
repo2-cipher-type=aes-256-cbc
repo2-cipher-pass=two
repo2-retention-full=9
"""
SERVER = """
port = {port}
listen_addresses = ''
unix_socket_directories = '{root}/run'
archive_mode = on
archive_command = '{pgbackrest} --config={root}/pgbackrest.conf --stanza=test archive-push %p'
"""
FOLDERS = ("pg", "again", "elsewhere")
"""Of data."""
SMALL_BYTES = 256 * 1024**2
"""Of the small disk: several backups of a new server, and no more than a test can fill at once."""

ROOM_FOR_WAL = 1024**2
"""What a full disk has left: WAL comes in small pieces, and goes on being archived for a while."""


@dataclass
class Cluster(Servers):
    """A server with its repositories."""

    port: int = 0
    small_is_a_disk: bool = False
    database: str = "postgres"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{self.database}?host={self.root}/run&port={self.port}"

    @property
    def config(self) -> Path:
        """PgBackRest's."""
        return self.root / "pgbackrest.conf"

    @property
    def settings(self) -> dict[str, str]:
        """What our commands need to know."""
        return {"DATABASE_URL": self.url, "PGBACKREST_STANZA": STANZA, "PGBACKREST_CONFIG": str(self.config)}

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return ask(self.url, statement)

    def command(self, *words: str) -> Result:
        """A command of ours with this stanza, as the account would run it."""
        return CliRunner().invoke(cli, words, env=self.settings)

    def did(self, *words: str) -> str:
        ran = self.command(*words)
        assert ran.exit_code == 0, ran.stderr
        return ran.stdout

    @contextmanager
    def no_room(self) -> Iterator[None]:
        """The small disk is full; where we may mount none, files of pgBackRest end at 4 KiB, which it is told as well."""
        if self.small_is_a_disk:
            filler = self.root / "small" / "filler"
            free = shutil.disk_usage(filler.parent).free
            filler.write_bytes(bytes(free - ROOM_FOR_WAL))
            yield
            filler.unlink()
        else:
            limit = self.root / "bin" / "limit"
            limit.write_text("trap '' XFSZ; ulimit -f 8\n")
            yield
            limit.unlink()


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    """The rows of one statement."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def archived(cluster: Cluster) -> bool:
    """Whether the segment before the current one has gone."""
    before = "pg_walfile_name(pg_current_wal_lsn() - 16 * 1024 * 1024)"
    [(done,)] = cluster.sql(f"SELECT coalesce(last_archived_wal >= {before}, false) FROM pg_stat_archiver")
    return bool(done)


@contextmanager
def with_s3() -> Iterator[Cluster]:
    """A server whose second repository is in S3."""
    with (
        _folder() as root,
        s3_server(root) as s3,
        _running(Cluster(root, port=free_port()), IN_S3.format(s3=s3, bucket=BUCKET)) as made,
    ):
        yield made


@contextmanager
def with_a_small_disk() -> Iterator[Cluster]:
    """A server whose second repository has a disk of its own, where we may mount one; else a folder like the first."""
    with _folder() as root:
        small = root / "small"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=755", "tmpfs", str(small)]
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        made = Cluster(root, port=free_port(), small_is_a_disk=mounted)
        try:
            with _running(made, ON_A_SMALL_DISK.format(root=root)):
                yield made
        finally:
            if mounted:
                subprocess.run(["umount", small], check=True)


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="observatory-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def _running(made: Cluster, second_repository: str) -> Iterator[Cluster]:
    """It archives, its stanza is made. PgBackRest runs as the server's account through a wrapper."""
    _prepare(made, second_repository)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{made.root}/bin{os.pathsep}{os.environ['PATH']}")
        try:
            made.start("pg")
            made.run(made.root / "bin" / "pgbackrest", f"--config={made.config}", f"--stanza={STANZA}", "stanza-create")
            yield made
        finally:
            for folder in FOLDERS:
                made.stop(folder, "immediate")


def _prepare(made: Cluster, second_repository: str) -> None:
    for folder in (*FOLDERS, "run", "log", "spool", "repo", "small/repo", "lock"):
        path = made.root / folder
        path.mkdir(mode=0o700, parents=True)
        if made.identity:
            os.chown(path, made.identity["user"], made.identity["group"])
    (made.root / "run").chmod(0o711)
    made.config.write_text(CONFIG.format(root=made.root, port=made.port, second_repository=second_repository))
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
    limit = f'[ -f {made.root}/bin/limit ] && [ "$*" != "${{*#*--repo=2}}" ] && . {made.root}/bin/limit'
    run = f'export LD_LIBRARY_PATH={libraries}\nexec {programs.program("pgbackrest")} "$@"'
    path.write_text(f"#!/bin/sh\n{become}\n{limit}\n{run}\n")
    path.chmod(0o755)
    return path
