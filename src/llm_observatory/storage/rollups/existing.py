"""Which rollups a database has, in which form, by which definition; and how it gets those that it should have."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import structlog

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.each import each
from llm_observatory.storage.grants import grants_on, run_grants
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.rollups import sql
from llm_observatory.storage.rollups.kept import keep, kept_table, put_back
from llm_observatory.storage.rollups.make import make_continuous_aggregate, make_table, queue_hours, run
from llm_observatory.tables.rollups import ROLLUPS, Grain, Rollup, RollupView

_log = structlog.get_logger(__name__)

Form = Literal["continuous aggregates", "tables"]

LOCK_TIMEOUT = "100ms"
"""As all upkeep: while it waits to drop what reads a fact table, whoever writes there waits behind it."""
STATEMENT_TIMEOUT = "30min"
"""Of one pass over all rows of a source, to see which hours hold some."""

_LIMITS = "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"

_MARK = "llm-observatory rollup, "
"""Begins the comment of each; its form and the digest of its definition follow."""

# From pg_class itself, not by to_regclass: its cache knows nothing of what another session has made while we waited for it.
_RELATIONS = """
SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname = ANY(%s)
"""


async def ensure(connection: AsyncConnection, form: Form, since: Mapping[Grain, datetime]) -> list[str]:
    """Have every rollup in `form`, by the definition of this version. Returns what was made, a line each.

    What is there in another form or by another definition is made anew from the rows that are stored. They are whole `since`
    then: buckets before that are taken over as they were. Each rollup is one transaction where it is tables. To make a
    continuous aggregate anew keeps everybody from the rows until COMMIT, so what is taken over follows in a second one.
    Raises StorageError, at the end.
    """
    made: list[str] = []
    rollups = {rollup.name: rollup for rollup in ROLLUPS}

    async def ensure_one(name: str) -> None:
        rollup = rollups[name]
        await _put_back(connection, rollup)
        own: Form = "tables" if rollup.always_tables else form
        if await _as_it_should_be(connection, rollup, own):
            return
        async with connection.transaction():
            await connection.execute(_LIMITS, [LOCK_TIMEOUT, STATEMENT_TIMEOUT])
            await transaction_lock(connection, Lock.RECONCILE)
            if not await _as_it_should_be(connection, rollup, own):
                await _make(connection, rollup, own, since)
                made.append(f"rollup {name}: {own}")
        await _put_back(connection, rollup)

    await each(connection, "rollups", rollups, ensure_one)
    return made


async def that_are_tables(connection: AsyncConnection) -> list[Rollup]:
    """Those that are tables now, whatever form they should have: what others made over one keeps it what it is."""
    found = await _relations(connection, [sql.state_table(RollupView(rollup, "hourly")) for rollup in ROLLUPS])
    return [rollup for rollup in ROLLUPS if sql.state_table(RollupView(rollup, "hourly")) in found]


async def _as_it_should_be(connection: AsyncConnection, rollup: Rollup, form: Form) -> bool:
    views = _views(rollup)
    found = await _relations(connection, [view.name for view in views])
    return found == {view.name: _comment(view, form) for view in views}


async def _relations(connection: AsyncConnection, names: list[str]) -> dict[str, str | None]:
    """Those of `names` that exist, with their comments."""
    return dict(await (await connection.execute(_RELATIONS, [names])).fetchall())


async def _make(connection: AsyncConnection, rollup: Rollup, form: Form, since: Mapping[Grain, datetime]) -> None:
    grants = await _drop(connection, rollup, since)
    for view in _views(rollup):
        make = make_table if form == "tables" else make_continuous_aggregate
        await make(connection, view, _comment(view, form))
    await run_grants(connection, grants)
    if form == "tables":
        for view in await _kept(connection, rollup):
            await put_back(connection, view)
        await queue_hours(connection, rollup, since["hourly"])
    elif rollup.signal not in {table.signal for table in await that_are_tables(connection)}:
        await run(connection, f"DELETE FROM rollup_pending WHERE signal = '{rollup.signal}'")


async def _put_back(connection: AsyncConnection, rollup: Rollup) -> None:
    """Have in the new ones what is still kept aside, where there are new ones."""
    for view in await _kept(connection, rollup):
        async with connection.transaction():
            await connection.execute(_LIMITS, [LOCK_TIMEOUT, STATEMENT_TIMEOUT])
            await transaction_lock(connection, Lock.RECONCILE)
            if view in await _kept(connection, rollup) and await _relations(connection, [view.name]):
                await put_back(connection, view)


async def _kept(connection: AsyncConnection, rollup: Rollup) -> list[RollupView]:
    """The views of which something is kept aside."""
    found = await _relations(connection, [kept_table(view) for view in _views(rollup)])
    return [view for view in _views(rollup) if kept_table(view) in found]


async def _drop(connection: AsyncConnection, rollup: Rollup, since: Mapping[Grain, datetime]) -> list[str]:
    """Drop what there is, the coarser first: it is made of the finer. Returns the grants that were on it."""
    grants: list[str] = []
    for view in reversed(_views(rollup)):
        table = sql.state_table(view)
        found = await _relations(connection, [view.name, table])
        if view.name in found:
            _log.warning("a rollup is made anew", name=view.name)
            grants += await grants_on(connection, view.name, view.name)
            await keep(connection, view, since[view.grain])
            await run(connection, f"DROP {'VIEW' if table in found else 'MATERIALIZED VIEW'} {view.name}")
        await run(connection, f"DROP TABLE IF EXISTS {table}")
    return grants


def _views(rollup: Rollup) -> Sequence[RollupView]:
    return [RollupView(rollup, grain) for grain in rollup.grains]


def _comment(view: RollupView, form: Form) -> str:
    """Tells by which definition it was made."""
    defined = sql.continuous_aggregate(view) if form == "continuous aggregates" else f"{sql.OPEN}; {sql.view_over_state(view)}"
    return f"{_MARK}{form}, {hashlib.sha256(defined.encode()).hexdigest()[:16]}"
