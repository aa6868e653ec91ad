"""Read everything once, then judge it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from llm_observatory.errors import StorageError
from llm_observatory.operate.doctor import service
from llm_observatory.operate.doctor.checks import CHECKS, CHECKS_OF_DATABASE
from llm_observatory.operate.doctor.disk import disks
from llm_observatory.operate.doctor.findings import Database, Findings
from llm_observatory.operate.doctor.line import Line, Report
from llm_observatory.operate.doctor.thresholds import Thresholds
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.observe.observation import observe, session
from llm_observatory.storage.observe.upkeep import Smallest, look
from llm_observatory.storage.probe import words
from llm_observatory.storage.translate import translated

EVERYTHING = Smallest()


async def examine(
    settings: Settings,
    url: str | None,
    *,
    why_not: str = "",
    data_directory: Path | None = None,
    thresholds: Thresholds | None = None,
    smallest: Smallest = EVERYTHING,
) -> Report:
    """All checks. `url` leads to the database, None where there is none to ask, for the reason `why_not`.

    `data_directory` is that of a database of our own. Never raises for the database's sake.
    """
    database, unreachable = None, why_not
    if url is not None:
        try:
            database = await _read(settings, url, smallest)
        except StorageError as error:
            unreachable = words(error)
    found = Findings(
        settings,
        service.ask(settings),
        database,
        unreachable,
        tuple(disks(data_directory or _data_directory(database), _destinations(database))),
        thresholds or Thresholds(),
    )
    return Report(_judged(found))


async def _read(settings: Settings, url: str, smallest: Smallest) -> Database:
    async with session(partial(connect, url, settings.db_app_name)) as connection:
        seen = await observe(connection, settings)
        upkeep = await look(connection, settings, smallest)
        began = time.perf_counter()
        with translated():
            await connection.execute("SELECT 1")
        return Database(seen, upkeep, time.perf_counter() - began)


def _judged(found: Findings) -> list[Line]:
    lines = [line for check in CHECKS for line in check(found)]
    if found.database is not None:
        lines += [line for check in CHECKS_OF_DATABASE for line in check(found, found.database)]
    return lines


def _data_directory(database: Database | None) -> Path | None:
    place = None if database is None else database.upkeep.place
    return None if place is None or place.data_directory is None else Path(place.data_directory)


def _destinations(database: Database | None) -> list[str]:
    newest = None if database is None else database.seen.backups
    return [backup.destination for backup in newest or []]
