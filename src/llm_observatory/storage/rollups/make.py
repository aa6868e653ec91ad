"""Rollups made from nothing, in either form; and what of an earlier one is put back into them.

Rollups by day outlive the rows they sum up. So when one is made anew, because its definition or the engine has changed, what
cannot be computed any more is taken over as it is.
"""

from __future__ import annotations

from datetime import datetime

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.grants import grants_on, run_grants
from llm_observatory.storage.rollups import sql
from llm_observatory.storage.statements import statement
from llm_observatory.tables.rollups import Rollup, RollupView

_BEHIND_CONTINUOUS_AGGREGATE = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema() AND view_name = %s
"""

_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"


async def make_continuous_aggregate(connection: AsyncConnection, view: RollupView, comment: str) -> str:
    """Empty: its refresh policy fills it, and until then it is computed as it is read. Returns the table behind it."""
    await run(
        connection,
        f"CREATE MATERIALIZED VIEW {view.name} WITH (timescaledb.continuous, timescaledb.materialized_only = false,"
        f" timescaledb.create_group_indexes = false) AS {sql.continuous_aggregate(view)} WITH NO DATA",
        f"CREATE INDEX ON {view.name} (tenant, {view.rollup.index}, bucket DESC)",
        f"COMMENT ON VIEW {view.name} IS '{comment}'",
    )
    row = await (await connection.execute(_BEHIND_CONTINUOUS_AGGREGATE, [view.name])).fetchone()
    return str(row[0]) if row else ""


async def make_table(connection: AsyncConnection, view: RollupView, comment: str) -> str:
    """An empty table, and the view over it. Returns the table."""
    table = sql.state_table(view)
    await run(
        connection,
        f"CREATE OR REPLACE VIEW rollup_open AS {sql.OPEN}",
        sql.create_state_table(view),
        f"CREATE INDEX ON {table} (tenant, bucket)",
        f"COMMENT ON TABLE {table} IS 'Computed buckets of {view.name}, which shows them and what has changed since.'",
        f"CREATE VIEW {view.name} AS {sql.view_over_state(view)}",
        f"COMMENT ON VIEW {view.name} IS '{comment}'",
    )
    return table


async def queue_hours(connection: AsyncConnection, rollup: Rollup, since: datetime) -> None:
    """Queue every hour from `since` on that holds rows; until they are computed the view computes them."""
    text = statement("queue_rollup_hours").format(signal=rollup.signal, source=rollup.source)
    await connection.execute(text.encode(), {"oldest": since})


class Kept:
    """What is taken from one relation and put into its successor, inside one transaction."""

    def __init__(self, connection: AsyncConnection, view: RollupView) -> None:
        self._connection, self._view = connection, view
        self._rows = f"kept_{view.name}"
        self._grants: list[str] = []

    async def take(self, before: datetime) -> None:
        """Remember its buckets before `before`, and who may read it."""
        self._grants = await grants_on(self._connection, self._view.name, self._view.name)
        await self._connection.execute(
            f"CREATE TEMPORARY TABLE {self._rows} ON COMMIT DROP AS SELECT * FROM {self._view.name} WHERE bucket < %s".encode(),
            [before],
        )

    async def put_into(self, table: str) -> None:
        """Store them again, as far as the columns are still the same; the grants are for the view."""
        declared = {name for name, _ in self._view.columns}
        cursor = await self._connection.execute(_COLUMNS, [self._rows])
        columns = ", ".join(name for (name,) in await cursor.fetchall() if name in declared)
        await run(self._connection, f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {self._rows}")
        await run_grants(self._connection, self._grants)


async def run(connection: AsyncConnection, *statements: str) -> None:
    """Run statements that are made of declared names only."""
    for text in statements:
        await connection.execute(text.encode())
