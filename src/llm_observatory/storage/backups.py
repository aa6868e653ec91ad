"""What backup and restore ask of PostgreSQL: what is in a database, who uses it, and the list of backups that were made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection, connected
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated

APPLICATION = "llm-observatory-backup"

_TABLES = """
SELECT relname FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
ORDER BY relname
"""
_FACTS = """
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'), current_database(),
       pg_database_size(current_database()), (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       pg_export_snapshot()
"""
_USERS = """
SELECT DISTINCT coalesce(nullif(application_name, ''), 'a client without a name') FROM pg_stat_activity
WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Backup:
    """A row of `backups`: sizes in bytes, times with their zone."""

    kind: str
    label: str
    destination: str
    started_at: datetime
    finished_at: datetime
    bytes: int
    database_bytes: int
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database at one moment, which `snapshot` lets pg_dump see, too."""

    major: int
    server_version: str
    database: str
    bytes: int
    timescaledb: str | None
    snapshot: str
    """What pg_dump --snapshot takes."""
    schema_version: str = ""
    """Of the last migration."""
    rows: dict[str, int] = field(default_factory=dict)
    """Of every table that is no partition, by its name."""


def of_database(conninfo: str, database: str) -> str:
    """`conninfo` with another database in it."""
    return make_conninfo("", **{**conninfo_to_dict(conninfo), "dbname": database})


def parts(conninfo: str) -> dict[str, str]:
    """What libpq makes of `conninfo`."""
    return {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}


@asynccontextmanager
async def opened(conninfo: str) -> AsyncIterator[AsyncConnection]:
    """A connection for as long as the block runs. Raises StorageError."""
    async with connected(conninfo, APPLICATION) as connection:
        with translated():
            yield connection


@asynccontextmanager
async def snapshot(conninfo: str) -> AsyncIterator[Snapshot]:
    """The database as it is when the block begins, for as long as it runs. Every row is counted: it reads all tables."""
    async with opened(conninfo) as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = await (await connection.execute(_FACTS)).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM
        yield replace(Snapshot(*row), schema_version=await _schema_version(connection), rows=await count_rows(connection))


async def count_rows(connection: AsyncConnection) -> dict[str, int]:
    """Of every table that is no partition, by its name."""
    names = [name for (name,) in await (await connection.execute(_TABLES)).fetchall()]
    counts = {}
    for name in names:
        row = await (await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))).fetchone()
        counts[name] = 0 if row is None else int(row[0])
    return counts


async def _schema_version(connection: AsyncConnection) -> str:
    if not await _has(connection, "schema_migrations"):
        return ""
    row = await (await connection.execute("SELECT coalesce(max(version), '') FROM schema_migrations")).fetchone()
    return "" if row is None else str(row[0])


async def _has(connection: AsyncConnection, table: str) -> bool:
    return await (await connection.execute("SELECT to_regclass(%s)", [table])).fetchone() != (None,)


async def name(connection: AsyncConnection) -> str:
    """Of the database."""
    row = await (await connection.execute("SELECT current_database()")).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    return str(row[0])


async def users(connection: AsyncConnection, database: str) -> list[str]:
    """The application names of who else is connected to `database`."""
    return [name for (name,) in await (await connection.execute(_USERS, [database])).fetchall()]


async def exists(connection: AsyncConnection, database: str) -> bool:
    """Whether the server has it."""
    return await (await connection.execute("SELECT FROM pg_database WHERE datname = %s", [database])).fetchone() is not None


async def create_database(connection: AsyncConnection, database: str) -> None:
    """An empty one, in UTF-8."""
    await connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(database)))


async def drop_database(connection: AsyncConnection, database: str) -> None:
    """Drop it if it is there. Raises StorageUnavailable while somebody is connected."""
    await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))


async def rename_database(connection: AsyncConnection, old: str, new: str) -> None:
    """Raises as `drop_database`."""
    await connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


async def prepare_timescaledb(connection: AsyncConnection, version: str) -> None:
    """Ready an empty database for a dump of one with the extension of that version. Raises SchemaMismatch without it."""
    await connection.execute(sql.SQL("CREATE EXTENSION timescaledb VERSION {}").format(sql.Literal(version)))
    await connection.execute("SELECT timescaledb_pre_restore()")


async def finish_timescaledb(connection: AsyncConnection) -> None:
    """Let what is compressed be read again, by sessions after this one; no job runs yet, so that it can be renamed."""
    await connection.execute("SELECT timescaledb_post_restore()")
    await connection.execute("SELECT _timescaledb_functions.stop_background_workers()")


async def start_timescaledb(connection: AsyncConnection) -> None:
    """Let its jobs run again."""
    await connection.execute("SELECT _timescaledb_functions.start_background_workers()")


async def record(connection: AsyncConnection, backup: Backup) -> Backup | None:
    """Append a backup that succeeded; returns the one of its kind and destination before it.

    Before migration 012 there is no list: a backup that is made for an upgrade from there, or of a new database, is in none.
    """
    if not await _has(connection, "backups"):
        return None
    before = await latest(connection, backup.kind, backup.destination)
    await connection.execute(statement("record_backup"), asdict(backup))
    return before


async def latest(connection: AsyncConnection, kind: str, destination: str) -> Backup | None:
    """The newest one of that kind that went there."""
    found = [one for one in await listed(connection) if (one.kind, one.destination) == (kind, destination)]
    return found[0] if found else None


async def listed(connection: AsyncConnection) -> list[Backup]:
    """All of them, the newest first."""
    return [Backup(*row) for row in await (await connection.execute(statement("list_backups"))).fetchall()]


async def verified(connection: AsyncConnection, kind: str, label: str, destination: str | None = None) -> int:
    """Note that it was read back and found whole. Returns how many rows say so now: 0 where the list does not have it."""
    given = {"kind": kind, "label": label, "destination": destination}
    return (await connection.execute(statement("note_verified_backup"), given)).rowcount


class RestoreRefused(StorageError):
    """Nothing was touched; the message says why and what to do."""
