"""Whether the database is there, how fast it answers, and whether an acknowledged record is a stored one there.

One connection of its own, kept between probes and opened anew after a failure; every probe is bounded by TIMEOUT_SECONDS.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import LiteralString

from llm_observatory.errors import StorageError, StorageUnavailable
from llm_observatory.storage import migrate
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.deadline import deadline
from llm_observatory.storage.translate import translated

TIMEOUT_SECONDS = 1.0

_REQUIRED: tuple[tuple[LiteralString, str, str], ...] = (
    ("fsync", "on", "fsync is off: a crash of the host loses acknowledged data"),
    ("full_page_writes", "on", "full_page_writes is off: a crash of the host can corrupt acknowledged data"),
    ("server_encoding", "UTF8", "the database is not encoded in UTF8: most text cannot be stored"),
)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says about itself. `faults` are reasons not to store anything here, a readable line each."""

    version: str
    settings: dict[str, str]
    pending: tuple[str, ...]
    faults: tuple[str, ...]


async def facts(connection: AsyncConnection) -> ServerFacts:
    """Ask the server. Raises StorageError."""
    with translated():
        cursor = await connection.execute(
            "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [[name for name, _, _ in _REQUIRED]]
        )
        found: dict[str, str] = dict(await cursor.fetchall())
        row = await (await connection.execute("SELECT current_setting('server_version'), pg_is_in_recovery()")).fetchone()
    version, standby = row or ("", False)
    faults = [fault for name, value, fault in _REQUIRED if found.get(name) != value]
    if standby:
        faults.append("the server is a read-only standby")
    return ServerFacts(version, found, tuple(await migrate.pending(connection)), tuple(faults))


class DatabaseProbe:
    """Probes one database over one connection. Not for use by several tasks at once."""

    def __init__(self, conninfo: str, application_name: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._conninfo = conninfo
        self._application_name = f"{application_name} probe"
        self._timeout = timeout_seconds
        self._connection: AsyncConnection | None = None

    async def ping(self) -> float:
        """Milliseconds of one round trip. Raises StorageError within the timeout (twice it when connecting)."""
        connection = await self._ready()
        began = time.perf_counter()
        with deadline(connection, self._timeout), translated():
            await connection.execute("SELECT 1")
        return (time.perf_counter() - began) * 1000

    async def facts(self) -> ServerFacts:
        """See `facts`."""
        connection = await self._ready()
        with deadline(connection, self._timeout):
            return await facts(connection)

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ready(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = None
            try:
                async with asyncio.timeout(self._timeout):
                    self._connection = await connect(self._conninfo, self._application_name)
            except TimeoutError as error:
                raise StorageUnavailable("the database does not answer in time") from error
        return self._connection


def words(error: StorageError) -> str:
    """`error` as a reason for people, with what the driver said (hosts and tables are fine here: operators read this)."""
    cause = error.__cause__
    detail = str(cause).strip().splitlines()[0] if cause is not None and str(cause).strip() else ""
    return f"{error}: {detail}" if detail else str(error)
