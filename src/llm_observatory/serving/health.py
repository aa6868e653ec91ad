"""`grpc.health.v1`, of which every answer is the latest state.

grpcio's own servicer writes to watchers under a lock: one client that watches and does not read keeps a change of status
from everybody, those that only check included. Here a change is an assignment, and each watcher waits for itself alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

log = structlog.get_logger(__name__)

SERVICE_NAME = health.SERVICE_NAME

Response = health_pb2.HealthCheckResponse


class HealthServicer:
    """The status of the server, "", and of each service. NOT_SERVING until `set_serving(serving=True)`."""

    def __init__(self, services: Iterable[str]) -> None:
        self._statuses = dict.fromkeys(("", *services), Response.NOT_SERVING)
        self._changes: set[asyncio.Event] = set()

    @property
    def watchers(self) -> int:
        """Clients that watch."""
        return len(self._changes)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service."""
        registrar: Any = health_pb2_grpc  # the stubs know only the thread-based server
        registrar.add_HealthServicer_to_server(self, server)

    def set_serving(self, *, serving: bool) -> None:
        """Set the status of everything. Never blocks; watchers that read are told."""
        status = Response.SERVING if serving else Response.NOT_SERVING
        self._statuses = dict.fromkeys(self._statuses, status)
        for changed in self._changes:
            changed.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name in the protocol
        """The status of one service, NOT_FOUND if there is no such service."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return Response(status=status)

    async def List(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the name in the protocol
        """All of them."""
        return health_pb2.HealthListResponse(
            statuses={service: Response(status=status) for service, status in self._statuses.items()}
        )

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the name in the protocol
        """The status of one service now and after each change; what changed back while a client did not read is not told."""
        changed = asyncio.Event()
        self._changes.add(changed)
        told = None
        try:
            while True:
                changed.clear()
                status = self._statuses.get(request.service, Response.SERVICE_UNKNOWN)
                if status != told:
                    await _tell(context, status)
                    told = status
                await changed.wait()
        finally:
            self._changes.discard(changed)


async def _tell(context: Any, status: Any) -> None:
    try:
        await context.write(Response(status=status))
    except Exception as gone:  # noqa: BLE001 - ExecuteBatchError, which grpcio does not export
        # The client left: grpcio cancels the watch right after, and would log an error for one that ends by itself.
        log.debug("a health watcher left", error=repr(gone))
