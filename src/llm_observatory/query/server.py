"""The gRPC server of the query port: services behind `Answering`, health, reflection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from llm_observatory.query.answering import Answering
from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.grpc_port import bind, closing
from llm_observatory.serving.health import SERVICE_NAME as HEALTH
from llm_observatory.serving.health import HealthServicer
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization

SETTING = "QUERY_PORT"
MAX_REQUEST_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""One span of a trace may be as large as a request of OTLP; clients must raise their own limit (4 MiB) to receive it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the protocol: its full name, the generated `add_…Servicer_to_server`, what answers."""

    name: str
    add: Callable[[Any, Any], None]
    servicer: object
    endless: frozenset[str] = frozenset()
    """Full paths of its streams that end only with the call."""


class QueryServer:
    """NOT_SERVING until `set_serving(serving=True)`. `timeout` is QUERY_TIMEOUT in seconds; `behind`: after `Answering`."""

    def __init__(
        self,
        services: Iterable[Service],
        *,
        timeout: float,
        reflect: bool = False,
        behind: Sequence[grpc.aio.ServerInterceptor] = (),  # type: ignore[type-arg]  # generic in the stubs only
        certificate: Certificate | None = None,
        tenant_of: Authorization = single_tenant,
    ) -> None:
        self._certificate = certificate
        services = tuple(services)
        endless = frozenset[str]().union(*(service.endless for service in services))
        self._answering = Answering(timeout, endless, tenant_of)
        self._server = grpc.aio.server(
            interceptors=(self._answering, *behind),
            options=(
                # Its default lets two processes share a port without a word.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
            ),
        )
        for service in services:
            service.add(service.servicer, self._server)
        names = [service.name for service in services]
        self._health = HealthServicer(names)
        self._health.add_to(self._server)
        if reflect:
            reflection.enable_server_reflection((*names, HEALTH, reflection.SERVICE_NAME), self._server)

    async def start(self, host: str, port: int) -> int:
        """Bind and listen; port 0 takes a free one. Returns the port. Raises ConfigError that names address and setting."""
        port = await bind(self._server, host, port, SETTING, self._certificate)
        await self._server.start()
        return port

    def set_serving(self, *, serving: bool) -> None:
        """Tell `grpc.health.v1` clients, for "" and each service."""
        self._health.set_serving(serving=serving)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, wait up to `grace` seconds for those in flight, then end the rest: watches and tails never end."""
        self._health.set_serving(serving=False)
        closed = closing(self._server, grace)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._answering.answered()
        await self._server.stop(None)
        await closed
