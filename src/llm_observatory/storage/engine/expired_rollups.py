"""Retention of rollups that are tables: a few rows at a time, and only when their horizon has moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from llm_observatory.settings import Settings
from llm_observatory.storage import rollups
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import rollup_horizon
from llm_observatory.tables.rollups import RollupView


class ExpiredRollups:
    """Of one engine. Remembers how far each rollup was looked through: nothing older than that is computed afterwards."""

    def __init__(self) -> None:
        self._done: dict[str, datetime] = {}

    def due(self, views: Iterable[RollupView], settings: Settings, now: datetime) -> dict[str, tuple[RollupView, datetime]]:
        """Those of `views` whose horizon has moved since nothing was left before it, with the horizon, by name."""
        horizons = {view.name: (view, rollup_horizon(view.grain, settings, now)) for view in views}
        return {name: (view, horizon) for name, (view, horizon) in horizons.items() if self._done.get(name) != horizon}

    async def drop(self, connection: AsyncConnection, view: RollupView, horizon: datetime) -> None:
        """Delete buckets of `view` before `horizon`, as many as a round may. Raises StorageError."""
        if await rollups.drop_before(connection, view, horizon):
            self._done[view.name] = horizon
