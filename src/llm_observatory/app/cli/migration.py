"""What `migrate up` does beside applying migrations: show them, and save the database before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import typer

from llm_observatory.operate.backup.before import dump
from llm_observatory.settings import Settings
from llm_observatory.storage import migrate as migrations
from llm_observatory.storage.target import data_dir


def show_plan(conninfo: str) -> None:
    """Print the SQL of what is pending, as a script with a heading for each file."""
    plan = asyncio.run(migrations.plan(conninfo))
    for name, text in plan:
        typer.echo(f"-- {name}\n{text}\n")
    typer.echo("Nothing was changed." if plan else "Nothing is pending.", err=True)


def backup_file(settings: Settings) -> Path:
    """A new file in the data folder, which is there also where the database is another."""
    return data_dir(settings) / "backups" / f"before-migration-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"


def back_up(conninfo: str, file: Path, progress: Callable[[str], None]) -> None:
    """Dump the database if `up` would change it and there is anything in it. Raises BackupFailed: then nothing is migrated."""
    found = asyncio.run(migrations.status(conninfo))
    if not any(migration.applied for migration in found):
        progress("no backup: there is nothing in the database yet")
    elif all(migration.applied for migration in found):
        progress("no backup: nothing is pending")
    else:
        dump(conninfo, file)
        progress(f"the database as it was is in {file}: pg_restore brings it back")
