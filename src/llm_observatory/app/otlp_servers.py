"""The OTLP ports put together: gRPC and HTTP before one entrance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from llm_observatory.app import descriptors
from llm_observatory.app.access import Access
from llm_observatory.errors import ConfigError
from llm_observatory.otlp.cors import Cors
from llm_observatory.otlp.entrance import Entrance, Maintenance, no_maintenance
from llm_observatory.otlp.grpc_options import connection_options
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.otlp.grpc_server import GrpcServer
from llm_observatory.otlp.http_connections import MAX_HTTP_CONNECTIONS
from llm_observatory.otlp.http_receiver import HttpReceiver
from llm_observatory.otlp.http_server import HttpServer
from llm_observatory.otlp.receive import Ingest
from llm_observatory.pipeline.signal import LOGS, METRICS, SIGNALS, TRACES
from llm_observatory.settings import Settings


@dataclass(frozen=True, slots=True)
class OtlpServers:
    """Both servers; they are started and stopped together."""

    entrance: Entrance
    grpc: GrpcServer
    http: HttpServer

    async def start(self, settings: Settings, *, share_port: bool) -> tuple[int, int]:
        """Bind and listen. Returns the ports of gRPC and HTTP. Raises ConfigError."""
        grpc_port = await self.grpc.start(
            settings.listen_host, settings.otlp_grpc_port, socket=_path(settings.otlp_grpc_socket)
        )
        http_socket = _path(settings.otlp_http_socket)
        try:
            http_port = await self.http.start(
                settings.listen_host, settings.otlp_http_port, share_port=share_port, socket=http_socket
            )
        except ConfigError:
            await self.grpc.stop(0.0)
            raise
        return grpc_port, http_port

    async def stop(self, grace: float) -> None:
        """Refuse what is new, wait up to `grace` seconds for what is in flight, close."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self.grpc.stop(grace))
            both.create_task(self.http.stop(grace))


def otlp_servers(
    settings: Settings, access: Access, ingest: Ingest, *, share_port: bool, maintenance: Maintenance = no_maintenance
) -> OtlpServers:
    """The servers as the settings want them; `maintenance` as Entrance takes it."""
    if share_port:
        settings = settings.sharing_ports()
    http_age = settings.otlp_http_max_connection_age
    read_deadline = settings.otlp_read_timeout.total_seconds()
    entrance = Entrance(ingest, settings.read_slots, read_deadline=read_deadline, maintenance=maintenance)
    return OtlpServers(
        entrance,
        GrpcServer(
            GrpcReceiver(entrance, SIGNALS, tenant_of=access.tenant_of("ingest")),
            max_request_bytes=settings.otlp_max_request_bytes,
            connections=connection_options(settings),
            share_port=share_port,
            reflect=settings.grpc_reflection,
            certificate=access.certificate,
        ),
        HttpServer(
            HttpReceiver(
                entrance,
                {
                    settings.otlp_http_traces_path: TRACES,
                    settings.otlp_http_metrics_path: METRICS,
                    settings.otlp_http_logs_path: LOGS,
                },
                max_request_bytes=settings.otlp_max_request_bytes,
                max_items=settings.max_items_per_request,
                cors=Cors(
                    settings.otlp_http_cors_allowed_origins,
                    settings.otlp_http_cors_allowed_headers,
                    settings.otlp_http_cors_max_age,
                ),
                tenant_of=access.tenant_of("ingest"),
            ),
            header_timeout=settings.otlp_http_header_timeout.total_seconds(),
            idle_timeout=settings.otlp_http_idle_timeout.total_seconds(),
            max_age=None if http_age is None else http_age.total_seconds(),
            max_connections=descriptors.for_http(MAX_HTTP_CONNECTIONS),
            certificate=access.certificate,
        ),
    )


def _path(socket: str | None) -> Path | None:
    return None if socket is None else Path(socket)
