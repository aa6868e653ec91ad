"""What is looked at every minute: the types, in base units, of what `sql/` reads. All of it is cheap on a large database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.names import aside
from llm_observatory.storage.observe.reading import row, rows
from llm_observatory.tables import TABLES


@dataclass(frozen=True, slots=True)
class EngineHas:
    """What else can be asked of this database."""

    timescaledb: bool
    rollup_tables: bool
    pg_stat_statements: bool


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The database as a whole; `maintenance` is why records are refused, None while they are not."""

    size_bytes: int
    cache_hit_ratio: float | None
    blocks_asked: int
    transactions_id_age: int
    connections: int
    max_connections: int
    maintenance: str | None


@dataclass(frozen=True, slots=True)
class Age:
    """When the first migration was applied, and how long ago that is."""

    created_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Dead letters and the ledger of requests. `ledger_rows` is PostgreSQL's estimate."""

    dead_letters: int
    ledger_rows: int
    ledger_oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its partitions or chunks, indexes and TOAST."""

    table: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Backup:
    """The newest of its kind, and the sizes of the one before it at the same place."""

    kind: str
    label: str
    destination: str
    finished_at: datetime
    bytes: int
    database_bytes: int
    verified_at: datetime | None
    earlier_bytes: int | None
    earlier_database_bytes: int | None
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Archive:
    """Archiving of WAL. `failed_last`: the newest try failed."""

    enabled: bool
    last_success: datetime | None
    failures: int
    failed_last: bool
    seconds_since_success: float | None
    waiting_is_visible: bool


@dataclass(frozen=True, slots=True)
class ArchiveWaiting:
    """WAL files that wait to be archived, and for how long the oldest does."""

    files: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Replica:
    """A standby that is connected, by its application_name; of several of one name the slowest."""

    name: str
    lag_seconds: float


async def engine_has(connection: AsyncConnection) -> EngineHas:
    """What else can be asked. Raises StorageError, as all below."""
    return await row(connection, "engine_has", EngineHas)


async def database_state(connection: AsyncConnection) -> DatabaseState:
    """The database as a whole."""
    return await row(connection, "database", DatabaseState)


async def age(connection: AsyncConnection) -> Age:
    """How old the database is. Fails before migration 014."""
    return await row(connection, "age", Age)


async def left_over(connection: AsyncConnection, settings: Settings) -> LeftOver:
    """Dead letters and the ledger."""
    return await row(connection, "left_over", LeftOver, retention=settings.ledger_retention)


async def table_sizes(connection: AsyncConnection, has: EngineHas) -> dict[str, int]:
    """Bytes by table. While facts are moved to TimescaleDB what still lies in partitions aside counts as theirs."""
    names = {name: table.name for table in TABLES for name in (table.name, aside(table.name))}
    found = await rows(connection, "table_sizes", TableSize, tables=list(names))
    if has.timescaledb:
        found += await rows(connection, "hypertable_sizes", TableSize, tables=list(names))
    sizes: dict[str, int] = {}
    for one in found:
        sizes[names[one.table]] = sizes.get(names[one.table], 0) + one.bytes
    return sizes


async def backups(connection: AsyncConnection) -> list[Backup]:
    """The newest of each kind."""
    return await rows(connection, "backups", Backup)


async def archive(connection: AsyncConnection) -> tuple[Archive, ArchiveWaiting | None]:
    """How archiving goes; what waits only where the login may look."""
    found = await row(connection, "archive", Archive)
    return found, await row(connection, "archive_waiting", ArchiveWaiting) if found.waiting_is_visible else None


async def replicas(connection: AsyncConnection) -> list[Replica]:
    """Standbys that are connected."""
    return await rows(connection, "replicas", Replica)
