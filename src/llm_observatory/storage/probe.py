"""Whether the database is there, how fast it answers, and whether an acknowledged record is a stored one there.

One connection of its own, kept between probes and opened anew after a failure. Every probe is bounded, by TIMEOUT_SECONDS
unless it says otherwise.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from llm_observatory.errors import StorageError, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import maintenance_mode, migrate
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.deadline import deadline
from llm_observatory.storage.engine import detect
from llm_observatory.storage.translate import translated

TIMEOUT_SECONDS = 1.0
CATALOG_SECONDS = 10.0
"""For a look at every table, which a large catalog makes long."""

MINIMUM_VERSION = 150000

_SHOWN = ("fsync", "full_page_writes", "server_encoding")

_SERVER = """
SELECT (SELECT json_object_agg(name, current_setting(name)) FROM unnest(%s::text[]) AS name),
       current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
       current_setting('default_transaction_read_only')
"""

# What was received is not all there is where nobody sends.
_LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 0
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
END
"""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says about itself. `faults` are reasons not to store anything here, a readable line each."""

    version: str
    engine: str
    settings: dict[str, str]
    pending: tuple[str, ...]
    faults: tuple[str, ...]


async def facts(connection: AsyncConnection) -> ServerFacts:
    """Ask the server. Raises StorageError."""
    with translated():
        row = await (await connection.execute(_SERVER, [list(_SHOWN)])).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    settings, version, number, standby, read_only = row
    checks = (
        (number < MINIMUM_VERSION, f"PostgreSQL {version} is too old; 15 or newer is needed"),
        (settings["fsync"] != "on", "fsync is off: a crash loses acknowledged data; set fsync = on"),
        (settings["full_page_writes"] != "on", "full_page_writes is off: a crash can tear pages; set full_page_writes = on"),
        (
            settings["server_encoding"] != "UTF8",
            f"the database is encoded as {settings['server_encoding']}; create it with ENCODING 'UTF8'",
        ),
        (standby, "the server is a standby in recovery; connect to the primary"),
        (read_only == "on" and not standby, "default_transaction_read_only is on; nothing can be written"),
    )
    faults = tuple(fault for failed, fault in checks if failed)
    engine = str(await detect(connection, Settings()))
    return ServerFacts(version, engine, settings, tuple(await migrate.pending(connection)), faults)


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

    async def lag(self) -> float | None:
        """Seconds that a standby is behind its primary: 0 for one that has replayed all, and for what is no standby.

        None for a standby that never replayed a transaction. Raises as `ping`.
        """
        connection = await self._ready()
        with deadline(connection, self._timeout), translated():
            row = await (await connection.execute(_LAG)).fetchone()
        return None if row is None or row[0] is None else float(row[0])

    async def maintenance_mode(self) -> maintenance_mode.MaintenanceMode | None:
        """See `maintenance_mode.current`."""
        connection = await self._ready()
        with deadline(connection, self._timeout):
            return await maintenance_mode.current(connection)

    async def pending(self) -> list[str]:
        """See `migrate.pending`."""
        connection = await self._ready()
        with deadline(connection, self._timeout):
            return await migrate.pending(connection)

    async def facts(self) -> ServerFacts:
        """See `facts`."""
        connection = await self._ready()
        with deadline(connection, self._timeout):
            return await facts(connection)

    async def differences(self) -> list[str]:
        """What keeps records from being stored: see `migrate.differences`. Within CATALOG_SECONDS."""
        connection = await self._ready()
        with deadline(connection, CATALOG_SECONDS):
            return await migrate.differences(connection, for_records=True)

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
