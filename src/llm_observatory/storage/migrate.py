"""Migrations: SQL files that dbmate applies in order, each in its own transaction, one process at a time.

`migrations/` is common, `migrations/<engine>/` differs by engine; dbmate merges both by number. Whether a database is
current is told by our own SQL, without dbmate, so that readiness can ask often.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import llm_observatory
from llm_observatory.errors import LOCK_NOT_AVAILABLE, StorageError
from llm_observatory.settings import Settings
from llm_observatory.storage import catalog, dbmate, prices
from llm_observatory.storage.connection import AsyncConnection, connected
from llm_observatory.storage.dbmate import MigrationFailed
from llm_observatory.storage.engine import detect, install
from llm_observatory.storage.engine.detect import CREATE_EXTENSION, can_install
from llm_observatory.storage.translate import translated

Progress = Callable[[str], None]

_UP, _DOWN = "-- migrate:up", "-- migrate:down"

_COMMANDS = {"migrate": "up", "rollback": "down"}

LOCK_TIMEOUT, EVERY_TENTH = "200ms", "1500ms"
"""While a migration waits for a table everybody who comes waits behind it: shortly, and often. The second one is longer than
PostgreSQL's deadlock_timeout (1 s), after which an autovacuum that is in the way is ended."""
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""As long as dbmate waits for another one that migrates."""
TOLD_EVERY = 15
"""Tries."""

_BUSY = (f"({LOCK_NOT_AVAILABLE})", "(40P01)")
"""At the end of what dbmate says: somebody holds a lock on a table, or waits for one that the migration holds."""

_VERBS = {"Applying:": "applying", "Rolling back:": "rolling back"}


class Migration(NamedTuple):
    """One migration and whether this database has it."""

    version: str
    name: str
    applied: bool


def root() -> Path:
    """The folder of the common migrations: inside an installed package, beside `src` in a source tree."""
    package = Path(llm_observatory.__file__).parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if folder.is_dir():
            return folder
    message = f"the migrations are neither in {package} nor in {package.parents[1]}; install the package again"
    raise MigrationFailed(message)


async def up(conninfo: str, progress: Progress, settings: Settings) -> None:
    """Apply what is pending, then reconcile the settings. Of two at once one waits; both succeed.

    Raises MigrationFailed, StorageUnavailable, SchemaMismatch. Needs a direct connection: dbmate's lock is a session's.
    """
    async with connected(conninfo) as connection:
        done = await install(connection)
    if done:
        progress(done)
    await _dbmate(conninfo, "migrate", progress)
    async with connected(conninfo) as connection:
        engine = await detect(connection, settings)
        try:
            for change in (*await engine.reconcile(connection, settings), *await prices.ensure(connection)):
                progress(f"set {change}")
        except StorageError as error:
            # What settings ask for is tried again every minute; until then data is taken in all the same.
            why = "a table is in use" if error.sqlstate == LOCK_NOT_AVAILABLE else f"{error} ({error.sqlstate}), see the log"
            progress(f"not all settings are applied, the next maintenance round goes on: {why}")


async def latest(conninfo: str) -> str | None:
    """The file that `down` would take back; None when no migration is applied. What its down section drops is gone then."""
    applied = [migration.name for migration in await status(conninfo) if migration.applied]
    return applied[-1] if applied else None


async def down(conninfo: str, progress: Progress) -> str:
    """Take the latest migration back, with the data it holds. Returns its file; raises as `up`, also when there is none."""
    [file] = await _dbmate(conninfo, "rollback", progress)
    progress(f"rolled back {file}")
    return file


async def status(conninfo: str) -> list[Migration]:
    """All migrations of this version, and after them what the database has beyond (a newer version was here)."""
    async with connected(conninfo) as connection:
        known = await _migrations(connection)
        applied = await _applied(connection)
        newer = [Migration(version, "unknown to this version", applied=True) for version in sorted(applied - known.keys())]
        return [Migration(version, name, version in applied) for version, name in sorted(known.items())] + newer


async def verify(conninfo: str) -> list[str]:
    """All `differences` of a database. Raises StorageError."""
    async with connected(conninfo) as connection:
        return await differences(connection)


async def differences(connection: AsyncConnection, *, for_records: bool = False) -> list[str]:
    """Differences between the database and what this version expects, a readable line each. Empty: equal.

    `for_records`: only those that keep records from being stored. Rollups are made, and made again, by maintenance; tables of
    others harm nobody. What a newer version has added is no obstacle, for migrations only add (CONTRIBUTING.md): the older one
    goes on until it ends.
    """
    newer = for_records and bool(await _applied(connection) - (await _migrations(connection)).keys())
    found = await catalog.differences(
        connection, with_rollups=not for_records, with_foreign=not for_records, with_undeclared=not newer
    )
    return [*await pending(connection), *found]


async def plan(conninfo: str) -> list[tuple[str, str]]:
    """What `up` would run, by file and in order; nothing is changed. Raises StorageError.

    Without what reconciliation sets afterwards, which depends on what is there then.
    """
    async with connected(conninfo) as connection:
        applied, extension = await _applied(connection), await can_install(connection)
        folders = [root(), root() / ("timescaledb" if extension else (await detect(connection, Settings())).name)]
    first = [("the extension", CREATE_EXTENSION)] if extension else []
    files = sorted((file.name, file) for folder in folders for file in folder.glob("[0-9]*.sql"))
    return [*first, *((name, _up(file)) for name, file in files if name.split("_", 1)[0] not in applied)]


def _up(file: Path) -> str:
    """What dbmate runs of a migration, with the comment that says whether it is a transaction."""
    text = file.read_text(encoding="utf-8")
    return text[text.index(_UP) :].partition(_DOWN)[0].strip()


async def pending(connection: AsyncConnection) -> list[str]:
    """A line for each migration that is not applied yet. Two short statements: for readiness."""
    known, applied = await _migrations(connection), await _applied(connection)
    return [f"migration {name} is not applied" for version, name in sorted(known.items()) if version not in applied]


async def _folders(connection: AsyncConnection) -> list[Path]:
    engine = await detect(connection, Settings())
    return [root(), root() / engine.name]


async def _migrations(connection: AsyncConnection) -> dict[str, str]:
    files = (file for folder in await _folders(connection) for file in folder.glob("[0-9]*.sql"))
    return {file.name.split("_", 1)[0]: file.name for file in files}


async def _applied(connection: AsyncConnection) -> set[str]:
    with translated():
        cursor = await connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
        if await cursor.fetchone() != (True,):
            return set()
        cursor = await connection.execute("SELECT version FROM schema_migrations")
        return {str(version) for (version,) in await cursor.fetchall()}


async def _dbmate(conninfo: str, command: str, progress: Progress) -> list[str]:
    """Run dbmate until what it needs is free, for PATIENCE_SECONDS at most; returns the files it worked on."""
    began: list[str] = []

    def on_line(line: str) -> None:
        for words, verb in _VERBS.items():
            file = line.removeprefix(words).strip()
            if line.startswith(words) and file not in began:
                began.append(file)
                progress(f"{verb} {file}")

    deadline = time.monotonic() + PATIENCE_SECONDS
    attempt = 1
    while True:
        async with connected(conninfo, "llm-observatory-migrate") as connection:
            url = dbmate.database_url(connection, conninfo, LOCK_TIMEOUT if attempt % 10 else EVERY_TENTH)
            folders = await _folders(connection)
        returned, errors = await dbmate.run(url, folders, command, on_line)
        if returned == 0:
            return began
        busy = bool(errors) and errors[-1].endswith(_BUSY)
        if not busy or time.monotonic() >= deadline:
            raise MigrationFailed(_explain(_COMMANDS[command], began[-1] if began else None, returned, errors, busy=busy))
        if attempt % TOLD_EVERY == 1:
            progress(f"{began[-1] if began else 'the list of migrations'}: a table is in use, trying again")
        attempt += 1
        await asyncio.sleep(PAUSE_SECONDS)


def _explain(ours: str, file: str | None, returned: int, errors: Sequence[str], *, busy: bool) -> str:
    said = " ".join(errors).removeprefix("Error: ") or f"dbmate ended with status {returned}"
    if file is None:
        return f"no migration was run: {said}"
    cause = "end who holds the table (pg_stat_activity, `llm-observatory maintain terminate`)" if busy else "mend the cause"
    return (
        f"migration {file} failed: {said}. What it did is undone, the others are as they were; {cause} and run"
        f" `llm-observatory migrate {ours}` again"
    )
