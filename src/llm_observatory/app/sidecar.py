"""Health and metrics over HTTP on HEALTH_CHECK_PORT: first to start, last to stop, so that both can be watched.

Answers come from what `Health` holds; however many ask, none of them touches the database, but for those that POST
/admin/update_metrics, of whom one at a time does.
"""

from __future__ import annotations

import asyncio
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
from llm_observatory.otlp.http_server import EmbeddedServer
from llm_observatory.serving.listen import listeners

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


@asynccontextmanager
async def serving(
    app: Starlette, host: str, port: int, tasks: asyncio.TaskGroup, setting: str = "HEALTH_CHECK_PORT"
) -> AsyncIterator[int]:
    """Serve `app` while the block runs; yields the port. Raises ConfigError that names address and setting."""
    sockets = await listeners(host, port, setting)
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
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
    )
    server = EmbeddedServer(config)
    running = tasks.create_task(server.serve(sockets), name="sidecar")
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await asyncio.shield(running)
