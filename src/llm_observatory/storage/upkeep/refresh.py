"""Rollups brought up to date by hand: all that is out of date now, whether or not it has settled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from llm_observatory.settings import Settings
from llm_observatory.storage import rollups
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.detect import edition
from llm_observatory.storage.engine.kept import refresh_window
from llm_observatory.storage.engine.whole import rows_whole_for, rows_whole_since
from llm_observatory.storage.translate import translated
from llm_observatory.tables import AGGREGATE_VIEWS, ROLLUP_VIEWS

_REFRESH = "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz)"


async def continuous_aggregates(connection: AsyncConnection) -> list[str]:
    """The rollups that are some, rather than tables that are computed by us. Raises StorageError."""
    found = await edition(connection)
    if found is None or not found[0].community or found[1]:
        return []
    with translated():
        tables = await rollups.that_are_tables(connection)
    return [view.name for view in AGGREGATE_VIEWS if view.rollup not in tables]


async def refresh_aggregate(connection: AsyncConnection, name: str, settings: Settings) -> None:
    """One continuous aggregate, as far back as its policy goes: further back rows were dropped, and sums outlive them."""
    now = datetime.now(UTC)
    view = next(view for view in ROLLUP_VIEWS if view.name == name)
    window = refresh_window(view.grain, settings, await rows_whole_for(connection, settings, now))
    with translated():
        await connection.execute(_REFRESH, [name, now - window.start, now - window.end])


async def refresh_tables(connection: AsyncConnection, signals: Sequence[str], settings: Settings) -> int:
    """Every hour of `signals` that is over, where their rollups are tables; how many were out of date. Raises StorageError."""
    now = datetime.now(UTC)
    since = await rows_whole_since(connection, settings, now)
    return await rollups.work_off(connection, now, since, signals=signals, settle=timedelta(0), seconds=math.inf)
