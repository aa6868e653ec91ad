"""Sessions of this database that hold it up, and how they are ended; and the statistics of statements."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

_SESSIONS = """
SELECT pid, backend_start, usename, application_name, coalesce(host(client_addr), 'local'), coalesce(state, 'unknown'),
       extract(epoch FROM clock_timestamp() - CASE state WHEN 'active' THEN query_start ELSE state_change END)::float8,
       left(regexp_replace(query, '\\s+', ' ', 'g'), 80),
       starts_with(application_name, %(ours)s) OR starts_with(application_name, 'llm-observatory')
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (pid = %(pid)s
       OR (state LIKE 'idle%%' AND state_change < clock_timestamp() - %(idle_for)s::interval)
       OR (state = 'active' AND query_start < clock_timestamp() - %(running_for)s::interval))
ORDER BY 7 DESC NULLS LAST
"""

# A pid may be another session's by now.
_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"

_HAS_STATISTICS = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')"

_RESET = "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)"


class Session(NamedTuple):
    """A session, and how long it has been in its state, or its statement has run."""

    pid: int
    began: datetime
    user: str | None
    application: str
    client: str
    state: str
    seconds: float | None
    query: str
    ours: bool
    """One of the service's own: committers, pools, probe, maintenance."""


async def sessions(
    connection: AsyncConnection, ours: str, *, pid: int | None, idle_for: timedelta | None, running_for: timedelta | None
) -> list[Session]:
    """Those that any of the conditions fits; `ours` begins the application name of the service's own. Raises StorageError."""
    given = {"ours": ours, "pid": pid, "idle_for": idle_for, "running_for": running_for}
    with translated():
        return [Session(*row) for row in await (await connection.execute(_SESSIONS, given)).fetchall()]


async def terminate(connection: AsyncConnection, session: Session) -> bool:
    """End it; its open transaction is rolled back. False when it had ended. Raises StorageError."""
    with translated():
        row = await (await connection.execute(_TERMINATE, [session.pid, session.began])).fetchone()
    return row is not None and bool(row[0])


async def reset_statistics(connection: AsyncConnection) -> bool:
    """Forget what pg_stat_statements knows of this database; False where it is not installed. Raises StorageError."""
    with translated():
        if await (await connection.execute(_HAS_STATISTICS)).fetchone() != (True,):
            return False
        await connection.execute(_RESET)
    return True
