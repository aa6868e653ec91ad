"""The gRPC server of the OTLP port: its options, health, reflection, binding and stopping.

grpcio ignores option names it does not know, so each is proven by a test of its effect, or of its name in the library.
"""

from __future__ import annotations

import asyncio
import os

import grpc
import structlog
from grpc_reflection.v1alpha import reflection

# Reflection serves their descriptors.
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: F401
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: F401
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: F401

from llm_observatory.errors import ConfigError
from llm_observatory.otlp import health
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.otlp.listen import addresses, bind_error, shown

log = structlog.get_logger(__name__)

LOOKAHEAD_BYTES = 32 * 1024
MAX_STREAMS_PER_CONNECTION = 1000
MAX_PENDING_CALLS = 100_000
MIN_PING_INTERVAL_MS = 10_000
MAX_PING_STRIKES = 2
MAX_CONNECTION_AGE_MS = 300_000
CONNECTION_AGE_GRACE_MS = 30_000

UNREAD_ANSWERS_SECONDS = 2.0
"""How long stopping waits for clients to take answers: one that reads has them in a round trip, the others never do."""

Options = tuple[tuple[str, int], ...]


def server_options(max_request_bytes: int, *, share_port: bool) -> Options:
    """The channel arguments of the server."""
    options = (
        # Its default lets two processes share a port without a word.
        ("grpc.so_reuseport", int(share_port)),
        # What a client may send of a body that nobody reads yet. With the probe on, the window grows to megabytes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
        # Enforced by grpcio on the compressed and on the inflated message, the latter while it inflates.
        ("grpc.max_receive_message_length", max_request_bytes),
        # A client with more parallel calls queues them on its side.
        ("grpc.max_concurrent_streams", MAX_STREAMS_PER_CONNECTION),
        # Above what we let wait: grpcio refuses with statuses that make clients drop, so every refusal must be ours.
        ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
        # Clients may ping every 10 s, without calls too; grpcio's own 5 min close connections with too_many_pings.
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", MAX_PING_STRIKES),
        ("grpc.keepalive_permit_without_calls", 1),
    )
    if not share_port:
        return options
    # Several processes on one port: only connections that end are spread anew.
    return (
        *options,
        ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_GRACE_MS),
    )


class GrpcServer:
    """The server around one receiver. NOT_SERVING until `set_serving(serving=True)`."""

    def __init__(
        self, receiver: GrpcReceiver, *, max_request_bytes: int, share_port: bool = False, reflect: bool = False
    ) -> None:
        self._entrance = receiver.entrance
        self._server = grpc.aio.server(options=server_options(max_request_bytes, share_port=share_port))
        self._server.add_generic_rpc_handlers(receiver.handlers())
        services = [signal.grpc_service for signal in receiver.signals]
        self.health = health.HealthServicer(services)
        self.health.add_to(self._server)
        if reflect:
            names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int, setting: str = "OTLP_GRPC_PORT") -> int:
        """Bind and listen; port 0 takes a free one. Returns the port. Raises ConfigError that names address and setting."""
        for address in await addresses(host, port, setting):
            target = shown(address, port)
            try:
                port = self._server.add_insecure_port(target)
            except RuntimeError:
                raise ConfigError([f"cannot listen on {target} ({setting}): {_why_not(address, port)}"]) from None
        await self._server.start()
        return port

    async def set_serving(self, *, serving: bool) -> None:
        """Tell `grpc.health.v1` clients, for "" and each service. Done when called, nothing is waited for."""
        self.health.set_serving(serving=serving)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, wait up to `grace` seconds for the export calls in flight, then end everything else.

        The caller lets ingest commit or fail what is in flight meanwhile.
        """
        self._entrance.start_draining()
        self.health.set_serving(serving=False)
        closing = asyncio.create_task(self._server.stop(grace))
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
        await closing


def _why_not(address: str, port: int) -> str:
    """The reason in words: grpcio tells it only to its own log."""
    number = bind_error(address, port)
    return os.strerror(number) if number else "the address could not be bound"
