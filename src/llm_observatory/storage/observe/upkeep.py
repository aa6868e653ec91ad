"""What is looked at once a day: too dear for every minute, or of no use as a number over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.kept import kept_for
from llm_observatory.storage.engine.partitions import existing, time_us
from llm_observatory.storage.observe.reading import Reader, row, rows
from llm_observatory.storage.observe.readings import EngineHas, engine_has
from llm_observatory.storage.probe import ServerFacts, facts
from llm_observatory.storage.translate import translated
from llm_observatory.tables import BY_NAME, PARTITIONED

_SECOND_US = 10**6


@dataclass(frozen=True, slots=True)
class Smallest:
    """What is too little to be told."""

    dead_tuples: int = 1_000
    index_bytes: int = 100 * 1024**2
    unused_seconds: float = 7 * 86_400
    """Statistics that began later know too little of what is used."""
    bloated_bytes: int = 100 * 1024**2
    slow_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class DeadTuples:
    """Of one table, by PostgreSQL's statistics."""

    table: str
    dead: int
    live: int

    @property
    def ratio(self) -> float:
        """Of all rows those that are dead."""
        return self.dead / max(1, self.dead + self.live)


@dataclass(frozen=True, slots=True)
class Named:
    """An index, a role."""

    name: str


@dataclass(frozen=True, slots=True)
class UnusedIndex:
    """An index that no query has used since the statistics began."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Bloat:
    """A table or an index, and what of it is probably empty."""

    name: str
    is_index: bool
    bytes: int
    wasted_bytes: int

    @property
    def ratio(self) -> float:
        """Of the whole what is empty."""
        return self.wasted_bytes / self.bytes


@dataclass(frozen=True, slots=True)
class WaitingLock:
    """A session that waits for a lock."""

    pid: int
    application: str
    blocked_by: list[int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction of another session; idle: it waits for its client."""

    pid: int
    role: str
    application: str
    is_idle: bool
    seconds: float
    seconds_in_state: float


@dataclass(frozen=True, slots=True)
class SlowQuery:
    """A statement that takes long on average."""

    queryid: int
    calls: int
    mean_seconds: float
    max_seconds: float
    query: str


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A policy of TimescaleDB whose last run failed."""

    job_id: int
    policy: str
    relation: str
    failures: int


@dataclass(frozen=True, slots=True)
class LateChunks:
    """Chunks of a hypertable that should be compressed."""

    table: str
    chunks: int


@dataclass(frozen=True, slots=True)
class Partitions:
    """Of one table: how far ahead of now there are some, and for how long the oldest has outlived its retention."""

    table: str
    ahead_seconds: float
    overdue_seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """The data directory, where it is on this machine."""

    data_directory: str | None


@dataclass(slots=True)
class Upkeep:
    """What was read, None where it could not be (`failed` says why) or is not of this engine."""

    server: ServerFacts | None = None
    dead_tuples: list[DeadTuples] | None = None
    invalid_indexes: list[Named] | None = None
    unused_indexes: list[UnusedIndex] | None = None
    bloat: list[Bloat] | None = None
    waiting_locks: list[WaitingLock] | None = None
    transactions: list[Transaction] | None = None
    superusers: list[Named] | None = None
    slow_queries: list[SlowQuery] | None = None
    partitions: list[Partitions] | None = None
    failed_jobs: list[FailedJob] | None = None
    late_chunks: list[LateChunks] | None = None
    place: Place | None = None
    has: EngineHas | None = None
    failed: dict[str, str] = field(default_factory=dict)


async def look(connection: AsyncConnection, settings: Settings, smallest: Smallest) -> Upkeep:
    """Read everything. Raises StorageError when the connection is lost."""
    read = Reader(connection)
    has = await engine_has(connection)
    found = Upkeep(has=has, failed=read.failed)
    found.server = await read("server", lambda: facts(connection))
    found.place = await read("place", lambda: row(connection, "place", Place))
    found.dead_tuples = await read(
        "dead_tuples", lambda: rows(connection, "dead_tuples", DeadTuples, least=smallest.dead_tuples)
    )
    found.invalid_indexes = await read("invalid_indexes", lambda: rows(connection, "invalid_indexes", Named))
    unused = {"least_bytes": smallest.index_bytes, "least_seconds": smallest.unused_seconds}
    found.unused_indexes = await read("unused_indexes", lambda: rows(connection, "unused_indexes", UnusedIndex, **unused))
    found.bloat = await read("bloat", lambda: rows(connection, "bloat", Bloat, least_bytes=smallest.bloated_bytes))
    found.waiting_locks = await read("waiting_locks", lambda: rows(connection, "waiting_locks", WaitingLock))
    found.transactions = await read("transactions", lambda: rows(connection, "transactions", Transaction))
    found.superusers = await read("superusers", lambda: rows(connection, "superusers", Named))
    if has.pg_stat_statements:
        found.slow_queries = await read(
            "slow_queries", lambda: rows(connection, "slow_queries", SlowQuery, slow_seconds=smallest.slow_seconds)
        )
    if has.timescaledb:
        found.failed_jobs = await read("failed_jobs", lambda: rows(connection, "failed_jobs", FailedJob))
        found.late_chunks = await read(
            "late_chunks", lambda: rows(connection, "late_chunks", LateChunks, compress_after=settings.compress_after)
        )
    found.partitions = await read("partitions", lambda: _partitions(connection, settings))
    return found


async def _partitions(connection: AsyncConnection, settings: Settings) -> list[Partitions]:
    """Of each fact that is made of partitions of PostgreSQL."""
    now = time_us(datetime.now(UTC))
    found: list[Partitions] = []
    for table in PARTITIONED:
        with translated():
            partitions = await existing(connection, table)
        if not partitions and not await _is_partitioned(connection, table):
            continue
        kept = kept_for(BY_NAME[table], settings).total_seconds()
        newest, oldest = (
            max((one.upper for one in partitions), default=now),
            min((one.upper for one in partitions), default=now),
        )
        found.append(Partitions(table, (newest - now) / _SECOND_US, max(0.0, (now - oldest) / _SECOND_US - kept)))
    return found


async def _is_partitioned(connection: AsyncConnection, table: str) -> bool:
    with translated():
        cursor = await connection.execute("SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass(%s)", [table])
    return cursor.rowcount == 1
