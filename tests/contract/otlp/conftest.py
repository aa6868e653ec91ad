"""A receiver on a free loopback port with a scripted ingest behind it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from llm_observatory.otlp.entrance import Entrance
from llm_observatory.otlp.grpc_options import Options, connection_options
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.otlp.grpc_server import GrpcServer
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization
from llm_observatory.settings import Settings
from tests.plugins.scripted_ingest import ScriptedIngest
from tests.plugins.wire import EXPORT_TRACES

Call = aio.UnaryUnaryMultiCallable[bytes, bytes]
MIB = 1024 * 1024
CONNECTIONS = connection_options(Settings())


def raw_method(channel: aio.Channel, path: str) -> Call:
    """A method by its full name; bytes in, bytes out."""
    method: Call = channel.unary_unary(path)  # type: ignore[call-arg]  # the stubs ask for serializers, bytes need none
    return method


def trailers(error: aio.AioRpcError) -> dict[str, str | bytes]:
    """The trailing metadata of a failed call; the stubs deny that it is made of pairs."""
    pairs: Any = error.trailing_metadata()
    return dict(pairs)


@dataclass
class Otlp:
    """The running receiver, what is behind it, and a stock client in front of it."""

    ingest: ScriptedIngest
    receiver: GrpcReceiver
    server: GrpcServer
    port: int
    channel: aio.Channel

    @property
    def export(self) -> Call:
        return self.method(EXPORT_TRACES)

    def method(self, path: str) -> Call:
        """A method by its full name; bytes in, bytes out."""
        return raw_method(self.channel, path)


Start = Callable[..., AbstractAsyncContextManager[Otlp]]


@contextlib.asynccontextmanager
async def serve(
    *,
    max_request_bytes: int = 4 * MIB,
    read_slots: int = 4,
    read_deadline: float = 5.0,
    connections: Options = CONNECTIONS,
    socket: Path | None = None,
    reflect: bool = False,
    certificate: Certificate | None = None,
    tenant_of: Authorization = single_tenant,
) -> AsyncIterator[Otlp]:
    ingest = ScriptedIngest()
    entrance = Entrance(ingest, read_slots, read_deadline=read_deadline)
    receiver = GrpcReceiver(entrance, SIGNALS, tenant_of=tenant_of)
    server = GrpcServer(
        receiver, max_request_bytes=max_request_bytes, connections=connections, reflect=reflect, certificate=certificate
    )
    try:
        port = await server.start("127.0.0.1", 0, socket=socket)
        server.set_serving(serving=True)
        async with aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)]) as channel:
            yield Otlp(ingest, receiver, server, port, channel)
    finally:
        ingest.commit.set()
        await server.stop(5.0)


@pytest.fixture
def start() -> Start:
    """Starts a receiver with other limits than the defaults."""
    return serve


@pytest.fixture
async def otlp() -> AsyncIterator[Otlp]:
    async with serve() as running:
        yield running
