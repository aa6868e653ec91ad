"""A run of all probes on one database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from llm_observatory.settings import Settings
from llm_observatory.storage import migrate
from tests.engines.capability import Section
from tests.engines.columnstore import COLUMNSTORE
from tests.engines.direct_compress import DIRECT_COMPRESS
from tests.engines.large_values import LARGE_VALUES
from tests.engines.partitions import PARTITIONS
from tests.engines.reconciliation import RECONCILIATION
from tests.engines.retention import RETENTION
from tests.engines.rollups import ROLLUPS
from tests.engines.target import Target, target

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


@dataclass(frozen=True, slots=True)
class Run:
    """What was found on an engine, and when. `build` is `embedded` or `WebAssembly`, '' of a server of its own."""

    engine: str
    version: str
    licence: str
    build: str
    postgresql: str
    date: str
    found: dict[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """A later run with the same takes its place. Of what comes with the tests there is one version."""
        return (self.engine, self.licence, self.build, "" if self.build else self.version)

    @property
    def release(self) -> tuple[str, ...]:
        """What it has in common with its patches: of PostgreSQL the first number, of TimescaleDB the first two."""
        numbers = self.version.split(".")[: 2 if self.engine == "TimescaleDB" else 1]
        return (self.engine, self.licence, self.build, *numbers)


async def probe(url: str, build: str = "", progress: Callable[[str], None] = lambda _line: None) -> Run:
    """Migrate the database at `url` and try everything on it."""
    await migrate.up(url, lambda _line: None)
    found = {}
    async with target(url) as on:
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
