"""Where the engines are: a fresh database on a server, the embedded PostgreSQL, TimescaleDB in WebAssembly."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import sql

from tests.plugins import wasm_timescale
from tests.plugins.database import database_url, execute, server

# Fixtures are generators, which outside of pytest are called as what they are.
_embedded = contextmanager(inspect.unwrap(server))
_wasm_template = contextmanager(inspect.unwrap(wasm_timescale.wasm_template))
_wasm_timescale = contextmanager(inspect.unwrap(wasm_timescale.wasm_timescale))


@contextmanager
def on_server(dsn: str) -> Iterator[str]:
    """URL of a fresh database on the server `dsn`, with TimescaleDB of the version after `#`, if there is one."""
    conninfo, _, version = dsn.partition("#")
    name = sql.Identifier(f"observatory_engines_{os.getpid()}")
    execute(conninfo, sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name))
    try:
        url = database_url(conninfo, f"observatory_engines_{os.getpid()}")
        if version:
            execute(url, sql.SQL("CREATE EXTENSION timescaledb VERSION {}").format(version))
        yield url
    finally:
        execute(conninfo, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@contextmanager
def embedded() -> Iterator[str]:
    """URL of a fresh database on an embedded PostgreSQL of its own."""
    os.environ.pop("TEST_DATABASE_URL", None)
    with _embedded() as conninfo, on_server(conninfo) as url:
        yield url


@contextmanager
def webassembly() -> Iterator[str]:
    """URL of a fresh database of the TimescaleDB in WebAssembly."""
    with (
        _wasm_template() as template,
        TemporaryDirectory(prefix="observatory-engines-") as folder,
        _wasm_timescale(template, Path(folder)) as url,
    ):
        yield url
