"""A real PostgreSQL for tests: one server a session, one migrated template, one fresh clone a test.

`TEST_DATABASE_URL` names a server to use (its role must be a superuser); without it the embedded one is started in
a temporary folder. Databases are named after the process, so that several runs share one server.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_numbers = itertools.count()


def database_url(conninfo: str, database: str) -> str:
    """`conninfo` (URL or keywords) as a URL that names `database`; sockets and other parameters go to the query part."""
    given: dict[str, Any] = conninfo_to_dict(conninfo)
    given.pop("dbname", None)
    user, password = given.pop("user", "postgres"), given.pop("password", None)
    login = quote(str(user), safe="") + (f":{quote(str(password), safe='')}" if password else "")
    query = urlencode({name: value for name, value in given.items() if value}, quote_via=quote)
    return f"postgresql://{login}@/{quote(database, safe='')}" + (f"?{query}" if query else "")


def execute(conninfo: str, *statements: sql.Composed | str) -> None:
    """Run statements, each in a transaction of its own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode() if isinstance(statement, str) else statement)


def new_name(kind: str) -> str:
    """A name for a database of this process."""
    return f"observatory_{kind}_{os.getpid()}_{next(_numbers)}"


def create(server: str, name: str, template: str) -> str:
    """Create a database; its URL."""
    execute(
        server,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(sql.Identifier(name), sql.Identifier(template)),
    )
    return database_url(server, name)


def drop(server: str, name: str) -> None:
    """Drop a database, and end who is connected."""
    execute(server, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrate(conninfo: str) -> None:
    from llm_observatory.settings import Settings
    from llm_observatory.storage import migrate

    # A thread of its own: the event loop of the test that asks first stays as it is.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, migrate.up(conninfo, lambda _line: None, Settings())).result()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Conninfo of a superuser on a real PostgreSQL."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    from llm_observatory.storage.embedded import EmbeddedServer

    with TemporaryDirectory(prefix="observatory-") as folder:
        # Run by root the server belongs to another account, which pytest's own temporary folder does not let in.
        Path(folder).chmod(0o711)
        embedded = EmbeddedServer(Path(folder) / "data")
        conninfo = embedded.start(lambda _line: None)
        try:
            yield conninfo
        finally:
            embedded.stop()


@pytest.fixture(scope="session")
def licence(server: str) -> str | None:
    """Of the TimescaleDB that the server has loaded, `timescale` or `apache`; None of a plain PostgreSQL."""
    with psycopg.connect(server, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers'").rowcount == 0:
            return None
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        row = connection.execute("SELECT current_setting('timescaledb.license')").fetchone()
    assert row is not None
    return str(row[0])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgresql(why): the test is about partitions of PostgreSQL, which TimescaleDB has not")
    config.addinivalue_line("markers", "timescaledb(why): the test is about TimescaleDB under the Timescale licence")
    config.addinivalue_line("markers", "rollup_tables(why): the test is about rollups that are no continuous aggregates")


@pytest.fixture(autouse=True)
def _on_the_engine_it_is_about(request: pytest.FixtureRequest) -> None:
    """Skip what is about an engine that the server is not; the reason is printed with the result."""
    fits: dict[str, Callable[[str | None], bool]] = {
        "postgresql": lambda licence: licence is None,
        "rollup_tables": lambda licence: licence != "timescale",
        "timescaledb": lambda licence: licence == "timescale",
    }
    for name, fit in fits.items():
        marker = request.node.get_closest_marker(name)
        if marker is not None and not fit(request.getfixturevalue("licence")):
            pytest.skip(f"not about this engine: {marker.args[0]}")


@pytest.fixture(scope="session")
def template(server: str, licence: str | None) -> Iterator[str]:
    """Name of a database with all migrations applied. Nobody can connect to it, so it can always be cloned."""
    name = new_name("template")
    try:
        url = create(server, name, "template0")
        _migrate(url)
        if licence == "timescale":
            # Clones copy its jobs: a refresh beside the test's own is refused (55P03), a drop beside it surprises.
            execute(url, "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000")
        if licence is not None:
            execute(url, "SELECT _timescaledb_functions.stop_background_workers()")
        if licence == "timescale":
            # What became of them meanwhile is no test's. PostgreSQL 15.20 fails every job of TimescaleDB 2.28.3 at its end.
            execute(url, "TRUNCATE _timescaledb_internal.bgw_job_stat")
        execute(server, sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        yield name
    finally:
        drop(server, name)


@pytest.fixture
def database(server: str, template: str) -> Iterator[str]:
    """URL of a fresh database with all migrations applied."""
    name = new_name("clone")
    try:
        yield create(server, name, template)
    finally:
        drop(server, name)


@pytest.fixture
def empty_database(server: str) -> Iterator[str]:
    """URL of a fresh database with nothing in it."""
    name = new_name("empty")
    try:
        yield create(server, name, "template0")
    finally:
        drop(server, name)
