"""The connection that upkeep by hand works on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm_observatory.storage.connection import AsyncConnection, connected
from llm_observatory.storage.translate import translated

APPLICATION_NAME = "llm-observatory-maintain"

LOCK_TIMEOUT = "10s"
"""A relation that somebody holds for longer is passed over. Its readers and COPY do not wait behind us, for what is asked for
conflicts with neither; what drops chunks and partitions does, and waits for as long as other upkeep (see `drop`)."""

_SESSION = "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', '0', false)"


@asynccontextmanager
async def upkeep(conninfo: str) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements may take as long as they take. Past a transaction pooler (DB_DIRECT_URL)."""
    async with connected(conninfo, APPLICATION_NAME) as connection:
        with translated():
            await connection.execute(_SESSION, [LOCK_TIMEOUT])
        yield connection
