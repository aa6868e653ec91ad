"""The query service over a real PostgreSQL, in the process of the test: records in by the real codec, questions by gRPC."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from google.protobuf.message import Message

from llm_observatory import codec
from llm_observatory.codec import Terms
from llm_observatory.query.server import MAX_ANSWER_BYTES, QueryServer, Service
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.read import PoolReader
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from tests.plugins.otlp_messages import REQUESTS

TENANT = "default"
TERMS = Terms(max_age_us=None, max_ahead_us=2**62, content_max_bytes=1024**2)
"""Under which records of any time are taken in."""

_SIGNALS = {type_: signal for signal, type_ in REQUESTS.items()}


class Query:
    """One database: written as the service writes it, read through `reader`, asked through the channel of `serve`."""

    def __init__(self, database: str, opened: AsyncExitStack) -> None:
        self.database = database
        """Its URL."""
        self.pool = ReadPool(database, Settings(db_pool_min_connections=1, db_pool_max_connections=4))
        self.reader = PoolReader(lambda: self.pool)
        self._opened = opened
        engine = CurrentEngine(lambda: connect(database), Settings())
        self._session = CommitSession(lambda: connect(database), CopyWriter(60), engine, KnownDimensions())

    async def store(self, *requests: Message, tenant: str = TENANT, now: int | None = None) -> None:
        """Commit Export*ServiceRequests in one transaction, as received at `now` (microseconds; default: now)."""
        now = time.time_ns() // 1000 if now is None else now
        group = [_write_request(request, tenant, now) for request in requests]
        stored = await self._session.write(group)
        assert stored == [Stored(request.answer) for request in group], "refused, or sent before: requests must differ in bytes"

    async def serve(self, *services: Service, query_timeout: float = 10.0) -> grpc.aio.Channel:
        """A channel to these services; closed with the test. `query_timeout` is in seconds."""
        return await self._opened.enter_async_context(serving(*services, query_timeout=query_timeout))

    async def open(self) -> None:
        """Fill the pool."""
        await self.pool.open()
        self._opened.push_async_callback(self._session.close)
        self._opened.push_async_callback(self.pool.close)


@asynccontextmanager
async def serving(*services: Service, query_timeout: float = 10.0, reflect: bool = False) -> AsyncIterator[grpc.aio.Channel]:
    """A QueryServer on a free port, and a channel to it."""
    server = QueryServer(services, timeout=query_timeout, reflect=reflect)
    port = await server.start("127.0.0.1", 0)
    server.set_serving(serving=True)
    try:
        options = [("grpc.max_receive_message_length", MAX_ANSWER_BYTES)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield channel
    finally:
        await server.stop(0.0)


@asynccontextmanager
async def opened(database: str) -> AsyncIterator[Query]:
    """A database of whatever engine."""
    async with AsyncExitStack() as stack:
        made = Query(database, stack)
        await made.open()
        yield made


@pytest.fixture
async def query(database: str) -> AsyncIterator[Query]:
    """A fresh database."""
    async with opened(database) as made:
        yield made


def _write_request(request: Message, tenant: str, now: int) -> WriteRequest:
    signal, payload = _SIGNALS[type(request)], request.SerializeToString()
    digest = codec.digest(signal, tenant, payload)
    made = codec.encode(signal, tenant, payload, digest, now, TERMS)
    assert not made.rejected, made.rejected
    return WriteRequest(tenant, signal, digest, codec.answer(signal, made), now, made)
