"""An HTTP receiver on a free loopback port with a scripted ingest behind it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from llm_observatory.otlp.cors import Cors
from llm_observatory.otlp.entrance import Entrance
from llm_observatory.otlp.http_receiver import HttpReceiver
from llm_observatory.otlp.http_server import HttpServer
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization
from tests.contract.http.connection import Answer, connected
from tests.plugins.scripted_ingest import ScriptedIngest

LIMIT = 1024 * 1024
MAX_ITEMS = 1000


@dataclass
class Http:
    """The running receiver and what is behind it."""

    ingest: ScriptedIngest
    entrance: Entrance
    server: HttpServer
    port: int

    async def ask(self, request: bytes) -> Answer:
        """The answer to one request on a connection of its own."""
        async with connected(self.port) as connection:
            await connection.send(request)
            return await connection.answer()


Start = Callable[..., AbstractAsyncContextManager[Http]]


@contextlib.asynccontextmanager
async def serve(
    *,
    read_slots: int = 4,
    read_deadline: float = 5.0,
    header_timeout: float = 10.0,
    idle_timeout: float = 60.0,
    max_age: float | None = None,
    max_connections: int = 1000,
    socket: Path | None = None,
    origins: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    certificate: Certificate | None = None,
    tenant_of: Authorization = single_tenant,
) -> AsyncIterator[Http]:
    ingest = ScriptedIngest()
    entrance = Entrance(ingest, read_slots, read_deadline=read_deadline)
    paths = {"/v1/traces": TRACES, "/v1/metrics": METRICS, "/v1/logs": LOGS}
    cors = Cors(origins, headers, timedelta(hours=1))
    receiver = HttpReceiver(entrance, paths, max_request_bytes=LIMIT, max_items=MAX_ITEMS, cors=cors, tenant_of=tenant_of)
    server = HttpServer(
        receiver,
        header_timeout=header_timeout,
        idle_timeout=idle_timeout,
        max_age=max_age,
        max_connections=max_connections,
        certificate=certificate,
    )
    port = await server.start("127.0.0.1", 0, socket=socket)
    try:
        yield Http(ingest, entrance, server, port)
    finally:
        ingest.commit.set()
        await server.stop(5.0)


@pytest.fixture
def start() -> Start:
    """Starts a receiver with other limits than the defaults."""
    return serve


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with serve() as running:
        yield running
