"""Since when rows are whole. What RETENTION has dropped does not come back when it is raised.

Sums outlive their rows; computed again from what is left they would be lost. So the horizon of retention is remembered where it
was furthest ahead, before anything is dropped: in the comment of `rollup_pending`, as marks of retention stand in comments
(ADR 0021).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg import sql

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import rows_horizon
from llm_observatory.storage.rollups import ROWS_WHOLE_SINCE
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUP_PENDING

_WORDS = f"Hours that rollup tables are to be computed for. {ROWS_WHOLE_SINCE}"
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


async def remember_what_is_dropped(connection: AsyncConnection, settings: Settings, now: datetime) -> None:
    """To be called before rows are dropped as of `now`; what is remembered never goes back.

    Only where the clock is not in doubt: one that was ahead would be remembered for ever.
    """
    await remember_dropped(connection, rows_horizon(settings, now))


async def remember_dropped(connection: AsyncConnection, horizon: datetime) -> None:
    """The same for rows before `horizon`, a whole hour. Raises StorageError."""
    mark = await _mark(connection)
    if mark is not None and mark >= horizon:
        return
    comment = sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(ROLLUP_PENDING.name), f"{_WORDS}{horizon.isoformat()}")
    with translated():
        await connection.execute(comment)


async def rows_whole_since(connection: AsyncConnection, settings: Settings, now: datetime) -> datetime:
    """The first hour from which on no row was ever dropped, by us: where nothing was, the one that expires now."""
    return await _mark(connection) or rows_horizon(settings, now)


async def rows_whole_for(connection: AsyncConnection, settings: Settings, now: datetime) -> timedelta:
    """How far back rows are whole, also where TimescaleDB drops them: RETENTION, or what has passed since it was raised.

    In whole days, on the first day in whole hours, for policies follow it.
    """
    mark = await _mark(connection)
    if mark is None or mark <= rows_horizon(settings, now):
        return settings.retention
    passed = now - mark
    return min(settings.retention, passed // _DAY * _DAY if passed >= _DAY else passed // _HOUR * _HOUR)


async def _mark(connection: AsyncConnection) -> datetime | None:
    with translated():
        cursor = await connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [ROLLUP_PENDING.name])
        row = await cursor.fetchone()
    said = str(row[0]) if row else ""
    return datetime.fromisoformat(said.removeprefix(_WORDS)) if said.startswith(_WORDS) else None
