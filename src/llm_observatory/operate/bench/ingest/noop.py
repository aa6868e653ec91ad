"""A server that does nothing but gRPC: the same kind of handler as the service's, which reads the message and answers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import uvloop

from llm_observatory.operate.bench.ingest.samples import Outcome
from llm_observatory.pipeline.signal import TRACES

METHOD = "Export"
_UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0))


async def _export(_messages: object, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    await context.read()
    return b""


class NoopServer:
    """A performer that serves for ever: `prepare` returns once it listens."""

    def __init__(self, port: int) -> None:
        self._port = port

    def prepare(self, _turn: object) -> None:
        """Nothing is prepared."""

    def perform(self) -> Outcome:
        """Serve until the process is killed."""
        uvloop.run(self._serve())
        raise AssertionError("it serves for ever")

    async def _serve(self) -> None:
        server = grpc.aio.server(options=_UNLIMITED)
        handler = grpc.stream_unary_rpc_method_handler(cast("Any", _export))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(TRACES.grpc_service, {METHOD: handler}),))
        server.add_insecure_port(f"127.0.0.1:{self._port}")
        await server.start()
        await asyncio.Event().wait()
