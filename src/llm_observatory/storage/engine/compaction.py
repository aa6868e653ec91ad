"""What COPY wrote into the columnstore directly is put in order once its time is over.

Each commit leaves batches of its own there, which overlap in time: reading the newest of them takes all. TimescaleDB 2.29 has a
policy that puts them in order while the chunk is still written to; before that the chunk is locked against COPY meanwhile,
so it waits until nobody is likely to write there any more. A chunk both unordered and partial takes two calls.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.each import each
from llm_observatory.storage.translate import translated
from llm_observatory.tables import BY_NAME

_log = structlog.get_logger(__name__)

QUIET = timedelta(minutes=10)
"""After the end of a chunk: what arrives later is late, and comes seldom."""

STATEMENT_TIMEOUT = "30min"

_UNORDERED = 2
"""Of the bits of a chunk's status (1 compressed, 2 unordered, 4 frozen, 8 partial)."""

_LEFT = f"""
SELECT format('%%I.%%I', chunk_schema, chunk_name)
FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %(table)s AND is_compressed
  AND range_end <= %(over)s AND range_end > %(compressed_anyway)s
  AND _timescaledb_functions.chunk_status(format('%%I.%%I', chunk_schema, chunk_name)::regclass) & {_UNORDERED} <> 0
ORDER BY range_end
"""

_COMPRESS = "SELECT compress_chunk(%s::regclass)"


async def compact(connection: AsyncConnection, now: datetime, settings: Settings) -> int:
    """Put the unordered chunks in order that are over and not yet the columnstore policy's. Returns how many calls it took."""
    calls = 0
    over = {"over": now - QUIET, "compressed_anyway": now - settings.compress_after}

    async def compact_table(table: str) -> None:
        nonlocal calls
        for _ in range(2):
            cursor = await connection.execute(_LEFT.encode(), {**over, "table": table})
            for (chunk,) in await cursor.fetchall():
                async with connection.transaction():
                    await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
                    await connection.execute(_COMPRESS, [chunk])
                calls += 1

    with translated():
        await each(connection, "compaction", [table.name for table in BY_NAME.values() if table.partitioned], compact_table)
    if calls:
        _log.info("chunks put in order", calls=calls)
    return calls
