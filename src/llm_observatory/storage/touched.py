"""The queue of what changed: collected by one at a time, for rollups that are tables, filters of searches, and traces."""

from __future__ import annotations

import time
from collections.abc import Iterable

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.statements import statement

COLLECT_ROWS = 20_000


async def collect(connection: AsyncConnection, signals: Iterable[str], deadline: float) -> None:
    """File what was touched, until `time.monotonic` says so: hours of `signals`, and the traces, as pending, filters as empty.

    Never while an hour is computed: if that hour is filed already, its computing would take the entry away, and leave the day,
    which still looks open, for later: nobody would come later.
    """
    collected = COLLECT_ROWS
    while collected == COLLECT_ROWS and time.monotonic() < deadline:
        async with connection.transaction():
            await transaction_lock(connection, Lock.ROLLUPS)
            cursor = await connection.execute(statement("collect_touched"), {"limit": COLLECT_ROWS, "signals": sorted(signals)})
            row = await cursor.fetchone()
        collected = row[0] if row else 0
