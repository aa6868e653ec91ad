"""Looks at the database every minute and shows it as gauges; `POST /admin/update_metrics` asks for a look at once.

Each look has a connection of its own for as long as it takes. Where several processes run on a database each exports the same
gauges, so that none is missing when one process ends: alerts take the greatest.
"""

from __future__ import annotations

import asyncio

import structlog

from llm_observatory import metrics
from llm_observatory.errors import StorageError
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, Connect
from llm_observatory.storage.deadline import sever
from llm_observatory.storage.observe import gauges
from llm_observatory.storage.observe.observation import observe, session

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 60.0


class Observer:
    """One per process that takes records in. `connect` goes past a transaction pooler."""

    def __init__(self, connect: Connect, settings: Settings) -> None:
        self._connect = connect
        self._settings = settings
        self._one_at_a_time = asyncio.Lock()
        self._begun = 0
        self._connection: AsyncConnection | None = None

    def reload(self, settings: Settings) -> None:
        """Follow new settings from the next look on."""
        self._settings = settings

    async def run(self, ready: asyncio.Event) -> None:
        """Look once a minute, from `ready` on, until cancelled. Never raises for the database's sake."""
        await ready.wait()
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self) -> None:
        """Bring the gauges up to date. Of all who ask while a look is at work one looks again, for all of them."""
        asked = self._begun
        async with self._one_at_a_time:
            if self._begun > asked:
                return
            self._begun += 1
            try:
                async with session(self._connect) as self._connection:
                    gauges.show(await observe(self._connection, self._settings))
            except StorageError as error:
                metrics.OBSERVATIONS.labels("error").inc()
                log.warning("the database could not be looked at", error=str(error), sqlstate=error.sqlstate)

    def close(self) -> None:
        """Give up a look at work: a frozen server would never let it go."""
        if self._connection is not None:
            sever(self._connection)
