"""Since when rows are whole. What RETENTION has dropped does not come back when it is raised.

Sums by day outlive their rows; computed again from what is left they would be lost. So the horizon of retention is remembered
where it was furthest ahead: in the comment of `rollup_pending`, as marks of retention stand in comments (ADR 0021).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg import sql

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import rollup_horizon
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUP_PENDING

_WORDS = "Hours that rollup tables are to be computed for. Rows of all tables are whole since: "
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


async def rows_whole_since(
    connection: AsyncConnection, settings: Settings, now: datetime, *, remember: bool = False
) -> datetime:
    """The first midnight (UTC) from which on no row has ever been dropped; moves forward with `now`, and never back.

    `remember` only where the clock is not in doubt: one that was ahead would be remembered for ever.
    """
    horizon = _horizon(settings, now)
    with translated():
        cursor = await connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [ROLLUP_PENDING.name])
        row = await cursor.fetchone()
        said = str(row[0]) if row and row[0] else ""
        mark = datetime.fromisoformat(said.removeprefix(_WORDS)) if said.startswith(_WORDS) else _LONG_AGO
        if remember and horizon > mark:
            await connection.execute(
                sql.SQL("COMMENT ON TABLE {} IS {}").format(
                    sql.Identifier(ROLLUP_PENDING.name), f"{_WORDS}{horizon.isoformat()}"
                )
            )
    return max(mark, horizon)


async def rows_whole_for(connection: AsyncConnection, settings: Settings, now: datetime) -> timedelta:
    """How far back rows are whole: RETENTION, or whole days less while what was dropped before it was raised is missing."""
    since = await rows_whole_since(connection, settings, now)
    if since <= _horizon(settings, now):
        return settings.retention
    return min(settings.retention, timedelta(days=(now - since).days))


def _horizon(settings: Settings, now: datetime) -> datetime:
    """Chunks shorter than a day leave a part of the oldest day, which is no day any more."""
    horizon = rollup_horizon("hourly", settings, now)
    return horizon + _DAY if settings.chunk_interval < _DAY else horizon
