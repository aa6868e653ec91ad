"""From PostgreSQL's partitions to TimescaleDB's hypertables, in the same database, while the service goes on.

First every table is swapped for a hypertable, which takes an instant each; from then on new records go there. Then the rows of
the old partitions follow, the newest of all tables first. Interrupted at any point it goes on where it was when it is run
again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from psycopg import sql

from llm_observatory.errors import StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, connected
from llm_observatory.storage.engine import detect
from llm_observatory.storage.engine.partitions import Partition, moment
from llm_observatory.storage.locks import Lock, try_session_lock
from llm_observatory.storage.move import rows
from llm_observatory.storage.move.demands import demand
from llm_observatory.storage.move.rows import MoveFailed
from llm_observatory.storage.move.swap import swap_table
from llm_observatory.storage.names import aside
from llm_observatory.storage.translate import translated
from llm_observatory.tables import BY_NAME, PARTITIONED

__all__ = ["MoveFailed", "Moved", "to_timescaledb"]

REPORT_SECONDS = 2.0
"""Between two lines about the same partition."""


@dataclass(slots=True)
class Moved:
    """What was moved of one table by this run."""

    table: str
    partitions: int = 0
    rows: int = 0
    seconds: float = 0.0


async def to_timescaledb(conninfo: str, settings: Settings, progress: Callable[[str], None]) -> list[Moved]:
    """Move what is in partitions into hypertables, and set everything up. Returns what was moved, by table.

    Raises SchemaMismatch where this database cannot be moved, StorageUnavailable where a table is always in use, MoveFailed.
    """
    async with connected(conninfo, "llm-observatory-move") as connection:
        with translated():
            if not await try_session_lock(connection, Lock.MOVE):
                raise StorageUnavailable("another process is moving this database already")
            await demand(connection, PARTITIONED, settings.chunk_interval)
            for table in PARTITIONED:
                await swap_table(connection, table, settings.chunk_interval, progress)
            moved = await _move_all(connection, progress)
        engine = await detect(connection, settings)
        for change in await engine.reconcile(connection, settings):
            progress(f"set {change}")
    return moved


async def _move_all(connection: AsyncConnection, progress: Callable[[str], None]) -> list[Moved]:
    """The newest partitions first, of all tables: what is asked for most, and the records of a trace in all of them at once."""
    waiting = [(partition, table) for table in PARTITIONED for partition in await rows.waiting(connection, table)]
    sizes = {partition: await rows.size(connection, partition) for partition, _ in waiting}
    meter = _Meter(sum(sizes.values()), progress)
    moved = {table: Moved(table) for table in PARTITIONED}
    for partition, table in sorted(waiting, key=lambda each: -each[0].lower):
        time_column = next(column.name for column in BY_NAME[table].columns if column.role == "time")
        began = time.monotonic()
        copied = 0
        async for copied in rows.move(connection, table, time_column, partition):
            meter.report(partition, copied)
        seconds = time.monotonic() - began
        done = moved[table]
        done.partitions, done.rows, done.seconds = done.partitions + 1, done.rows + copied, done.seconds + seconds
        meter.finished(partition, sizes[partition], copied, seconds)
    for name in moved:
        await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(aside(name))))
    return list(moved.values())


class _Meter:
    """Lines for a person who waits: what was done, how much of it all, and about how long the rest takes."""

    def __init__(self, total: int, progress: Callable[[str], None]) -> None:
        self._total, self._done = max(total, 1), 0
        self._progress = progress
        self._began = self._reported = time.monotonic()

    def report(self, partition: Partition, copied: int) -> None:
        """One is at work."""
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self._progress(f"{partition.name}: {copied:,} rows copied")

    def finished(self, partition: Partition, size: int, copied: int, seconds: float) -> None:
        """One is moved."""
        self._done += size
        self._reported = time.monotonic()
        left = (self._total - self._done) * (self._reported - self._began) / max(self._done, 1)
        self._progress(
            f"{partition.name} ({moment(partition.lower):%Y-%m-%d}): {copied:,} rows in {seconds:.1f} s, counts and checksums"
            f" agree; {self._done * 100 // self._total} % of all, about {left / 60:.0f} min left"
        )
