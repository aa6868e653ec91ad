"""The sidecar over real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from llm_observatory.app import sidecar
from llm_observatory.app.health import Health
from llm_observatory.errors import ConfigError

HOST = "127.0.0.1"


class Served:
    """A running sidecar and what stands behind it."""

    def __init__(self, port: int, health: Health) -> None:
        self.port = port
        self.health = health
        self.refreshed = 0

    async def refresh(self) -> None:
        self.refreshed += 1

    async def ask(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}, body

    async def json(self, path: str, method: str = "GET") -> tuple[int, dict[str, Any]]:
        """Status and decoded body."""
        status, headers, body = await self.ask(path, method)
        assert headers["content-type"] == "application/json"
        return status, json.loads(body)


@asynccontextmanager
async def running(*, metrics_enabled: bool = True) -> AsyncIterator[Served]:
    served = Served(0, Health(max_connections=20))
    async with asyncio.TaskGroup() as tasks:
        app = sidecar.application(served.health, served.refresh, metrics_enabled=metrics_enabled)
        async with sidecar.serving(app, HOST, 0, tasks) as served.port:
            yield served


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with running() as served:
        yield served


def bring_up(health: Health) -> None:
    health.starting = health.refusal = None
    health.postgres.succeeded(1.5)


async def test_while_starting_it_is_live_and_nothing_else(served: Served) -> None:
    assert (await served.ask("/health/live"))[0] == 200
    status, body = await served.json("/health/ready")
    assert status == 503
    assert body["ready"] is False
    assert body["reasons"][0].startswith("starting")
    assert (await served.json("/health"))[0] == 503


async def test_up(served: Served) -> None:
    bring_up(served.health)
    assert await served.json("/health/ready") == (200, {"ready": True, "reasons": []})
    status, body = await served.json("/health")
    assert status == 200
    assert body["status"] == "healthy"
    assert body["database"] == {"postgres": {"status": "healthy", "latency_ms": 1.5}}


async def test_draining_is_not_ready_but_answers_to_the_end(served: Served) -> None:
    bring_up(served.health)
    served.health.draining = True
    assert (await served.json("/health/ready"))[0] == 503
    assert (await served.json("/health"))[0] == 200
    assert (await served.ask("/health/live"))[0] == 200


async def test_a_lost_database_is_503(served: Served) -> None:
    bring_up(served.health)
    served.health.postgres.failed("gone")
    status, body = await served.json("/health")
    assert (status, body["status"]) == (503, "unhealthy")
    assert (await served.ask("/health/live"))[0] == 200


async def test_metrics(served: Served) -> None:
    status, headers, body = await served.ask("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert b"storage_database_up " in body
    assert b"process_resident_memory_bytes " in body


async def test_metrics_can_be_switched_off() -> None:
    async with running(metrics_enabled=False) as served:
        assert (await served.ask("/metrics"))[0] == 404
        assert (await served.ask("/health/live"))[0] == 200


async def test_update_metrics_refreshes(served: Served) -> None:
    status, body = await served.json("/admin/update_metrics", "POST")
    assert (status, body["status"], served.refreshed) == (200, "updated", 1)
    assert body["pool_stats"]["max_connections"] == 20
    assert (await served.ask("/admin/update_metrics"))[0] == 405
    assert served.refreshed == 1


async def test_unknown_paths(served: Served) -> None:
    assert (await served.ask("/nothing"))[0] == 404


@pytest.mark.parametrize("where", ["path", "header", "many headers"])
async def test_a_request_of_endless_headers_is_refused(served: Served, where: str) -> None:
    filler = "x" * sidecar.MAX_HEADER_BYTES
    head = {
        "path": f"GET /{filler}",
        "header": f"GET /health/live HTTP/1.1\r\nHost: x\r\nFiller: {filler}",
        "many headers": "GET /health/live HTTP/1.1\r\nHost: x" + "\r\nFiller: x" * (sidecar.MAX_HEADER_BYTES // 10),
    }[where]
    reader, writer = await asyncio.open_connection(HOST, served.port)
    # Its end never comes: what is refused is what would have to be kept.
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()
    assert (await served.ask("/health/live"))[0] == 200


async def test_headers_of_a_usual_size_are_fine(served: Served) -> None:
    assert (await served.ask("/health/live?" + "x" * (sidecar.MAX_HEADER_BYTES // 2)))[0] == 200


async def test_a_port_in_use_names_the_setting(served: Served) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as tasks, sidecar.serving(Starlette(), HOST, served.port, tasks):
            pytest.fail("two listeners on one port")
    assert caught.group_contains(
        ConfigError, match=f"cannot listen on {HOST}:{served.port} .HEALTH_CHECK_PORT.: Address already in use"
    )


async def test_the_port_is_free_after_stopping() -> None:
    async with running() as served:
        port = served.port
        # An idle keep-alive connection must not hold the stop up.
        _, writer = await asyncio.open_connection(HOST, port)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((HOST, port))
    writer.close()
