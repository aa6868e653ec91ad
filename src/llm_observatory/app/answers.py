"""Answering questions: the read side, and the query port before it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from llm_observatory.app.access import Access
from llm_observatory.app.health import Health
from llm_observatory.app.query_services import query_services
from llm_observatory.app.read_side import ReadSide, reading_place
from llm_observatory.query.server import QueryServer
from llm_observatory.settings import Settings
from llm_observatory.storage.read import PoolReader


@dataclass(frozen=True, slots=True)
class Answers:
    """What answers questions, running."""

    read_side: ReadSide
    server: QueryServer
    health: Health
    port: int

    async def probe(self) -> None:
        """See how the database is, and tell the clients of `grpc.health.v1`. Maintenance stops no questions."""
        await self.read_side.probe()
        self.server.set_serving(serving=not self.health.query_reasons)


@asynccontextmanager
async def answers(settings: Settings, access: Access, health: Health, where: Callable[[], str]) -> AsyncIterator[Answers]:
    """Listen while the block runs; `where` as ReadSide takes it. Let the server end its calls first, with `stop`."""
    assert health.reading is not None  # noqa: S101 - of the process that answers
    read_side = ReadSide(settings, health, health.reading, where)
    timeout = settings.query_timeout.total_seconds()
    async with _cache(settings) as cache:
        server = QueryServer(
            query_services(PoolReader(read_side.pool), timeout),
            timeout=timeout,
            reflect=settings.grpc_reflection,
            behind=cache,
            certificate=access.certificate,
            tenant_of=access.tenant_of("query"),
        )
        try:
            yield Answers(read_side, server, health, await server.start(settings.listen_host, settings.query_port))
        finally:
            await server.stop(0.0)
            await read_side.close()


@asynccontextmanager
async def _cache(settings: Settings) -> AsyncIterator[Sequence[grpc.aio.ServerInterceptor]]:  # type: ignore[type-arg]  # see Caching
    if settings.redis_url is None:
        yield ()
        return
    # 0.4 s of import, for a cache that few have.
    from llm_observatory.query.cache import Caching  # noqa: PLC0415
    from llm_observatory.query.store import RedisStore  # noqa: PLC0415

    url = settings.redis_url.get_secret_value()
    store = RedisStore(url, connections=settings.redis_pool_size, timeout=settings.redis_timeout_secs)
    # Folders of embedded servers have the same names on many machines.
    place = f"{reading_place(settings)} of {socket.gethostname() if settings.embedded else ''}"
    try:
        yield (Caching(store, place),)
    finally:
        await store.close()
