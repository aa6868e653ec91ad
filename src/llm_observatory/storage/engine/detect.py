"""Which engine a database has."""

from __future__ import annotations

import psycopg

from llm_observatory.errors import SchemaMismatch
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.edition import Edition
from llm_observatory.storage.engine.postgresql import PostgreSQL
from llm_observatory.storage.engine.protocol import Engine
from llm_observatory.storage.engine.timescaledb import TimescaleDB
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.translate import translated
from llm_observatory.tables import LLM_TRACES

_TIMESCALEDB = """
SELECT extversion, coalesce(current_setting('timescaledb.license', true), 'timescale'),
       EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p')
FROM pg_extension WHERE extname = 'timescaledb'
"""


_CONTINUOUS_AGGREGATES = (
    "SELECT count(*) FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema()"
)

# shared_preload_libraries is shown to superusers and pg_read_all_settings only; what is loaded has settings.
_CAN_INSTALL = """
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb' AND installed_version IS NULL)
   AND EXISTS (SELECT FROM pg_settings WHERE starts_with(name, 'timescaledb.'))
   AND to_regclass('schema_migrations') IS NULL
"""


CREATE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS timescaledb"


async def can_install(connection: AsyncConnection) -> bool:
    """Whether the database is still empty, and its server has the extension and has loaded it. Raises StorageError."""
    with translated():
        return await (await connection.execute(_CAN_INSTALL)).fetchone() == (True,)


async def install(connection: AsyncConnection) -> str | None:
    """Create the extension in a database that is still empty, where the server has it and has loaded it. Returns what was done.

    What a database begins with it stays with, so the better engine is chosen then. Raises StorageError.
    """
    if not await can_install(connection):
        return None
    with translated():
        try:
            async with connection.transaction():
                # IF NOT EXISTS does not help two that begin at once.
                await transaction_lock(connection, Lock.RECONCILE)
                await connection.execute(CREATE_EXTENSION)
        except psycopg.errors.InsufficientPrivilege:
            return (
                "timescaledb is there, but this role may not create extensions: to use it, CREATE EXTENSION timescaledb as a"
                " superuser before the first start"
            )
    return "created the extension timescaledb"


async def edition(connection: AsyncConnection) -> tuple[Edition, bool] | None:
    """The TimescaleDB of this database, and whether its facts are partitions of PostgreSQL all the same. None without it."""
    with translated():
        row = await (await connection.execute(_TIMESCALEDB, [LLM_TRACES.name])).fetchone()
    return None if row is None else (Edition.of(row[0], row[1]), row[2])


async def _refuse_another_licence(connection: AsyncConnection) -> None:
    """Raise SchemaMismatch where the Timescale licence was in force before: its chunks cannot be read without it."""
    with translated():
        row = await (await connection.execute(_CONTINUOUS_AGGREGATES)).fetchone()
    if row and row[0]:
        message = "this database was set up under the Timescale licence: set timescaledb.license to timescale again"
        raise SchemaMismatch(message)


async def detect(connection: AsyncConnection, settings: Settings) -> Engine:
    """The engine of this database. Raises StorageError when it cannot be asked, or is too old.

    What the facts are made of decides: a database that began without TimescaleDB stays one of PostgreSQL's partitions until
    `llm-observatory migrate timescaledb` moves them.
    """
    found = await edition(connection)
    if found is None:
        return PostgreSQL(settings)
    timescaledb, partitions = found
    if not timescaledb.community:
        await _refuse_another_licence(connection)
    return PostgreSQL(settings, beside=timescaledb) if partitions else TimescaleDB(settings, timescaledb)
