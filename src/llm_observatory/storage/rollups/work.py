"""The work behind rollup tables: collect which hours changed, and compute those that are over and have settled.

An hour is computed from its rows as a whole, whatever was computed before: doing it twice, or after a crash, changes
nothing. Its entry in `rollup_pending` goes in the same transaction; until then the view computes the hour as it is read.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from llm_observatory import metrics
from llm_observatory.storage import prune, touched
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.rollups import sql
from llm_observatory.storage.rollups.existing import that_are_tables
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated
from llm_observatory.storage.turns import Hour, Turns
from llm_observatory.tables.rollups import ROLLUPS, Rollup, RollupView

SETTLE = timedelta(minutes=5)
"""An hour is computed this long after the first of its changes that are not in it yet: one that rows trickle into costs a
computation in five minutes, not one in every round."""

BUDGET_SECONDS = 30.0
"""What a round may take; the next goes on. A long backlog must not keep the other upkeep waiting."""

STATEMENT_TIMEOUT = "30min"
"""Of one hour. Ten million spans an hour take about half a minute (benchmarks/README.md)."""

HOURS_OUTLIVE_ROWS = timedelta(days=2)
"""A day is made of its hours, and begins up to a day before the oldest of them that may still change."""

SIGNALS = frozenset(rollup.signal for rollup in ROLLUPS)
"""Of which there are rollups."""

_HOUR = timedelta(hours=1)

_PENDING = "SELECT count(*) FROM rollup_pending"


async def work_off(
    connection: AsyncConnection,
    now: datetime,
    oldest: datetime,
    *,
    signals: Collection[str] = SIGNALS,
    settle: timedelta = SETTLE,
    seconds: float | None = None,
    turns: Turns | None = None,
) -> int:
    """Collect what changed of rollups that are tables, and compute what is due of `signals`, for `seconds` (BUDGET_SECONDS).

    Returns how many hours were computed. `turns`: those of the rounds before.

    Hours before `oldest` are not computed: their rows may be gone, and what was computed of them stays. Raises StorageError; of
    an hour that cannot be computed after all others.
    """
    deadline = time.monotonic() + (BUDGET_SECONDS if seconds is None else seconds)
    computed = 0

    async def work(hour: Hour) -> None:
        nonlocal computed
        computed += await compute(connection, hour, oldest)

    with translated():
        await touched.collect(connection, {rollup.signal for rollup in await that_are_tables(connection)}, deadline)
        due = {"oldest": oldest, "over": now - _HOUR, "settled": now - settle}
        found = await (await connection.execute(statement("due_rollup_hours"), due)).fetchall()
        hours = [hour for hour in (Hour(*row) for row in found) if hour.signal in signals]
        failure = await (turns or Turns()).work_off(connection, "rollups", hours, work, deadline=deadline)
        row = await (await connection.execute(_PENDING)).fetchone()
        metrics.ROLLUP_PENDING_HOURS.set(row[0] if row else 0)
    if failure is not None:
        raise failure
    return computed


async def compute(connection: AsyncConnection, pending: Hour, oldest: datetime) -> bool:
    """Compute one hour, and its day if no other hour of it is out of date. False when somebody else did, or it has expired.

    The day of an hour that has expired has waited for it, and is computed while the sums of all its hours are there.
    """
    async with connection.transaction():
        await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        # One at a time: two that computed hours of the same day would both write the day. It comes first: what is read
        # afterwards includes what another has committed.
        await transaction_lock(connection, Lock.ROLLUPS)
        claimed = await connection.execute(statement("claim_rollup_hour"), pending._asdict())
        if not claimed.rowcount:
            return False
        whole, day = pending.hour >= oldest, pending.hour.astimezone(UTC).replace(hour=0)
        tables = [rollup for rollup in await that_are_tables(connection) if rollup.signal == pending.signal]
        if whole:
            await _fill(connection, _views(tables, "hourly"), pending.tenant, pending.hour)
        elif day < oldest - HOURS_OUTLIVE_ROWS:
            return False
        of_day = {"tenant": pending.tenant, "signal": pending.signal, "day": day}
        if await (await connection.execute(statement("rollup_day_is_open"), of_day)).fetchone() == (False,):
            await _fill(connection, _views(tables, "daily"), pending.tenant, day)
    return whole


async def _fill(connection: AsyncConnection, views: Sequence[RollupView], tenant: str, bucket: datetime) -> None:
    of = {"tenant": tenant, "bucket": bucket}
    for view in views:
        delete = f"DELETE FROM {sql.state_table(view)} WHERE tenant = %(tenant)s AND bucket = %(bucket)s"
        await connection.execute(delete.encode(), of)
        await connection.execute(sql.fill_state_table(view).encode(), of)


async def drop_before(connection: AsyncConnection, view: RollupView, horizon: datetime) -> bool:
    """Delete its computed buckets before `horizon`, as many rows as a round may. Whether none is left. Raises StorageError."""
    _, done = await prune.in_batches(connection, sql.delete_from_state_table(view).encode(), horizon)
    return done


def _views(rollups: Sequence[Rollup], grain: str) -> list[RollupView]:
    return [RollupView(rollup, of) for rollup in rollups for of in rollup.grains if of == grain]
