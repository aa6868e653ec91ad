"""All probes on one database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from tests.engines.capability import Section
from tests.engines.columnstore import COLUMNSTORE
from tests.engines.direct_compress import DIRECT_COMPRESS
from tests.engines.large_values import LARGE_VALUES
from tests.engines.partitions import PARTITIONS
from tests.engines.reconciliation import RECONCILIATION
from tests.engines.record import Run
from tests.engines.retention import RETENTION
from tests.engines.rollups import ROLLUPS
from tests.engines.target import target

SECTIONS: tuple[Section, ...] = (
    PARTITIONS,
    COLUMNSTORE,
    LARGE_VALUES,
    DIRECT_COMPRESS,
    ROLLUPS,
    RETENTION,
    RECONCILIATION,
)
"""In this order, on one database: rollups are compared with all rows so far, and after that rows are dropped."""

_LICENCES = {"timescale": "community", "apache": "Apache"}

_WHAT = """
SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       current_setting('timescaledb.license', true)
"""


async def probe(url: str, build: str = "", progress: Callable[[str], None] = lambda _line: None, *, large: bool = False) -> Run:
    """Migrate the database at `url` and try everything on it; `large` also what takes gigabytes of memory."""
    await migrate.up(url, lambda _line: None, Settings())
    found = {}
    async with target(url, large=large) as on:
        [(server, timescaledb, licence)] = await on.fetch(_WHAT)
        if timescaledb:
            # Its jobs are run by the probes, and by nobody else at the same time.
            await on.connection.execute("SELECT _timescaledb_functions.stop_background_workers()")
        for capability in (capability for section in SECTIONS for capability in section.capabilities):
            await on.engine.reconcile(on.connection, Settings())
            try:
                found[capability.name] = await capability.probe(on)
            except Exception as error:
                error.add_note(f"tried on {on.engine}: {capability.name}")
                raise
            progress(f"{capability.name}: {found[capability.name]}")
    return Run(
        engine="TimescaleDB" if timescaledb else "PostgreSQL",
        version=timescaledb or server.split()[0],
        licence=_LICENCES[licence] if timescaledb else "",
        build=build,
        postgresql=server.split()[0],
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        found=found,
    )
