"""Since when rows are whole. What RETENTION has dropped does not come back when it is raised.

Sums outlive their rows; computed again from what is left they would be lost. So the horizon of retention is remembered where it
was furthest ahead, before anything is dropped: in the comment of `rollup_pending`, as marks of retention stand in comments
(ADR 0021). That of spans stands in the comment of `usage_pending` as well: what was dropped of metrics by hand takes no
correction of a span away.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from psycopg import sql

from llm_observatory.settings import Settings
from llm_observatory.storage.clock import AWAY_SECONDS, DOUBT_SECONDS
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import rows_horizon
from llm_observatory.storage.engine.partitions import EPOCH
from llm_observatory.storage.rollups import ROWS_WHOLE_SINCE
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated
from llm_observatory.tables import ROLLUP_PENDING, USAGE_PENDING

_log = structlog.get_logger(__name__)

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


class _Mark(NamedTuple):
    """Where it stands, and after which words."""

    table: str
    words: str


_ROWS = _Mark(ROLLUP_PENDING.name, f"Hours that rollup tables are to be computed for. {ROWS_WHOLE_SINCE}")
_SPANS = _Mark(USAGE_PENDING.name, "Traces whose spans are to be looked at together. Spans are whole since: ")


async def remember_what_is_dropped(connection: AsyncConnection, settings: Settings, now: datetime) -> None:
    """To be called before rows are dropped as of `now`; what is remembered never goes back.

    Only where the clock is not in doubt.
    """
    await remember_dropped(connection, rows_horizon(settings, now))


async def remember_dropped(connection: AsyncConnection, horizon: datetime, *, spans: bool = True) -> None:
    """The same for rows before `horizon`, a whole hour; `spans`: of spans, too. Raises StorageError."""
    rows = await _read(connection, _ROWS)
    if spans:
        await _forward(connection, _SPANS, horizon)
    elif rows is not None and await _read(connection, _SPANS) is None:
        await _write(connection, _SPANS, rows)  # from before there was one of spans
    await _forward(connection, _ROWS, horizon)


async def rows_whole_since(connection: AsyncConnection, settings: Settings, now: datetime) -> datetime:
    """The first hour from which on no row was ever dropped, by us: where nothing was, the one that expires now."""
    return await _read(connection, _ROWS) or rows_horizon(settings, now)


async def spans_whole_since(connection: AsyncConnection, settings: Settings, now: datetime) -> datetime:
    """The same of spans alone."""
    return await _read(connection, _SPANS) or await rows_whole_since(connection, settings, now)


async def rows_whole_for(connection: AsyncConnection, settings: Settings, now: datetime) -> timedelta:
    """How far back rows are whole, also where TimescaleDB drops them: RETENTION, or what has passed since it was raised.

    In whole days, on the first day in whole hours, for policies follow it.
    """
    mark = await _read(connection, _ROWS)
    if mark is None or mark <= rows_horizon(settings, now):
        return settings.retention
    passed = now - mark
    return min(settings.retention, passed // _DAY * _DAY if passed >= _DAY else passed // _HOUR * _HOUR)


async def known_time(connection: AsyncConnection, settings: Settings, now: datetime) -> datetime | None:
    """What the time was when rows were last dropped; `now` where a clock has told about as much for longer than it is doubted.

    So a RETENTION that was shortened is told from a clock that is ahead. None: nothing is remembered.
    """
    mark = await _read(connection, _ROWS)
    if mark is None or mark > now + _HOUR:
        return None
    with translated():
        between = [now - timedelta(seconds=AWAY_SECONDS), now - timedelta(seconds=DOUBT_SECONDS)]
        row = await (await connection.execute(statement("stored_between").encode(), between)).fetchone()
    return now if row == (True,) else min(now, mark + settings.retention)


async def marks_ahead(connection: AsyncConnection, now: datetime) -> bool:
    """Whether what is remembered says that rows of the future were dropped: a clock was ahead, or ours is behind."""
    return bool(await _ahead(connection, now))


async def put_marks_back(connection: AsyncConnection, now: datetime) -> None:
    """Have rows be whole from this hour on, for nobody knows what was dropped by the clock that was ahead."""
    for mark in await _ahead(connection, now):
        since = EPOCH + (now - EPOCH) // _HOUR * _HOUR
        _log.warning("a clock was ahead when rows were dropped: they are whole since now", table=mark.table)
        await _write(connection, mark, since)


async def _ahead(connection: AsyncConnection, now: datetime) -> list[_Mark]:
    return [mark for mark in (_ROWS, _SPANS) if (await _read(connection, mark) or now) > now + _HOUR]


async def _forward(connection: AsyncConnection, mark: _Mark, horizon: datetime) -> None:
    since = await _read(connection, mark)
    if since is None or since < horizon:
        await _write(connection, mark, horizon)


async def _write(connection: AsyncConnection, mark: _Mark, since: datetime) -> None:
    comment = sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(mark.table), f"{mark.words}{since.isoformat()}")
    with translated():
        await connection.execute(comment)


async def _read(connection: AsyncConnection, mark: _Mark) -> datetime | None:
    with translated():
        cursor = await connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [mark.table])
        row = await cursor.fetchone()
    said = str(row[0]) if row else ""
    return datetime.fromisoformat(said.removeprefix(mark.words)) if said.startswith(mark.words) else None
