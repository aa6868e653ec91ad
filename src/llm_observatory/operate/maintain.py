"""Upkeep by hand: VACUUM, ANALYZE, REINDEX, compression, rollups, chunks dropped before their time, sessions ended, plans.

The service does by itself what has to be done (`storage/maintenance.py`, autovacuum, TimescaleDB's jobs). This is for the day
when an operator does not want to wait for it. One thing after the other: what is busy is passed over and told.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from llm_observatory.errors import LOCK_NOT_AVAILABLE, DataRejected, ObservatoryError, SchemaMismatch, StorageError
from llm_observatory.settings import Settings
from llm_observatory.storage import maintenance_mode
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine import detect
from llm_observatory.storage.probe import words
from llm_observatory.storage.upkeep import columnstore, drop, explain, refresh, sessions, tables
from llm_observatory.storage.upkeep.relations import declared, leaves, roots
from llm_observatory.storage.upkeep.session import upkeep
from llm_observatory.tables import ROLLUP_VIEWS

TABLE_NAMES = declared()
ROLLUP_NAMES = tuple(view.name for view in ROLLUP_VIEWS)
"""What `--table` may name, by verb."""

Progress = Callable[[str], None]

_BUSY = frozenset({LOCK_NOT_AVAILABLE, "40P01"})
"""Somebody holds a lock on it (lock_timeout), or waits for one that we hold."""


_NO_STATISTICS = (
    "the extension pg_stat_statements is not in this database: have it in shared_preload_libraries, restart PostgreSQL, then"
    " CREATE EXTENSION pg_stat_statements"
)


class Refused(ObservatoryError):
    """What was asked for is not done now. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one piece of work. `error` is why it was left; None: it is done."""

    what: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a verb. `note` says why there was nothing to do."""

    done: tuple[Done, ...] = ()
    note: str | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing was left."""
        return all(piece.error is None for piece in self.done)


class Explained(NamedTuple):
    """A statement and its plan: lines, or what EXPLAIN has as JSON."""

    slow: explain.Slow
    plan: Any


class Maintain:
    """The verbs on one database. `conninfo` leads past a transaction pooler; each method raises StorageError."""

    def __init__(self, conninfo: str, settings: Settings, progress: Progress) -> None:
        self._conninfo = conninfo
        self._settings = settings
        self._progress = progress

    async def vacuum(self, names: Sequence[str], *, full: bool = False) -> Report:
        """Make the room of dead rows usable again; `full` gives it back to the disk. Raises Refused."""
        async with upkeep(self._conninfo) as connection:
            if full and await maintenance_mode.current(connection) is None:
                message = (
                    "VACUUM FULL locks a table against everybody for as long as it writes it anew: have records refused first,"
                    " with `llm-observatory maintenance on`; questions about that table wait"
                )
                raise Refused(message)
            # Only as a whole does a hypertable take its compressed chunks along.
            hypertables = (await detect(connection, self._settings)).name == "timescaledb"
            found = await (roots if hypertables else leaves)(connection, names)
            return await self._each(
                (relation.name, partial(tables.vacuum, connection, relation, full=full)) for relation in found
            )

    async def analyze(self, names: Sequence[str]) -> Report:
        """Gather statistics, of partitioned tables as a whole and of their partitions."""
        async with upkeep(self._conninfo) as connection:
            found = await roots(connection, names)
            return await self._each((relation.name, partial(tables.analyze, connection, relation)) for relation in found)

    async def reindex(self, names: Sequence[str]) -> Report:
        """Build indexes anew; before that drop what was left of an earlier try, or mend what is invalid."""
        async with upkeep(self._conninfo) as connection:
            found = await leaves(connection, names)
            invalid = await tables.invalid_indexes(connection, found)
            mended = await self._each((f"invalid {index.name}", partial(tables.mend, connection, index)) for index in invalid)
            built = await self._each((relation.name, partial(tables.reindex, connection, relation)) for relation in found)
            return Report(mended.done + built.done)

    async def compress(self, names: Sequence[str]) -> Report:
        """Compress chunks older than COMPRESS_AFTER that the policy has not come to."""
        async with upkeep(self._conninfo) as connection:
            nothing = await columnstore.why_nothing_can_be_compressed(connection)
            if nothing is not None:
                return Report(note=nothing)
            chunks = await columnstore.due(connection, names, datetime.now(UTC) - self._settings.compress_after)
            return await self._each((chunk, partial(columnstore.compress, connection, chunk)) for chunk in chunks)

    async def refresh(self, names: Sequence[str]) -> Report:
        """Bring rollups up to date, also those hours that are left to settle."""
        async with upkeep(self._conninfo) as connection:
            aggregates = await refresh.continuous_aggregates(connection)
            # Rollups of a signal are computed together.
            signals = sorted(
                {view.rollup.signal for view in ROLLUP_VIEWS if view.name in names and view.name not in aggregates}
            )
            work: list[tuple[str, Callable[[], Awaitable[object]]]] = [
                (name, partial(refresh.refresh_aggregate, connection, name, self._settings))
                for name in names
                if name in aggregates
            ]
            work += [
                (f"rollups of {signal}", partial(refresh.refresh_tables, connection, [signal], self._settings))
                for signal in signals
            ]
            return await self._each(work)

    async def before(self, names: Sequence[str], horizon: datetime) -> dict[str, list[drop.Expendable]]:
        """What `drop_before` would drop, by table."""
        async with upkeep(self._conninfo) as connection:
            found = {name: await drop.before(connection, name, horizon) for name in names}
        return {name: expendable for name, expendable in found.items() if expendable}

    async def drop_before(self, expendable: dict[str, list[drop.Expendable]]) -> Report:
        """Drop what `before` found. Rollups are brought up to date first, and keep the sums of what is gone."""
        refreshed = await self.refresh(ROLLUP_NAMES)
        if not refreshed.complete:
            return refreshed
        async with upkeep(self._conninfo) as connection:
            work = ((name, partial(self._drop, connection, name, found[-1].end)) for name, found in expendable.items())
            return await self._each(work)

    async def _drop(self, connection: AsyncConnection, table: str, end: datetime) -> None:
        await drop.prepare(connection, table, end, self._settings)
        await drop.drop(connection, table, end)
        left = await drop.before(connection, table, end)
        if left:
            message = f"{len(left)} are in use and stay, from {left[0].name} on: run it again"
            raise Refused(message)

    async def terminate(self, chosen: Iterable[sessions.Session]) -> Report:
        """End sessions; what they have not committed is rolled back."""
        async with upkeep(self._conninfo) as connection:
            return await self._each(
                (f"session {session.pid}", partial(sessions.terminate, connection, session)) for session in chosen
            )

    async def reset_statistics(self) -> None:
        """Forget the statistics of statements. Raises Refused where there are none."""
        async with upkeep(self._conninfo) as connection:
            if not await sessions.reset_statistics(connection):
                raise Refused(_NO_STATISTICS)

    async def explain(self, queryid: int, *, form: str = "text") -> Explained:
        """The plan of a statement that pg_stat_statements knows, as `text` or `json`. Raises Refused where there is none."""
        async with upkeep(self._conninfo) as connection:
            where = await explain.schema(connection)
            if where is None:
                raise Refused(_NO_STATISTICS)
            found = await explain.known(connection, where, queryid)
            if found is None:
                message = (
                    f"pg_stat_statements knows no statement {queryid} of this database: it was forgotten, or this login may not"
                    " see it (pg_read_all_stats)"
                )
                raise Refused(message)
            try:
                plan = await explain.plan(connection, found.statement, form=form)
            except (SchemaMismatch, DataRejected) as error:
                said = str(error.__cause__ or error).splitlines()[0]
                message = f"PostgreSQL cannot explain this statement by itself: {said}\n{found.statement}"
                raise Refused(message) from None
        return Explained(found, plan)

    async def _each(self, work: Iterable[tuple[str, Callable[[], Awaitable[object]]]]) -> Report:
        """Do all of it; what fails keeps nothing else waiting. A lost connection fails all that follows, each in words."""
        done: list[Done] = []
        for what, step in work:
            began = time.monotonic()
            error = None
            try:
                await step()
            except (StorageError, Refused) as failed:
                error = _words(failed)
            done.append(Done(what, round(time.monotonic() - began, 3), error))
            self._progress(f"{what}: {error or f'done in {done[-1].seconds:.1f} s'}")
        return Report(tuple(done))


def _words(error: StorageError | Refused) -> str:
    if isinstance(error, Refused):
        return str(error)
    return "in use, left as it is: run it again later" if error.sqlstate in _BUSY else words(error)
