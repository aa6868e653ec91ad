"""A day of a table into the columnstore of TimescaleDB."""

from __future__ import annotations

from datetime import datetime

from llm_observatory.operate.bench.query.database import elapsed, rows
from llm_observatory.operate.bench.query.pool import DAY
from llm_observatory.storage.connection import AsyncConnection

_CHUNKS = (
    "SELECT chunk::text FROM show_chunks(%s::regclass, newer_than => %s::timestamptz, older_than => %s::timestamptz) AS chunk"
)


async def compress(connection: AsyncConnection, table: str, day: datetime) -> float:
    """Compress a day of a table as its columnstore policy does. Returns the seconds it took."""
    found = await rows(connection, _CHUNKS, table, day, day + DAY)
    return sum([await elapsed(connection, "SELECT compress_chunk(%s::regclass)", chunk) for (chunk,) in found])
