"""Taking records in: the write path, and the OTLP ports before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from llm_observatory.app.access import Access
from llm_observatory.app.database import Database
from llm_observatory.app.health import Health
from llm_observatory.app.otlp_servers import OtlpServers, otlp_servers
from llm_observatory.app.write_check import WriteCheck
from llm_observatory.app.write_path import write_path
from llm_observatory.pipeline.ingest import Ingest
from llm_observatory.settings import Settings
from llm_observatory.storage.engine.current import CurrentEngine


@dataclass(frozen=True, slots=True)
class Intake:
    """What takes records in, running."""

    database: Database
    ingest: Ingest
    check: WriteCheck
    servers: OtlpServers
    grpc_port: int
    http_port: int

    async def probe(self) -> None:
        """See how the database is, once it was brought up."""
        if self.database.ready.is_set():
            await self.database.probe()
            await self.check.recheck()


@asynccontextmanager
async def intake(
    settings: Settings,
    access: Access,
    database: Database,
    engine: CurrentEngine,
    health: Health,
    tasks: asyncio.TaskGroup,
    *,
    share_port: bool,
) -> AsyncIterator[Intake]:
    """Listen and commit while the block runs. Stop the servers and drain ingest first, as `write_path` says."""
    async with write_path(settings, database.connect, engine, health, tasks) as (ingest, check):
        servers = otlp_servers(settings, access, ingest, share_port=share_port, maintenance=lambda: health.under_maintenance)
        grpc_port, http_port = await servers.start(settings, share_port=share_port)
        yield Intake(database, ingest, check, servers, grpc_port, http_port)
