"""Dimensions that nothing names any more: forgotten when all that came with them has expired.

By their last day, for nobody can look through all rows for an id. What keeps rows for longer than the settings say (a paused
policy, a partition in use, a move) keeps what they name, too: no day is forgotten that a partition or chunk reaches back to.
"""

from __future__ import annotations

from datetime import datetime

from llm_observatory.settings import Settings
from llm_observatory.storage import prune
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import named_ahead, named_for
from llm_observatory.storage.engine.partitions import existing, microseconds, moment, time_us
from llm_observatory.storage.engine.protocol import Engine
from llm_observatory.storage.names import aside
from llm_observatory.storage.translate import translated
from llm_observatory.tables import BY_NAME, METRIC_LABELS, PARTITIONED, ROLLUP_VIEWS, TABLES, TELEMETRY_SOURCES

_IDS = {"source.id", "series.id"}
_NAMING = [table for table in PARTITIONED if any(column.op in _IDS for column in BY_NAME[table].columns)]
_NAMES = {column.name for table in TABLES for column in table.columns if column.op in _IDS}
_NAMING_VIEWS = [view.name for view in ROLLUP_VIEWS if _NAMES & {column.name for column in view.rollup.keys}]

_THERE = "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(quote_ident(name)) IS NOT NULL"

_OLDEST_CHUNK = """
SELECT min(range_start) FROM timescaledb_information.chunks
WHERE (hypertable_schema, hypertable_name) IN (
    SELECT current_schema(), unnest(%(tables)s::text[])
    UNION ALL SELECT materialization_hypertable_schema, materialization_hypertable_name
    FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema() AND view_name = ANY(%(views)s)
)
"""


async def forget_dimensions(connection: AsyncConnection, engine: Engine, settings: Settings, now: datetime) -> bool:
    """Forget what nothing can name as of `now`, a round's share. Returns whether that was all. Raises StorageError."""
    with translated():
        oldest = await _oldest(connection, engine)
    horizons = [time_us(now - named_for(settings)), *(lower - microseconds(named_ahead(settings)) for lower in oldest)]
    if min(horizons) < 0:
        return True  # before 1970
    day = moment(min(horizons)).date()
    share = prune.BATCH_ROWS * prune.MAX_BATCHES
    # Series name sources, and are as old.
    return all([await prune.forget(connection, table, day) < share for table in (METRIC_LABELS, TELEMETRY_SOURCES)])


async def _oldest(connection: AsyncConnection, engine: Engine) -> list[int]:
    """Where the partitions and chunks begin that hold ids of dimensions, of some the first only, in microseconds."""
    names = [name for table in _NAMING for name in (table, aside(table))]
    there = await (await connection.execute(_THERE, [names])).fetchall()
    lowers = [partition.lower for (name,) in there for partition in await existing(connection, name)]
    if engine.name == "timescaledb":
        rows = await (await connection.execute(_OLDEST_CHUNK, {"tables": _NAMING, "views": _NAMING_VIEWS})).fetchall()
        lowers += [time_us(begin) for (begin,) in rows if begin is not None]
    return lowers
