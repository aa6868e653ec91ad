"""What of a rollup is kept while it is made anew, in a table of its own until it is in the new one.

Rollups by day outlive the rows they sum up. So when one is made anew, because its definition or the engine has changed, what
cannot be computed any more is taken over as it is. An ordinary table: where it is put back in another transaction, the first
one's locks on the rows are gone by then, and what was interrupted between the two is taken up again.
"""

from __future__ import annotations

from datetime import datetime

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.rollups.make import run
from llm_observatory.storage.rollups.sql import state_table
from llm_observatory.tables.rollups import RollupView

_BEHIND_CONTINUOUS_AGGREGATE = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema() AND view_name = %s
"""

_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"


def kept_table(view: RollupView) -> str:
    """What the table is called that holds the buckets of `view` meanwhile."""
    return f"{view.name}_kept"


async def keep(connection: AsyncConnection, view: RollupView, before: datetime) -> None:
    """Keep its buckets before `before`."""
    await connection.execute(
        f"CREATE TABLE {kept_table(view)} AS SELECT * FROM {view.name} WHERE bucket < %s".encode(), [before]
    )


async def put_back(connection: AsyncConnection, view: RollupView) -> None:
    """Have in the new one what was kept, as far as the columns are still the same; in a transaction of the caller's.

    Buckets that are there already have been computed meanwhile.
    """
    kept, table = kept_table(view), state_table(view)
    if await (await connection.execute("SELECT to_regclass(%s) IS NULL", [table])).fetchone() == (True,):
        row = await (await connection.execute(_BEHIND_CONTINUOUS_AGGREGATE, [view.name])).fetchone()
        table = str(row[0]) if row else table
    declared = {name for name, _ in view.columns}
    names = [name for (name,) in await (await connection.execute(_COLUMNS, [kept])).fetchall() if name in declared]
    await run(
        connection,
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(names)} FROM {kept}"
        f" WHERE NOT EXISTS (SELECT FROM {table} there WHERE there.tenant = {kept}.tenant AND there.bucket = {kept}.bucket)",
        f"DROP TABLE {kept}",
    )
