"""`make test-timescale`: the whole suite on the TimescaleDB that TEST_TIMESCALE_DSN names, once a licence.

The licence is a setting of the server, which no session and no database can change: it is set with ALTER SYSTEM, for which the
DSN must be a superuser's, and set back afterwards. Use a server that nothing else runs on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

LICENCES = ("timescale", "apache")
RELOAD_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    """Run pytest with `arguments` once a licence. Returns the exit status of the first run that failed, else 0."""
    dsn = os.environ.get("TEST_TIMESCALE_DSN")
    if not dsn:
        print("TEST_TIMESCALE_DSN is not set: the URL of a superuser on a TimescaleDB server", file=sys.stderr)  # noqa: T201
        return 2
    statuses = [_run(dsn, licence, arguments) for licence in LICENCES]
    return next((status for status in statuses if status), 0)


def _run(dsn: str, licence: str, arguments: list[str]) -> int:
    with _under(dsn, licence):
        version = _ask(dsn, "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
        print(f"\n== TimescaleDB {version}, PostgreSQL {_ask(dsn, 'SHOW server_version')}, licence {licence}", flush=True)  # noqa: T201
        environment = {**os.environ, "TEST_DATABASE_URL": dsn}
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environment, check=False).returncode


@contextmanager
def _under(dsn: str, licence: str) -> Iterator[None]:
    before = _ask(dsn, "SHOW timescaledb.license")
    try:
        _set_licence(dsn, licence)
        yield
    finally:
        _set_licence(dsn, before)


def _set_licence(dsn: str, licence: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET timescaledb.license = '{licence}'".encode())
        connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + RELOAD_SECONDS
    while _ask(dsn, "SHOW timescaledb.license") != licence:
        if time.monotonic() > deadline:
            raise SystemExit(f"the server did not take the licence {licence}; is it set on its command line?")


def _ask(dsn: str, query: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
