"""The services of the query port, each on one reader."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from llm_observatory.query import logs, metrics, traces, usage
from llm_observatory.query.server import MAX_ANSWER_BYTES, QueryServer, Service
from llm_observatory.settings import Settings
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.read import PoolReader, Reader


def query_services(reader: Reader, timeout: float) -> tuple[Service, ...]:
    """All there are. `timeout` is QUERY_TIMEOUT in seconds, for each read of what has no end."""
    return (traces.service(reader), metrics.service(reader), logs.service(reader, timeout), usage.service(reader))


@asynccontextmanager
async def serving(conninfo: str) -> AsyncIterator[grpc.aio.Channel]:
    """All services in this process, without a cache, on the database at `conninfo`; a channel to them."""
    settings = Settings()
    pool = ReadPool(conninfo, settings)
    timeout = settings.query_timeout.total_seconds()
    server = QueryServer(query_services(PoolReader(lambda: pool), timeout), timeout=timeout)
    await pool.open()
    try:
        port = await server.start("127.0.0.1", 0)
        server.set_serving(serving=True)
        options = [("grpc.max_receive_message_length", MAX_ANSWER_BYTES)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield channel
    finally:
        await server.stop(0.0)
        await pool.close()
