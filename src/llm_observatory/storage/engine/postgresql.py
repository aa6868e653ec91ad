"""Plain PostgreSQL: range partitions by time, made ahead and on demand, dropped at retention.

No DEFAULT partition: it would be scanned on every ATTACH and forbids DETACH CONCURRENTLY. No CHECK on a new partition either:
it spares ATTACH the scan of a table that holds rows, and a new one holds none, while COPY would test it row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import structlog
from psycopg import sql
from psycopg.pq import TransactionStatus

from llm_observatory.errors import StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import rollups
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.each import each
from llm_observatory.storage.engine import expiry
from llm_observatory.storage.engine.edition import Edition
from llm_observatory.storage.engine.expired_rollups import ExpiredRollups
from llm_observatory.storage.engine.kept import kept_for
from llm_observatory.storage.engine.partitions import (
    Partition,
    Range,
    existing,
    gaps,
    microseconds,
    moment,
    overlaps,
    partition_name,
    slots,
)
from llm_observatory.storage.engine.toast import compress_documents
from llm_observatory.storage.engine.whole import remember_what_is_dropped, rows_whole_since
from llm_observatory.storage.turns import Turns
from llm_observatory.tables import BY_NAME, ROLLUP_VIEWS, TABLES
from llm_observatory.tables.rollups import GRAINS

_log = structlog.get_logger(__name__)

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '1s'"
"""As a commit waits: who needs a partition is about to commit."""


class PostgreSQL:
    """Engine of a database whose facts are partitions. `beside`: the TimescaleDB that is installed all the same."""

    name = "postgresql"

    def __init__(self, settings: Settings, beside: Edition | None = None) -> None:
        self._beside = beside
        self.follow(settings)
        self._known: dict[str, list[Partition]] = {}
        self._turns = Turns()
        self._expired_rollups = ExpiredRollups()

    def follow(self, settings: Settings) -> None:
        """See Engine."""
        self._settings = settings
        self._interval = microseconds(settings.chunk_interval)
        self._kept = {table.name: microseconds(kept_for(table, settings)) for table in TABLES if table.kept_for is not None}

    def __str__(self) -> str:
        if self._beside is None:
            return "partitions of PostgreSQL"
        return f"partitions of PostgreSQL; {self._beside} is here: `llm-observatory migrate timescaledb` moves to it"

    def knows_partitions(self, tables: Iterable[str], times_us: Iterable[int]) -> bool:
        """See Engine."""
        wanted = slots(times_us, self._interval)
        return not any(BY_NAME[table].partitioned and self._missing(table, wanted) for table in tables)

    async def ensure_partitions(self, connection: AsyncConnection, tables: Iterable[str], times_us: Iterable[int]) -> None:
        """See Engine. A partition that is being made by another connection is waited for, up to a second."""
        wanted = slots(times_us, self._interval)
        made: list[str] = []
        try:
            await self._ensure(connection, tables, wanted, made)
        finally:
            if made:
                _log.info("partitions made", count=len(made))
                _log.debug("partitions made", names=made)

    async def _ensure(self, connection: AsyncConnection, tables: Iterable[str], wanted: list[Range], made: list[str]) -> None:
        """Make what is missing; the names of what was made go to `made`, also when it fails later."""
        lacking = [table for table in tables if BY_NAME[table].partitioned and self._missing(table, wanted)]
        if lacking and connection.info.transaction_status != TransactionStatus.IDLE:
            message = "partitions are made outside of a transaction: others could not see them before its end"
            raise RuntimeError(message)

        async def ensure(table: str) -> None:
            async with connection.transaction():
                # The bounds of a partition are not told while somebody holds it.
                await connection.execute(_LOCK_TIMEOUT)
                self._remember(table, await existing(connection, table))
            for slot in self._missing(table, wanted):
                made.extend(await self._fill(connection, table, slot))

        await each(connection, "partitions", lacking, ensure)

    def _missing(self, table: str, wanted: list[Range]) -> list[Range]:
        known = self._known.get(table, [])
        return [slot for slot in wanted if gaps(known, slot)]

    def _remember(self, table: str, partitions: list[Partition]) -> None:
        routed = (partition for partition in partitions if not partition.detaching)
        self._known[table] = sorted(routed, key=lambda partition: partition.lower)

    async def _fill(self, connection: AsyncConnection, table: str, slot: Range) -> list[str]:
        """Make what is free of `slot`, in one transaction. Returns the names."""
        async with connection.transaction():
            await connection.execute(_LOCK_TIMEOUT)
            # What ATTACH takes, taken first: it excludes itself, so that the catalog is read by one connection at a time,
            # and readers and COPY go on. Waiting for it with a lock on the parent held (CREATE TABLE … LIKE takes one)
            # would be a deadlock with DETACH CONCURRENTLY, which waits for all who hold any.
            await connection.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE").format(sql.Identifier(table)))
            taken = await existing(connection, table)
            if any(partition.detaching and overlaps(partition, slot) for partition in taken):
                message = "the partition of this time is being dropped"
                raise StorageUnavailable(message)
            made = [await _create(connection, table, span) for span in gaps(taken, slot)]
        self._remember(table, [*taken, *made])
        return [partition.name for partition in made]

    def forget_partitions(self) -> None:
        """See Engine."""
        self._known.clear()

    async def drop_expired(self, connection: AsyncConnection, now_us: int) -> list[str]:
        """See Engine."""
        dropped: list[str] = []
        await remember_what_is_dropped(connection, self._settings, moment(now_us))

        async def drop(table: str) -> None:
            try:
                gone = await expiry.drop_before(connection, table, now_us - self._kept[table])
            except BaseException:
                self._known.pop(table, None)
                raise
            if gone:  # and not every minute: who commits looks for what is not known, on a connection of its own
                self._known.pop(table, None)
                dropped.extend(gone)

        # Partitions before sums, one of which that cannot be deleted must not keep the disk filling.
        expired = self._expired_rollups.due(ROLLUP_VIEWS, self._settings, moment(now_us))

        async def work(name: str) -> None:
            await (self._expired_rollups.drop(connection, *expired[name]) if name in expired else drop(name))

        await each(connection, "retention", [*self._kept, *expired], work)
        return dropped

    async def reconcile(self, connection: AsyncConnection, settings: Settings) -> list[str]:
        """See Engine."""
        self.follow(settings)
        since = await rows_whole_since(connection, settings, datetime.now(UTC))
        made = await rollups.ensure(connection, "tables", dict.fromkeys(GRAINS, since))
        return [*made, *await compress_documents(connection, partitions=True)]

    async def follow_changes(self, connection: AsyncConnection, now: datetime) -> None:
        """See Engine."""
        since = await rows_whole_since(connection, self._settings, now)
        await rollups.work_off(connection, now, since, turns=self._turns)

    @property
    def compressed_chunk_us(self) -> int | None:
        """See Engine."""
        return None

    @property
    def analyzes_parents(self) -> bool:
        """See Engine."""
        return True


async def _create(connection: AsyncConnection, table: str, span: Range) -> Partition:
    schema, name = await _free_name(connection, table, partition_name(table, span))
    await connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING COMMENTS)").format(
            sql.Identifier(schema, name), sql.Identifier(table)
        )
    )
    await connection.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(table), sql.Identifier(schema, name), moment(span.lower), moment(span.upper)
        )
    )
    return Partition(schema, name, detaching=False, lower=span.lower, upper=span.upper)


_NAME = """
SELECT n.nspname, to_regclass(format('%%I.%%I', n.nspname, %(name)s::text)) IS NULL
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(table)s::regclass
"""


async def _free_name(connection: AsyncConnection, table: str, name: str) -> tuple[str, str]:
    """The parent's schema and `name`, numbered where it is taken: by a partition that was detached to be kept."""
    candidate, number = name, 1
    while True:
        cursor = await connection.execute(_NAME, {"name": candidate, "table": table})
        row = await cursor.fetchone()
        if row is not None and row[1]:
            return row[0], candidate
        number += 1
        candidate = f"{name}_{number}"
