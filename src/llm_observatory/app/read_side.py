"""The database that queries go to: its pool, how it is, and whether its schema is one that this version can read."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from llm_observatory.app.health import Health, Reading
from llm_observatory.errors import StorageError, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage.embedded import running_conninfo
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.probe import DatabaseProbe, words
from llm_observatory.storage.target import data_dir, describe, target

log = structlog.get_logger(__name__)

INSPECT_SECONDS = 60.0
"""How often the schema is looked at again; at every probe as long as it is not right."""

_OLDER = "the schema is older than this version, run `llm-observatory migrate up` or a process that takes records in"


class ReadSide:
    """One per process that answers questions. `where` gives the URL, or raises StorageUnavailable while there is none.

    What is found out is written to `reading`; nothing here changes the database.
    """

    def __init__(self, settings: Settings, health: Health, reading: Reading, where: Callable[[], str]) -> None:
        self._settings = settings
        self._health = health
        self._reading = reading
        self._where = where
        self._url: str | None = None
        self._probe: DatabaseProbe | None = None
        self._pool: ReadPool | None = None
        self._inspect_at = 0.0

    def pool(self) -> ReadPool:
        """What queries read with. Raises StorageUnavailable while there is nothing that they could read."""
        if self._pool is None or self._reading.faults or not self._inspect_at:
            raise StorageUnavailable("the database of queries is not ready")
        return self._pool

    async def probe(self) -> None:
        """Ask once and write down what came of it. Never raises for the database's sake."""
        part, was_down = self._reading.postgres, self._reading.postgres.error is not None
        try:
            probe = await self._reached(self._where())
            part.succeeded(await probe.ping())
            if self._reading.replica or not self._health.ingests:
                part.lag_seconds = await probe.lag()
            if was_down or self._reading.faults or time.monotonic() >= self._inspect_at:
                self._found(tuple(await probe.pending()))
        except (StorageError, OSError) as error:
            if not was_down:
                log.warning("the database of queries is lost", reason=_words(error))
            part.failed(_words(error))
            part.lag_seconds = None
        self.refresh_pool()

    def refresh_pool(self) -> None:
        """Bring the pool's part of `Health` and its gauges up to date."""
        if self._pool is not None:
            self._health.pool = self._pool.stats()

    async def close(self) -> None:
        """End all connections."""
        probe, self._probe = self._probe, None
        pool, self._pool = self._pool, None
        if probe is not None:
            await probe.close()
        if pool is not None:
            await pool.close()

    async def _reached(self, url: str) -> DatabaseProbe:
        """The probe of the database at `url`. An embedded server may come back at another place."""
        if url != self._url:
            await self.close()
        if self._probe is None or self._pool is None:
            self._url = url
            self._probe = DatabaseProbe(url, self._settings.db_app_name)
            self._pool = ReadPool(url, self._settings)
            await self._pool.open()
        return self._probe

    def _found(self, pending: tuple[str, ...]) -> None:
        faults = (f"{_OLDER}: {pending[0]}", *pending[1:]) if pending else ()
        if faults != self._reading.faults:
            log.log(30 if faults else 20, "the schema was inspected", faults=list(faults))
        self._reading.faults = faults
        self._inspect_at = time.monotonic() + INSPECT_SECONDS


def reading_url(settings: Settings) -> str:
    """Where queries go from a process that keeps no database itself. Raises StorageUnavailable, ConfigError."""
    if not settings.embedded:
        return target(settings).read
    conninfo = running_conninfo(data_dir(settings))
    if conninfo is None:
        raise StorageUnavailable(
            f"the embedded PostgreSQL in {data_dir(settings)} is not running: it runs with `serve --role ingest`"
        )
    return conninfo


def reading_place(settings: Settings) -> str:
    """The same, for people."""
    return f"embedded PostgreSQL in {data_dir(settings)}" if settings.embedded else describe(target(settings).read)


def _words(error: StorageError | OSError) -> str:
    return words(error) if isinstance(error, StorageError) else error.strerror or str(error)
