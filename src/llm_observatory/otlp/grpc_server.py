"""The gRPC server of the OTLP port: health, reflection, binding and stopping."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import structlog
from grpc_reflection.v1alpha import reflection

# Reflection serves their descriptors.
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: F401
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: F401
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: F401

from llm_observatory.otlp.grpc_options import Options, server_options
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.serving import health, unix_socket
from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.grpc_port import bind, closing

log = structlog.get_logger(__name__)

SOCKET_SETTING = "OTLP_GRPC_SOCKET"

UNREAD_ANSWERS_SECONDS = 2.0
"""How long stopping waits for clients to take answers: one that reads has them in a round trip, the others never do."""


class GrpcServer:
    """The server around one receiver. NOT_SERVING until `set_serving(serving=True)`.

    `connections` are the options of `connection_options`; without them grpcio's own apply.
    """

    def __init__(
        self,
        receiver: GrpcReceiver,
        *,
        max_request_bytes: int,
        connections: Options = (),
        share_port: bool = False,
        reflect: bool = False,
        certificate: Certificate | None = None,
    ) -> None:
        self._entrance = receiver.entrance
        self._certificate = certificate
        self._server = grpc.aio.server(options=(*server_options(max_request_bytes, share_port=share_port), *connections))
        self._server.add_generic_rpc_handlers(receiver.handlers())
        services = [signal.grpc_service for signal in receiver.signals]
        self.health = health.HealthServicer(services)
        self.health.add_to(self._server)
        if reflect:
            names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int, setting: str = "OTLP_GRPC_PORT", *, socket: Path | None = None) -> int:
        """Bind and listen; port 0 takes a free one. `socket` is a unix socket beside it. Returns the port.

        Raises ConfigError that names address and setting.
        """
        port = await bind(self._server, host, port, setting, self._certificate)
        if socket is not None:
            unix_socket.demand(socket, SOCKET_SETTING)
            with unix_socket.private():
                # It removes the file when it stops.
                self._server.add_insecure_port(f"unix:{socket}")
        await self._server.start()
        return port

    def set_serving(self, *, serving: bool) -> None:
        """Tell `grpc.health.v1` clients, for "" and each service."""
        self.health.set_serving(serving=serving)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, wait up to `grace` seconds for the export calls in flight, then end everything else.

        The caller lets ingest commit or fail what is in flight meanwhile.
        """
        self._entrance.start_draining()
        self.health.set_serving(serving=False)
        closed = closing(self._server, grace)
        try:
            async with asyncio.timeout(grace) as end:
                await self._entrance.answered()
                unread = asyncio.get_running_loop().time() + UNREAD_ANSWERS_SECONDS
                end.reschedule(min(unread, end.when() or unread))
                await self._entrance.drained()
        except TimeoutError:
            log.warning(
                "calls are cut off at the end of stopping",
                unanswered=self._entrance.unanswered,
                unread=self._entrance.in_flight - self._entrance.unanswered,
            )
        # Health watches never end by themselves and would take the whole grace.
        await self._server.stop(None)
        await closed
