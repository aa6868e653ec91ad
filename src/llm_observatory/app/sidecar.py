"""Health and metrics over HTTP on HEALTH_CHECK_PORT: first to start, last to stop, so that both can be watched.

Answers come from what `Health` holds; no request touches the database, however many there are.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from llm_observatory import metrics
from llm_observatory.app.health import Health
from llm_observatory.errors import ConfigError

STOP_SECONDS = 1
MAX_HEADER_BYTES = 16 * 1024
"""Of a request line with its headers."""
MAX_CONNECTIONS = 1000

Refresh = Callable[[], Awaitable[None]]


def application(health: Health, refresh: Refresh, *, metrics_enabled: bool) -> Starlette:
    """The HTTP application. `refresh` brings `health` and the gauges up to date."""

    async def show_health(_: Request) -> Response:
        return JSONResponse(health.as_dict(), status_code=503 if health.status == "unhealthy" else 200)

    async def live(_: Request) -> Response:
        return PlainTextResponse("live\n")

    async def ready(_: Request) -> Response:
        reasons = health.reasons
        return JSONResponse({"ready": not reasons, "reasons": reasons}, status_code=503 if reasons else 200)

    async def show_metrics(_: Request) -> Response:
        return Response(generate_latest(metrics.REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST})

    async def update_metrics(_: Request) -> Response:
        await refresh()
        body = health.as_dict()
        return JSONResponse({"status": "updated", "timestamp": body["timestamp"], "pool_stats": body["pool_stats"]})

    routes = [
        Route("/health", show_health),
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/admin/update_metrics", update_metrics, methods=["POST"]),
    ]
    if metrics_enabled:
        routes.append(Route("/metrics", show_metrics))
    return Starlette(routes=routes)


class _Server(uvicorn.Server):
    """uvicorn inside a loop that is not its own: no signal handlers."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


@asynccontextmanager
async def serving(
    app: Starlette, host: str, port: int, tasks: asyncio.TaskGroup, setting: str = "HEALTH_CHECK_PORT"
) -> AsyncIterator[int]:
    """Serve `app` while the block runs; yields the port. Raises ConfigError that names address and setting."""
    listener = await _listen(host, port, setting)
    config = uvicorn.Config(
        app,
        # httptools has no limit; who asks twice a minute does not need its speed.
        http="h11",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
    )
    server = _Server(config)
    running = tasks.create_task(server.serve([listener]), name="sidecar")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await asyncio.shield(running)


async def _listen(host: str, port: int, setting: str) -> socket.socket:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError([f"cannot listen on {host}:{port} ({setting}, LISTEN_HOST): {error.strerror}"]) from None
    try:
        # Fast restarts; on Linux it does not let two processes share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError([f"cannot listen on {host}:{port} ({setting}): {error.strerror}"]) from None
    listener.setblocking(False)  # noqa: FBT003 - its signature
    return listener
