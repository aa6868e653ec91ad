"""What COPY wrote into the columnstore directly is put in order once its time is over.

Each commit leaves batches of its own there, which overlap in time: reading the newest of them takes all. TimescaleDB 2.29 has a
policy that puts them in order while the chunk is still written to, but passes over chunks that small commits have left rows
in ("partial"): these rows are compressed for it, which locks nobody out. Before 2.29 putting in order locks the chunk against
COPY, so it waits until nobody is likely to write there any more. A chunk both unordered and partial takes two calls.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.each import each
from llm_observatory.tables import BY_NAME

_log = structlog.get_logger(__name__)

QUIET = timedelta(minutes=10)
"""After the end of a chunk: what arrives later is late, and comes seldom."""

STATEMENT_TIMEOUT = "30min"

_UNORDERED, _PARTIAL = 2, 8
"""Of the bits of a chunk's status (1 compressed, 2 unordered, 4 frozen, 8 partial)."""

_CHUNKS = """
SELECT format('%%I.%%I', chunk_schema, chunk_name)
FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %(table)s AND is_compressed
  AND range_end > %(ends_after)s AND range_end <= %(ends_until)s
  AND _timescaledb_functions.chunk_status(format('%%I.%%I', chunk_schema, chunk_name)::regclass) & %(status)s = %(status)s
ORDER BY range_end
"""

_COMPRESS = "SELECT compress_chunk(%s::regclass)"


async def compact(connection: AsyncConnection, now: datetime, settings: Settings) -> int:
    """Put the unordered chunks in order that are over and not yet the columnstore policy's. Returns how many calls it took."""
    over = {"ends_after": now - settings.compress_after, "ends_until": now - QUIET, "status": _UNORDERED}
    return sum([await _compress(connection, over) for _ in range(2)])


async def restore_partial(connection: AsyncConnection, now: datetime) -> int:
    """Compress the rows of small commits in chunks that are written to. Returns how many chunks had some.

    Segment by segment, while COPY goes on; only of a chunk that is unordered and nothing else COPY would be locked out.
    """
    live = {"ends_after": now - QUIET, "ends_until": datetime.max.replace(tzinfo=UTC), "status": _UNORDERED | _PARTIAL}
    return await _compress(connection, live)


async def _compress(connection: AsyncConnection, which: dict[str, object]) -> int:
    calls = 0

    async def compress(table: str) -> None:
        nonlocal calls
        cursor = await connection.execute(_CHUNKS, {**which, "table": table})
        for (chunk,) in await cursor.fetchall():
            async with connection.transaction():
                await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
                await connection.execute(_COMPRESS, [chunk])
            calls += 1

    await each(connection, "compaction", [table.name for table in BY_NAME.values() if table.partitioned], compress)
    if calls:
        _log.info("chunks put in order", calls=calls)
    return calls
