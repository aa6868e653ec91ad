"""For how long the oldest bucket that should be in a rollup is missing, in both forms that rollups have.

Of tables the queue of changed hours says it. Of a continuous aggregate: the first bucket after its watermark that its source
has rows of, as soon as the refresh policy should have seen to it. Where nothing is sent nothing is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import refresh_window
from llm_observatory.storage.engine.policies import REFRESH_EVERY
from llm_observatory.storage.engine.whole import rows_whole_for
from llm_observatory.storage.observe.reading import rows
from llm_observatory.storage.observe.readings import EngineHas
from llm_observatory.storage.rollups.work import SETTLE
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUP_VIEWS
from llm_observatory.tables.rollups import Grain, RollupView

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LENGTH: dict[Grain, timedelta] = {"hourly": _HOUR, "daily": _DAY}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

REFRESH_SLACK = 2 * REFRESH_EVERY
"""A bucket of a day waits for its hours, which wait for a run of their own policy."""


@dataclass(frozen=True, slots=True)
class _SignalLag:
    signal: str
    waiting_seconds: float


@dataclass(frozen=True, slots=True)
class _Watermark:
    name: str
    watermark: datetime


async def rollup_lag(connection: AsyncConnection, settings: Settings, has: EngineHas, now: datetime) -> dict[str, float]:
    """Seconds by rollup; none of a rollup that is not there. Raises StorageError."""
    lag = await _of_tables(connection) if has.rollup_tables else {}
    if has.timescaledb:
        found = await rows(connection, "continuous_aggregates", _Watermark, rollups=[view.name for view in ROLLUP_VIEWS])
        until = {one.name: one.watermark for one in found}
        for view in ROLLUP_VIEWS:
            if view.name in until:
                lag[view.name] = await _of_continuous_aggregate(connection, settings, view, until[view.name], now)
    return lag


async def _of_tables(connection: AsyncConnection) -> dict[str, float]:
    """A day is computed with the last of its hours."""
    waiting = {one.signal: one.waiting_seconds for one in await rows(connection, "rollup_tables_lag", _SignalLag)}
    return {view.name: max(0.0, waiting.get(view.rollup.signal, 0.0) - SETTLE.total_seconds()) for view in ROLLUP_VIEWS}


async def _of_continuous_aggregate(
    connection: AsyncConnection, settings: Settings, view: RollupView, watermark: datetime, now: datetime
) -> float:
    length = _LENGTH[view.grain]
    window = refresh_window(view.grain, settings, await rows_whole_for(connection, settings, now))
    over = now - window.end - REFRESH_SLACK
    due = over - (over - _EPOCH) % length
    first = await _first_row(connection, view, max(watermark, now - window.start), due) if watermark < due else None
    if first is None:
        return 0.0
    return (over - (first - (first - _EPOCH) % length + length)).total_seconds()


async def _first_row(connection: AsyncConnection, view: RollupView, since: datetime, until: datetime) -> datetime | None:
    """When the first record was that makes a bucket between these two."""
    rollup = view.rollup
    source, time = (rollup.source, "timestamp") if view.grain == "hourly" else (RollupView(rollup, "hourly").name, "bucket")
    where = f" AND {rollup.where}" if rollup.where and view.grain == "hourly" else ""
    text = f"SELECT min({time}) FROM {source} WHERE {time} >= %s AND {time} < %s{where}"
    with translated():
        found = await (await connection.execute(text.encode(), [since, until])).fetchone()
    moment: datetime | None = found[0] if found else None
    return moment
