"""Which rollups a database has, in which form, by which definition; and how it gets those that it should have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import structlog

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.rollups import sql
from llm_observatory.storage.statements import statement
from llm_observatory.storage.transaction import LOCK_TIMEOUT
from llm_observatory.storage.translate import translated
from llm_observatory.tables.rollups import ROLLUPS, Rollup, RollupView

_log = structlog.get_logger(__name__)

Form = Literal["continuous aggregates", "tables"]

_MARK = "llm-observatory rollup, "
"""Begins the comment of each; its form and the digest of its definition follow."""

# From pg_class itself, not by to_regclass: its cache knows nothing of what another session has made while we waited for it.
_RELATIONS = """
SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s)
"""


async def ensure(connection: AsyncConnection, form: Form, oldest: datetime) -> list[str]:
    """Have every rollup in `form`, by the definition of this version. Returns what was made, a line each.

    What is there in another form or by another definition is dropped and made anew from the rows that are stored, of the hours
    from `oldest` on: of buckets whose rows have expired nothing is left then. Each rollup is one transaction.
    Raises StorageError.
    """
    made: list[str] = []
    with translated():
        for rollup in ROLLUPS:
            if await _as_it_should_be(connection, rollup, form):
                continue
            async with connection.transaction():
                await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                await transaction_lock(connection, Lock.RECONCILE)
                if not await _as_it_should_be(connection, rollup, form):
                    await _drop(connection, rollup)
                    if form == "tables":
                        await _make_tables(connection, rollup, oldest)
                    else:
                        await _make_continuous_aggregates(connection, rollup)
                    made.append(f"rollup {rollup.name}: {form}")
    return made


async def _as_it_should_be(connection: AsyncConnection, rollup: Rollup, form: Form) -> bool:
    views = _views(rollup)
    found = await _relations(connection, [view.name for view in views])
    return found == {view.name: _comment(view, form) for view in views}


async def _relations(connection: AsyncConnection, names: list[str]) -> dict[str, str | None]:
    """Those of `names` that exist, with their comments."""
    return dict(await (await connection.execute(_RELATIONS, [names])).fetchall())


async def _drop(connection: AsyncConnection, rollup: Rollup) -> None:
    """The coarser first: it is made of the finer."""
    for view in reversed(_views(rollup)):
        table = sql.state_table(view)
        found = await _relations(connection, [view.name, table])
        if view.name in found:
            _log.warning("a rollup is made anew", name=view.name)
            await _run(connection, f"DROP {'VIEW' if table in found else 'MATERIALIZED VIEW'} {view.name}")
        await _run(connection, f"DROP TABLE IF EXISTS {table}")


async def _make_continuous_aggregates(connection: AsyncConnection, rollup: Rollup) -> None:
    """Empty: their refresh policy fills them, and until then they are computed as they are read."""
    for view in _views(rollup):
        await _run(
            connection,
            f"CREATE MATERIALIZED VIEW {view.name} WITH (timescaledb.continuous, timescaledb.materialized_only = false,"
            f" timescaledb.create_group_indexes = false) AS {sql.continuous_aggregate(view)} WITH NO DATA",
            f"CREATE INDEX ON {view.name} (tenant, {rollup.index}, bucket DESC)",
            f"COMMENT ON VIEW {view.name} IS '{_comment(view, 'continuous aggregates')}'",
        )


async def _make_tables(connection: AsyncConnection, rollup: Rollup, oldest: datetime) -> None:
    """Empty tables, and every hour that holds rows queued to be computed; until then the view computes it."""
    await _run(connection, f"CREATE OR REPLACE VIEW rollup_open AS {sql.OPEN}")
    for view in _views(rollup):
        table = sql.state_table(view)
        await _run(
            connection,
            sql.create_state_table(view),
            f"CREATE INDEX ON {table} (tenant, bucket)",
            f"COMMENT ON TABLE {table} IS 'Computed buckets of {view.name}, which shows them and what has changed since.'",
            f"CREATE VIEW {view.name} AS {sql.view_over_state(view)}",
            f"COMMENT ON VIEW {view.name} IS '{_comment(view, 'tables')}'",
        )
    backfill = statement("queue_rollup_hours").format(signal=rollup.signal, source=rollup.source)
    await connection.execute(backfill.encode(), {"oldest": oldest})


def _views(rollup: Rollup) -> Sequence[RollupView]:
    return [RollupView(rollup, grain) for grain in rollup.grains]


def _comment(view: RollupView, form: Form) -> str:
    """Tells by which definition it was made."""
    defined = {"continuous aggregates": sql.continuous_aggregate, "tables": sql.view_over_state}[form](view)
    return f"{_MARK}{form}, {hashlib.sha256(defined.encode()).hexdigest()[:16]}"


async def _run(connection: AsyncConnection, *statements: str) -> None:
    for text in statements:
        await connection.execute(text.encode())
