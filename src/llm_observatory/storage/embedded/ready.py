"""Waiting until the server answers, and the database in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded.files import read_text
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.postmaster import Postmaster
from llm_observatory.storage.embedded.trouble import full_disk

RECOVERY_SECONDS = 300.0
_ANSWER_SECONDS = 15.0
_POLL_SECONDS = 0.02
_CONNECT_SECONDS = 5
_STATUS_LINE = 7  # of postmaster.pid, from 0
_NAME = "llm-observatory-embedded"


class StillRecovering(EmbeddedServerError):
    """The server is alive and at work, only not done. It is left running: to stop it would make it begin again."""


class Unresponsive(EmbeddedServerError):
    """The server says it is ready and does not answer."""


class Ended(Exception):
    """The server ended while we waited for it."""


def await_ready(
    layout: Layout, postmaster: Postmaster, conninfo: str, progress: Callable[[int], None], aborted: Callable[[], bool]
) -> None:
    """Return once the server answers. `progress` hears the seconds waited, once a second from the second one on."""
    begun = time.monotonic()
    said_ready: float | None = None
    told = 1
    while not postmaster.wait(_POLL_SECONDS):
        if aborted():
            raise EmbeddedServerError("stopped while PostgreSQL was starting")
        waited = time.monotonic() - begun
        if status(layout, postmaster.identity.pid) == "ready":
            said_ready = said_ready or time.monotonic()
            trouble = _answers(conninfo, layout.cluster)
            if trouble is None:
                return
            if time.monotonic() - said_ready > _ANSWER_SECONDS:
                raise Unresponsive(f"PostgreSQL, pid {postmaster.identity.pid}, does not answer: {trouble}")
        if int(waited) > told:
            told = int(waited)
            progress(told)
        if waited > RECOVERY_SECONDS:
            raise StillRecovering(
                f"PostgreSQL in {layout.root} is still recovering after {int(waited)} s; it was left at work, pid "
                f"{postmaster.identity.pid}: start again in a while. Its log is in {layout.log}"
            )
    raise Ended


def status(layout: Layout, pid: int) -> str:
    """What the server with this pid says of itself in `postmaster.pid`: starting, ready, stopping; empty if nothing."""
    lines = (read_text(layout.postmaster_pid) or "").splitlines()
    ours = len(lines) > _STATUS_LINE and lines[0].strip() == str(pid)
    return lines[_STATUS_LINE].strip() if ours else ""


def _connect(conninfo: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name=_NAME)


def _answers(conninfo: str, cluster: Path) -> str | None:
    """None if our server answers, else why not."""
    try:
        with _connect(conninfo) as connection:
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    except psycopg.OperationalError as exc:
        return str(exc).strip()
    if row != (str(cluster),):
        raise EmbeddedServerError(f"another server answers in place of ours: its data is in {row}, ours in {cluster}")
    return None


def ensure_database(conninfo: str, database: str, folder: Path) -> bool:
    """Create the database if it is missing; True if it was."""
    try:
        with _connect(conninfo) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).fetchone() is not None:
                return False
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    except psycopg.errors.DiskFull as exc:
        raise full_disk(folder, str(exc).strip()) from exc
    except psycopg.Error as exc:
        raise EmbeddedServerError(f"cannot create database {database}: {str(exc).strip()}", exc.sqlstate) from exc
    return True
