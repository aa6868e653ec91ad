"""PostgreSQL as this process sees it: embedded or external, brought up, migrated, probed, and closed at the end.

What is found out is written to `Health`. Until the database is ready `connect` refuses at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from llm_observatory import metrics
from llm_observatory.app.health import Health
from llm_observatory.errors import EmbeddedServerError, SchemaMismatch, StorageError, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.embedded import EmbeddedServer
from llm_observatory.storage.probe import DatabaseProbe, words
from llm_observatory.storage.target import Target, data_dir, describe, target

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
"""Between tries to bring the database up."""

INSPECT_SECONDS = 60.0
"""How often the schema and the server's settings are looked at again, apart from after each outage."""


class Database:
    """One per process. `say` gets a line for each step of the start."""

    def __init__(self, settings: Settings, health: Health, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._health = health
        self._say = say
        self._embedded = EmbeddedServer(data_dir(settings), settings.db_name) if settings.embedded else None
        self._target: Target | None = None if settings.embedded else target(settings)
        self._probe: DatabaseProbe | None = None
        self._inspect_at = 0.0
        self.ready = asyncio.Event()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if self._target is not None and not self._embedded:
            return describe(self._target.write)
        return f"embedded PostgreSQL in {data_dir(self.settings)}"

    async def connect(self) -> AsyncConnection:
        """A connection that writes. Raises StorageError, at once while the database is not ready."""
        return await connect(self._ready_target().write, self.settings.db_app_name)

    async def connect_direct(self) -> AsyncConnection:
        """A connection with a session of its own, past a transaction pooler. Raises as `connect`."""
        return await connect(self._ready_target().direct, self.settings.db_app_name)

    def reading(self) -> str:
        """Where queries go. Raises StorageUnavailable while that is a database that is not ready."""
        if self.settings.db_read_url is not None and self._target is not None:
            return self._target.read
        return self._ready_target().read

    async def bring_up(self) -> None:
        """Start, migrate, inspect; tries again until it works. Raises EmbeddedServerError: that takes a person."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._start_embedded()
                await self._migrate()
                await self._inspect()
            except EmbeddedServerError:
                raise
            except (StorageError, OSError) as failure:
                error = failure if isinstance(failure, StorageError) else _passing(failure)
                self._unreachable(error)
                log.warning("the database is not ready, trying again", reason=words(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                self._health.starting = None
                self.ready.set()
                return

    async def probe(self) -> None:
        """Ask once and write down what came of it. Never raises for the database's sake."""
        told = self._is_down
        try:
            await self._start_embedded()
            was_down = self._is_down
            probe = self._prepared_probe()
            self._health.postgres.succeeded(await probe.ping())
            metrics.DATABASE_UP.set(1)
            await self._look_for_maintenance(probe)
            if was_down or time.monotonic() >= self._inspect_at:
                await self._inspect()
        except StorageError as error:
            if not told:
                log.warning("the database is lost", reason=words(error))
            self._unreachable(error)
        except OSError as error:
            if not told:
                log.warning("the database cannot be watched", reason=str(error))
            self._unreachable(_passing(error))
        else:
            if was_down:
                log.info("the database is back", latency_ms=self._health.postgres.latency_ms)

    async def close(self, seconds: float) -> None:
        """End the probe, then the embedded server, within about `seconds`."""
        await self._forget_connections()
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop, seconds)

    def _ready_target(self) -> Target:
        if self._target is None or self._health.starting is not None:
            raise StorageUnavailable("the database is not ready yet")
        return self._target

    async def _start_embedded(self) -> None:
        if self._embedded is None or (self._target is not None and self._embedded.is_alive()):
            return
        if self._target is not None:
            # Its recovery may take minutes, in which nothing is stored.
            log.warning("the embedded PostgreSQL has ended: it is started again")
            self._unreachable(StorageUnavailable("the embedded PostgreSQL is being started again"))
            await self._forget_connections()
        loop = asyncio.get_running_loop()

        def progress(line: str) -> None:
            loop.call_soon_threadsafe(self._progress, line)

        conninfo = await asyncio.to_thread(self._embedded.ensure_running, progress)
        if self._target is None or self._target.write != conninfo:
            self._target = target(self.settings, conninfo)

    async def _migrate(self) -> None:
        assert self._target is not None  # noqa: S101 - set by the start
        self._progress("checking migrations")
        await migrate.up(self._target.direct, self._progress, self.settings)

    async def _inspect(self) -> None:
        """Look for what a round trip does not tell."""
        probe = self._prepared_probe()
        self._health.postgres.succeeded(await probe.ping())
        await self._look_for_maintenance(probe)
        found = (*(await probe.facts()).faults, *await probe.differences())
        if found != self._health.faults:
            log.log(30 if found else 20, "the database was inspected", faults=list(found))
        self._health.faults = found
        self._inspect_at = time.monotonic() + INSPECT_SECONDS

    async def _look_for_maintenance(self, probe: DatabaseProbe) -> None:
        """What was known last holds while it cannot be read."""
        try:
            found = await probe.maintenance_mode()
        except SchemaMismatch as error:
            # Taken back by `migrate down`, for one: the inspection says so, and this alone refuses nothing.
            log.debug("the maintenance mode cannot be read", reason=words(error))
            return
        known, self._health.maintenance = self._health.maintenance, found
        if found is not None and found != known:
            log.warning("records are refused for maintenance", reason=found.reason, since=found.since.isoformat())
        elif found is None and known is not None:
            log.info("records are taken in again after maintenance", reason=known.reason)

    def _prepared_probe(self) -> DatabaseProbe:
        assert self._target is not None  # noqa: S101 - set by the start
        if self._probe is None:
            self._probe = DatabaseProbe(self._target.write, self.settings.db_app_name)
        return self._probe

    @property
    def _is_down(self) -> bool:
        return self._health.postgres.error is not None

    def _unreachable(self, error: StorageError) -> None:
        self._health.postgres.failed(words(error))
        metrics.DATABASE_UP.set(0)

    def _progress(self, line: str) -> None:
        if self._health.starting is not None:
            self._health.starting = line
        self._say(line)

    async def _forget_connections(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            await probe.close()


def _passing(error: OSError) -> StorageUnavailable:
    """No descriptor or no process left, for one: that passes, and must not end what is in flight."""
    return StorageUnavailable(error.strerror or str(error))
