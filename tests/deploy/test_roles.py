"""roles.sql on a real server: the service can do all it does, the reader can read and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from tests.plugins.database import create, drop, execute, new_name
from tests.plugins.programs import environment, program

ROLES = Path(__file__).parents[2] / "deploy/postgres/roles.sql"
NAMES = ("observatory_service", "observatory_reader", "observatory_monitor")


@pytest.fixture
def owned(server: str) -> Iterator[str]:
    """An empty database that roles.sql was run in, twice."""
    name = new_name("roles")
    url = create(server, name, "template0")
    try:
        for _ in range(2):
            ran = subprocess.run(
                [program("psql"), "--no-psqlrc", "--quiet", "--file", ROLES, url],
                env=environment(), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert (ran.returncode, ran.stderr) == (0, "")
        # The server of tests lets roles in by their word.
        yield url
    finally:
        drop(server, name)
        with psycopg.connect(server, autocommit=True) as connection:
            for role in NAMES:
                connection.execute(f"DROP OWNED BY {role}".encode())
                connection.execute(f"DROP ROLE {role}".encode())


def as_role(url: str, role: str) -> str:
    """`url`, acting as the role from the first statement on."""
    return make_conninfo(url, options=f"-c role={role}")


def test_the_service_migrates_and_the_reader_reads(owned: str) -> None:
    service = as_role(owned, "observatory_service")
    asyncio.run(migrate.up(service, lambda _line: None, Settings()))
    assert asyncio.run(migrate.verify(service)) == []
    execute(service, "INSERT INTO maintenance_mode (reason, since) VALUES ('test', now())")
    with psycopg.connect(as_role(owned, "observatory_reader"), autocommit=True) as reader:
        assert reader.execute("SELECT reason FROM maintenance_mode").fetchall() == [("test",)]
        assert reader.execute("SELECT count(*) FROM trace_spans").fetchall() == [(0,)]
        for forbidden in ("DELETE FROM maintenance_mode", "CREATE TABLE mine (a int)", "DROP TABLE backups"):
            with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
                reader.execute(forbidden.encode())
    with psycopg.connect(as_role(owned, "observatory_monitor"), autocommit=True) as monitor:
        assert monitor.execute("SELECT count(*) >= 0 FROM pg_stat_activity WHERE query IS NOT NULL").fetchall() == [(True,)]
        with pytest.raises(errors.InsufficientPrivilege):
            monitor.execute("SELECT FROM llm_traces")
