"""Rollups made from nothing, in either form."""

from __future__ import annotations

from datetime import datetime

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.rollups import sql
from llm_observatory.storage.statements import statement
from llm_observatory.tables.rollups import Rollup, RollupView


async def make_continuous_aggregate(connection: AsyncConnection, view: RollupView, comment: str) -> None:
    """Empty: its refresh policy fills it, and until then it is computed as it is read."""
    await run(
        connection,
        f"CREATE MATERIALIZED VIEW {view.name} WITH (timescaledb.continuous, timescaledb.materialized_only = false,"
        f" timescaledb.create_group_indexes = false) AS {sql.continuous_aggregate(view)} WITH NO DATA",
        f"CREATE INDEX ON {view.name} (tenant, {view.rollup.index}, bucket DESC)",
        f"COMMENT ON VIEW {view.name} IS '{comment}'",
    )


async def make_table(connection: AsyncConnection, view: RollupView, comment: str) -> None:
    """An empty table, and the view over it."""
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


async def queue_hours(connection: AsyncConnection, rollup: Rollup, since: datetime) -> None:
    """Queue every hour from `since` on that holds rows; until they are computed the view computes them."""
    text = statement("queue_rollup_hours").format(signal=rollup.signal, source=rollup.source)
    await connection.execute(text.encode(), {"oldest": since})


async def run(connection: AsyncConnection, *statements: str) -> None:
    """Run statements that are made of declared names only."""
    for text in statements:
        await connection.execute(text.encode())
