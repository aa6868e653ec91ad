"""The protocol of an engine: how the partitioned tables are cut, tuned and aged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection

LOCK_TIMEOUT = "100ms"
"""Of all upkeep that somebody may be in the way of. While a lock is waited for, whoever wants one that conflicts queues up
behind: readers behind ACCESS EXCLUSIVE, new partitions behind DETACH CONCURRENTLY. A tenth of what a commit waits (1 s) goes
unnoticed, and COPY ends within it; what is busy for longer is tried again next round."""


class Engine(Protocol):
    """One per process. Connections given to it are autocommit and idle; times are microseconds since the Unix epoch.

    All methods may be called by several processes and connections at once, and again after they failed half-way:
    what is done stays done. They raise StorageError; a table that is busy or broken keeps none of the others waiting, and its
    error is raised when these are done.
    """

    @property
    def name(self) -> str:
        """The folder of its migrations: `postgresql` or `timescaledb`."""
        ...

    def knows_partitions(self, tables: Iterable[str], times_us: Iterable[int]) -> bool:
        """Whether ensure_partitions would have nothing to do, as far as is known without asking the database."""
        ...

    async def ensure_partitions(self, connection: AsyncConnection, tables: Iterable[str], times_us: Iterable[int]) -> None:
        """Have a place in `tables` for every record of the hours that `times_us` lie in.

        Only those hours are looked at, never the range between them: a request with one span of last year and one
        of today gets two partitions, not 365. Names that are not partitioned are passed over. Without I/O when all are
        known already. Every partition commits by itself, so that a call that is given up still got somewhere.
        How many hours a request may reach is the accept window's business.
        """
        ...

    def forget_partitions(self) -> None:
        """Read the catalog again next time: a MissingPartition showed that another process dropped one."""
        ...

    async def drop_expired(self, connection: AsyncConnection, now_us: int) -> list[str]:
        """Drop what lies wholly before `now_us` less what a table is kept for, and finish what an earlier call began.

        Only where the clock is not in doubt, also where TimescaleDB drops by itself: since when rows are whole is remembered
        here. Returns the names of the dropped. What is busy is left for the next call.
        """
        ...

    def follow(self, settings: Settings) -> None:
        """Go by `settings` from now on."""
        ...

    async def reconcile(self, connection: AsyncConnection, settings: Settings) -> list[str]:
        """Bring the database in line with `settings`, and follow them from now on. Returns what was changed."""
        ...

    async def follow_changes(self, connection: AsyncConnection, now: datetime) -> None:
        """Bring the rollups up to what `ingest_touched` says was changed, as far as one round goes, and empty it."""
        ...

    @property
    def compressed_chunk_us(self) -> int | None:
        """The time span of the chunks whose columnstore COPY may write into at once, in microseconds.

        None where the engine cannot, or COPY_DIRECT_COMPRESS does not ask for it.
        """
        ...

    @property
    def analyzes_parents(self) -> bool:
        """Whether statistics of a partitioned table as a whole are ours to gather: autovacuum looks at partitions only."""
        ...
