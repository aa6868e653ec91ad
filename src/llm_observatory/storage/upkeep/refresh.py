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
from llm_observatory.tables import ROLLUP_VIEWS
from llm_observatory.tables.rollups import Rollup

_REFRESH = "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz)"


async def are_continuous_aggregates(connection: AsyncConnection) -> bool:
    """Rather than tables that are computed by us. Raises StorageError."""
    found = await edition(connection)
    return found is not None and found[0].community and not found[1]


async def refresh_aggregate(connection: AsyncConnection, name: str, settings: Settings) -> None:
    """One continuous aggregate, as far back as its policy goes: further back rows were dropped, and sums outlive them."""
    now = datetime.now(UTC)
    view = next(view for view in ROLLUP_VIEWS if view.name == name)
    window = refresh_window(view.grain, settings, await rows_whole_for(connection, settings, now))
    with translated():
        await connection.execute(_REFRESH, [name, now - window.start, now - window.end])


async def refresh_tables(
    connection: AsyncConnection, tables: Sequence[Rollup], signals: Sequence[str], settings: Settings
) -> int:
    """Every hour of `signals` that is over, where these rollups are tables; how many were out of date. Raises StorageError."""
    now = datetime.now(UTC)
    since = await rows_whole_since(connection, settings, now)
    return await rollups.work_off(connection, now, since, tables, signals=signals, settle=timedelta(0), seconds=math.inf)
