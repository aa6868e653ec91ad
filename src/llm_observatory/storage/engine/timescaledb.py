"""TimescaleDB: hypertables. Under the Timescale licence its own jobs compress, drop and refresh; under Apache we do it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial

import structlog
from psycopg import sql

from llm_observatory.quantity import show_duration
from llm_observatory.settings import Settings
from llm_observatory.storage import rollups
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.each import each
from llm_observatory.storage.engine import compaction
from llm_observatory.storage.engine.columnstore import set_columnstore, set_job_settings
from llm_observatory.storage.engine.edition import Edition
from llm_observatory.storage.engine.expired_rollups import ExpiredRollups
from llm_observatory.storage.engine.kept import kept_for, refresh_window
from llm_observatory.storage.engine.partitions import microseconds, moment
from llm_observatory.storage.engine.policies import set_policies, wanted
from llm_observatory.storage.engine.toast import compress_documents
from llm_observatory.storage.engine.whole import remember_what_is_dropped, rows_whole_for, rows_whole_since
from llm_observatory.storage.turns import Turns
from llm_observatory.tables import AGGREGATE_VIEWS, BY_NAME, PARTITIONED, ROLLUP_VIEWS
from llm_observatory.tables.rollups import GRAINS, Grain

_log = structlog.get_logger(__name__)

RESTORE_SECONDS = 1800.0
"""Between two rounds over chunks that are written to: each compresses whole segments again."""

_CHUNK_INTERVALS = """
SELECT hypertable_name, time_interval FROM timescaledb_information.dimensions
WHERE hypertable_schema = current_schema() AND dimension_number = 1 AND hypertable_name = ANY(%s)
"""

_DROP_CHUNKS = "SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)"


class TimescaleDB:
    """Engine of a database whose facts are hypertables. Chunks are made by whoever writes first into their time."""

    name = "timescaledb"

    def __init__(self, settings: Settings, edition: Edition) -> None:
        self.follow(settings)
        self.edition = edition
        self._restore_due = 0.0
        self._turns = Turns()
        self._expired_rollups = ExpiredRollups()

    def __str__(self) -> str:
        return f"hypertables of {self.edition}"

    def follow(self, settings: Settings) -> None:
        """See Engine."""
        self._settings = settings

    def knows_partitions(self, tables: Iterable[str], times_us: Iterable[int]) -> bool:
        """See Engine."""
        del tables, times_us
        return True

    async def ensure_partitions(self, connection: AsyncConnection, tables: Iterable[str], times_us: Iterable[int]) -> None:
        """See Engine."""

    def forget_partitions(self) -> None:
        """See Engine."""

    async def drop_expired(self, connection: AsyncConnection, now_us: int) -> list[str]:
        """See Engine. Under the Timescale licence that is what retention policies do."""
        now = moment(now_us)
        await remember_what_is_dropped(connection, self._settings, now)
        tables = () if self.edition.community else PARTITIONED
        kept_as_tables = await rollups.that_are_tables(connection)
        expiring = [view for view in ROLLUP_VIEWS if view.rollup in kept_as_tables]
        expired = self._expired_rollups.due(expiring, self._settings, now)
        dropped: list[str] = []

        async def drop(table: str) -> None:
            cursor = await connection.execute(_DROP_CHUNKS, [table, now - kept_for(BY_NAME[table], self._settings)])
            dropped.extend(chunk for (chunk,) in await cursor.fetchall())

        async def work(name: str) -> None:
            await (self._expired_rollups.drop(connection, *expired[name]) if name in expired else drop(name))

        # Chunks before sums, one of which that cannot be deleted must not keep the disk filling.
        await each(connection, "retention", [*tables, *expired], work)
        if dropped:
            _log.info("expired chunks dropped", count=len(dropped))
        return dropped

    async def reconcile(self, connection: AsyncConnection, settings: Settings) -> list[str]:
        """See Engine. Each part by itself: a table in use must not keep the policies of the others from being set."""
        self.follow(settings)
        changed: list[str] = []

        async def apply(part: str) -> None:
            changed.extend(await parts[part](connection))

        parts: dict[str, Callable[[AsyncConnection], Awaitable[list[str]]]] = {
            "chunk intervals": self._set_chunk_intervals,
            "large columns": partial(compress_documents, partitions=False),
            **(self._under_the_timescale_licence() if self.edition.community else {"rollups": self._ensure_tables}),
        }
        await each(connection, "settings", parts, apply)
        return changed

    def _under_the_timescale_licence(self) -> dict[str, Callable[[AsyncConnection], Awaitable[list[str]]]]:
        return {
            "settings of jobs": set_job_settings,
            "columnstore": self._set_columnstore,
            "rollups": self._ensure_continuous_aggregates,
            "policies": self._set_policies,
        }

    async def _set_columnstore(self, connection: AsyncConnection) -> list[str]:
        changed: list[str] = []

        async def work(table: str) -> None:
            changed.extend(await set_columnstore(connection, table, self.edition))

        await each(connection, "columnstore", PARTITIONED, work)
        return changed

    async def _set_policies(self, connection: AsyncConnection) -> list[str]:
        whole = await rows_whole_for(connection, self._settings, datetime.now(UTC))
        policies = dict(wanted(self._settings, self.edition, whole))
        changed: list[str] = []

        async def work(relation: str) -> None:
            changed.extend(await set_policies(connection, relation, policies[relation]))

        tables = await rollups.that_are_tables(connection)
        aggregates = [view.name for view in AGGREGATE_VIEWS if view.rollup not in tables]
        # What is refreshed first: were rows dropped before their window is narrower, the next refresh would empty their sums.
        await each(connection, "policies", aggregates, work)
        await each(connection, "policies", PARTITIONED, work)
        return changed

    async def _ensure_tables(self, connection: AsyncConnection) -> list[str]:
        since = await rows_whole_since(connection, self._settings, datetime.now(UTC))
        return await rollups.ensure(connection, "tables", dict.fromkeys(GRAINS, since))

    async def _ensure_continuous_aggregates(self, connection: AsyncConnection) -> list[str]:
        now = datetime.now(UTC)
        whole = await rows_whole_for(connection, self._settings, now)
        refreshed: dict[Grain, datetime] = {grain: now - refresh_window(grain, self._settings, whole).start for grain in GRAINS}
        return await rollups.ensure(connection, "continuous aggregates", refreshed)

    async def follow_changes(self, connection: AsyncConnection, now: datetime) -> None:
        """See Engine."""
        since = await rows_whole_since(connection, self._settings, now)
        if not self.edition.community:
            await rollups.work_off(connection, now, since, turns=self._turns)
            return
        parts: dict[str, Callable[[], Awaitable[object]]] = {
            "rollups that are tables": partial(rollups.work_off, connection, now, since, turns=self._turns),
            "chunks that are over": partial(compaction.compact, connection, now, self._settings),
        }
        if self._settings.copy_direct_compress and self.edition.has_compaction_policy and time.monotonic() >= self._restore_due:
            self._restore_due = time.monotonic() + RESTORE_SECONDS
            parts["chunks that are written to"] = partial(compaction.restore_partial, connection, now)

        async def work(part: str) -> None:
            await parts[part]()

        await each(connection, "upkeep", parts, work)

    @property
    def compressed_chunk_us(self) -> int | None:
        """See Engine."""
        asked = self._settings.copy_direct_compress and self.edition.has_direct_compress
        return microseconds(self._settings.chunk_interval) if asked else None

    @property
    def analyzes_parents(self) -> bool:
        """See Engine. Chunks are tables of their own, which autovacuum looks at."""
        return False

    async def _set_chunk_intervals(self, connection: AsyncConnection) -> list[str]:
        """Of chunks to come."""
        cursor = await connection.execute(_CHUNK_INTERVALS, [list(PARTITIONED)])
        interval = self._settings.chunk_interval
        other = sorted(table for table, current in await cursor.fetchall() if current != interval)
        for table in other:
            await connection.execute(sql.SQL("SELECT set_chunk_time_interval({}, {})").format(table, interval))
        return [f"{table}: chunks of {show_duration(interval)}" for table in other]
