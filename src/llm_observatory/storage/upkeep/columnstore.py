"""Compression of chunks by hand, as the policy does it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.columnstore import JOB_SETTINGS
from llm_observatory.storage.engine.detect import edition
from llm_observatory.storage.translate import translated

_DUE = """
SELECT format('%%I.%%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = ANY(%s) AND NOT is_compressed AND range_end <= %s
ORDER BY range_end, 1
"""


async def why_nothing_can_be_compressed(connection: AsyncConnection) -> str | None:
    """The reason on this engine; None: chunks can be. Raises StorageError."""
    found = await edition(connection)
    if found is None:
        return (
            "there is nothing to compress: plain PostgreSQL has no columnstore, and large columns are compressed as they come"
        )
    timescaledb, partitions = found
    if partitions:
        return "there is nothing to compress: the tables are partitions, `llm-observatory migrate timescaledb` moves them"
    if not timescaledb.community:
        return "there is nothing to compress: the columnstore is not under TimescaleDB's Apache licence"
    return None


async def due(connection: AsyncConnection, tables: Sequence[str], before: datetime) -> list[str]:
    """Chunks of `tables` that ended until `before` and are not compressed, the oldest first. Raises StorageError."""
    with translated():
        cursor = await connection.execute(_DUE, [list(tables), before])
        return [chunk for (chunk,) in await cursor.fetchall()]


async def compress(connection: AsyncConnection, chunk: str) -> None:
    """One chunk; writers of late records wait meanwhile, readers do not. Raises StorageError."""
    with translated():
        async with connection.transaction():
            for name, value in JOB_SETTINGS.items():
                await connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            await connection.execute("SELECT compress_chunk(%s::regclass)", [chunk])
