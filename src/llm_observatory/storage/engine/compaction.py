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
from llm_observatory.storage.translate import translated
from llm_observatory.tables import PARTITIONED

_log = structlog.get_logger(__name__)

QUIET = timedelta(minutes=10)
"""After the end of a chunk: what arrives later is late, and comes seldom."""

STATEMENT_TIMEOUT = "30min"

_MOST_CALLS = 2
"""For one chunk: the first compresses what is partial, the second orders."""

_UNORDERED, _PARTIAL = 2, 8
"""Of the bits of a chunk's status (1 compressed, 2 unordered, 4 frozen, 8 partial)."""

_CHUNKS = """
SELECT chunk FROM (
    SELECT format('%%I.%%I', chunk_schema, chunk_name) AS chunk, range_end
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = ANY(%(tables)s) AND is_compressed
      AND range_end > %(ends_after)s AND range_end <= %(ends_until)s
) compressed
WHERE _timescaledb_functions.chunk_status(chunk::regclass) & %(status)s = %(status)s
ORDER BY range_end, chunk
"""

_STATUS = "SELECT _timescaledb_functions.chunk_status(%s::regclass)"

_COMPRESS = "SELECT compress_chunk(%s::regclass)"


async def compact(connection: AsyncConnection, now: datetime, settings: Settings) -> int:
    """Put the unordered chunks in order that are over and not yet the columnstore policy's. Returns how many calls it took.

    Every chunk is tried; the first failure is raised at the end.
    """
    over = {"ends_after": now - settings.compress_after, "ends_until": now - QUIET}
    return await _compress(connection, over, _UNORDERED, _MOST_CALLS)


async def restore_partial(connection: AsyncConnection, now: datetime) -> int:
    """Compress the rows of small commits in chunks that are written to. Returns how many chunks had some.

    Segment by segment, while COPY goes on; only of a chunk that is unordered and nothing else COPY would be locked out.
    """
    live = {"ends_after": now - QUIET, "ends_until": datetime.max.replace(tzinfo=UTC)}
    return await _compress(connection, live, _UNORDERED | _PARTIAL, 1)


async def _compress(connection: AsyncConnection, which: dict[str, datetime], status: int, most: int) -> int:
    """Call for each chunk of `which` until it has not all of `status` any more, `most` times at most."""
    calls = 0

    async def compress(chunk: str) -> None:
        nonlocal calls
        for _ in range(most):
            row = await (await connection.execute(_STATUS, [chunk])).fetchone()
            if not row or row[0] & status != status:
                return
            async with connection.transaction():
                await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
                await connection.execute(_COMPRESS, [chunk])
            calls += 1

    with translated():
        cursor = await connection.execute(_CHUNKS, {**which, "tables": list(PARTITIONED), "status": status})
        chunks = [chunk for (chunk,) in await cursor.fetchall()]
    try:
        await each(connection, "compaction", chunks, compress)
    finally:
        if calls:
            _log.info("chunks put in order", calls=calls)
    return calls
