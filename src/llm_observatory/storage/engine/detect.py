"""Which engine a database has."""

from __future__ import annotations

import structlog

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.postgresql import PostgreSQL
from llm_observatory.storage.engine.protocol import Engine
from llm_observatory.storage.translate import translated

_log = structlog.get_logger(__name__)


async def detect(connection: AsyncConnection, settings: Settings) -> Engine:
    """The engine of this database. Raises StorageError when it cannot be asked."""
    with translated():
        cursor = await connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        timescaledb = await cursor.fetchone()
    if timescaledb is not None:
        _log.warning(
            "timescaledb is installed and not used yet: facts are partitioned by plain postgresql", version=timescaledb[0]
        )
    return PostgreSQL(settings)
