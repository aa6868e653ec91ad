"""One look at the database: all readings over one connection, each by itself: one that fails hides no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, Connect
from llm_observatory.storage.deadline import deadline
from llm_observatory.storage.observe import certificates, readings
from llm_observatory.storage.observe.reading import Reader
from llm_observatory.storage.observe.rollup_lag import rollup_lag
from llm_observatory.storage.translate import translated

STATEMENT_TIMEOUT, LOCK_TIMEOUT = "5s", "1s"
LONGEST_SECONDS = 30.0
"""Of one look; then its connection is severed."""

_SESSION = """
SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),
       set_config('application_name', current_setting('application_name') || ' observer', false)
"""


@dataclass(slots=True)
class Observation:
    """What was read, None where it could not be; `failed` says of each such reading why."""

    taken_at: datetime
    database: readings.DatabaseState | None = None
    age: readings.Age | None = None
    left_over: readings.LeftOver | None = None
    table_sizes: dict[str, int] | None = None
    backups: list[readings.Backup] | None = None
    archive: tuple[readings.Archive, readings.ArchiveWaiting | None] | None = None
    replicas: list[readings.Replica] | None = None
    rollup_lag: dict[str, float] | None = None
    certificates: dict[str, datetime] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def session(connect: Connect) -> AsyncIterator[AsyncConnection]:
    """A connection to look with: its statements and its waiting for locks are bounded, and so is its life."""
    connection = await connect()
    try:
        with deadline(connection, LONGEST_SECONDS):
            with translated():
                await connection.execute(_SESSION, [STATEMENT_TIMEOUT, LOCK_TIMEOUT])
            yield connection
    finally:
        await connection.close()


def own_certificates(settings: Settings) -> dict[str, Path]:
    """The files of certificates that we show, by the name that the gauge gives them."""
    return {} if settings.tls_cert_file is None else {"otlp": settings.tls_cert_file}


async def observe(connection: AsyncConnection, settings: Settings) -> Observation:
    """Read everything. Raises StorageError when the connection is lost."""
    now = datetime.now(UTC)
    read = Reader(connection)
    seen = Observation(now, failed=read.failed)
    has = await readings.engine_has(connection)
    seen.database = await read("database", lambda: readings.database_state(connection))
    seen.age = await read("age", lambda: readings.age(connection))
    seen.left_over = await read("left_over", lambda: readings.left_over(connection, settings))
    seen.table_sizes = await read("table_sizes", lambda: readings.table_sizes(connection, has))
    seen.backups = await read("backups", lambda: readings.backups(connection))
    seen.archive = await read("archive", lambda: readings.archive(connection))
    seen.replicas = await read("replicas", lambda: readings.replicas(connection))
    seen.rollup_lag = await read("rollup_lag", lambda: rollup_lag(connection, settings, has, now))
    ends = {"database": await read("certificate of the database", lambda: certificates.of_database(connection))}
    for name, path in own_certificates(settings).items():
        ends[name] = await read(f"certificate {name}", lambda path=path: _of_file(path))  # type: ignore[misc]
    seen.certificates = {name: end for name, end in ends.items() if end is not None}
    return seen


async def _of_file(path: Path) -> datetime:
    return certificates.of_file(path)
