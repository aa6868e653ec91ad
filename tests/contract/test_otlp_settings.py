"""Every setting of the OTLP ports acts on the servers that the service starts with it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from grpc import aio

from llm_observatory.app.access import Access
from llm_observatory.app.otlp_servers import otlp_servers
from llm_observatory.settings import Settings
from tests.contract.http.connection import Answer, connected, head, post
from tests.contract.otlp.conftest import raw_method
from tests.contract.otlp.payloads import padded_request, trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.scripted_ingest import ScriptedIngest
from tests.plugins.wire import EXPORT_TRACES, RawClient, frame, raw_client

BODY = trace_request()


@dataclass
class Running:
    ingest: ScriptedIngest
    grpc_port: int
    http_port: int

    async def ask(self, request: bytes) -> Answer:
        async with connected(self.http_port) as connection:
            await connection.send(request)
            return await connection.answer()

    async def export(self, body: bytes) -> grpc.StatusCode:
        async with aio.insecure_channel(f"127.0.0.1:{self.grpc_port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                await raw_method(channel, EXPORT_TRACES)(body)
            except aio.AioRpcError as error:
                return error.code()
        return grpc.StatusCode.OK


def named(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    """The settings with their whole names."""
    return {f"{prefix}{name}": value for name, value in values.items()}


@contextlib.asynccontextmanager
async def serving(*, share_port: bool = False, **settings: Any) -> AsyncIterator[Running]:
    """The servers as `serve` makes them."""
    given = Settings(**{"otlp_grpc_port": 0, "otlp_http_port": 0} | settings)
    ingest = ScriptedIngest()
    servers = otlp_servers(given, Access.of(given), ingest, share_port=share_port)
    ports = await servers.start(given, share_port=share_port)
    try:
        yield Running(ingest, *ports)
    finally:
        ingest.commit.set()
        await servers.stop(2.0)


async def test_by_default_a_request_is_stored_over_both() -> None:
    async with serving() as otlp:
        assert await otlp.export(BODY) is grpc.StatusCode.OK
        for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            assert (await otlp.ask(post(BODY, path))).status == 200
        assert (await otlp.ask(head(method="OPTIONS", origin="https://a", access_control_request_method="POST"))).status == 405


async def test_otlp_max_request_bytes() -> None:
    async with serving(otlp_max_request_bytes="4KiB") as otlp:
        allowed, larger = padded_request(4096), padded_request(4097)
        assert [await otlp.export(body) for body in (allowed, larger)] == [
            grpc.StatusCode.OK,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        ]
        assert [(await otlp.ask(post(body))).status for body in (allowed, larger)] == [200, 413]


async def test_otlp_read_timeout() -> None:
    async with serving(otlp_read_timeout="200ms") as otlp, raw_client(otlp.grpc_port) as client:
        stream = await client.call()
        await client.send(stream, frame(BODY)[:-1])
        assert (await client.response(stream, within=4)).status == grpc.StatusCode.UNAVAILABLE.value[0]
        async with connected(otlp.http_port) as connection:
            await connection.send(post(BODY)[:-1])
            # It is told when it has sent the rest, or after 5 s: the body is taken first.
            assert not await connection.closed(within=0.5)
            await connection.send(post(BODY)[-1:])
            assert (await connection.answer()).status == 503


async def test_read_slots() -> None:
    async with serving(read_slots=1) as otlp, raw_client(otlp.grpc_port) as one, raw_client(otlp.grpc_port) as other:
        otlp.ingest.room.clear()
        for client in (one, other):
            await client.send(await client.call(), frame(BODY), end=True)
        await until(lambda: otlp.ingest.unadmitted == 1)
        otlp.ingest.room.set()
        await until(lambda: otlp.ingest.exports == 2)
        assert otlp.ingest.most_unadmitted == 1


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
async def test_otlp_http_paths(signal: str) -> None:
    async with serving(**named("otlp_http_", {f"{signal}_path": f"/in/{signal}"})) as otlp:
        assert (await otlp.ask(post(b"", f"/in/{signal}"))).status == 200
        refused = await otlp.ask(post(b"", f"/v1/{signal}"))
        assert refused.status == 404
        assert f"/in/{signal}" in refused.said
        await otlp.ask(post(BODY, f"/in/{signal}"))
        assert [taken.name for taken, _ in otlp.ingest.exported] == [signal]


async def test_otlp_http_cors() -> None:
    cors = {"allowed_origins": "https://app.example.com", "allowed_headers": "x-token", "max_age": "90s"}
    async with serving(**named("otlp_http_cors_", cors)) as otlp:
        asked = head(method="OPTIONS", origin="https://app.example.com", access_control_request_method="POST")
        answer = await otlp.ask(asked)
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "x-token" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-max-age"] == "90"
        assert (await otlp.ask(asked.replace(b"app.", b"evil."))).status == 405


@pytest.mark.parametrize("name, sent", [("header_timeout", b"POST / HT"), ("idle_timeout", b"")])
async def test_otlp_http_timeouts(name: str, sent: bytes) -> None:
    async with serving() as patient, connected(patient.http_port) as kept:
        await kept.send(sent)
        async with serving(**named("otlp_http_", {name: "100ms"})) as otlp, connected(otlp.http_port) as connection:
            await connection.send(sent)
            assert await connection.closed()
        assert not await kept.closed(within=0.2)


async def test_otlp_http_max_connection_age() -> None:
    async with serving(otlp_http_max_connection_age="100ms") as otlp, connected(otlp.http_port) as connection:
        assert not await connection.closed(within=0.2)
        await connection.send(post(BODY))
        assert (await connection.answer()).headers["connection"] == "close"


Seen = Callable[[RawClient], bool]


def gone(client: RawClient) -> bool:
    return client.goaway is not None or client.closed


@pytest.mark.parametrize(
    "settings, seen",
    [
        ({"max_concurrent_streams": 7}, lambda client: client.max_streams == 7),
        ({"keepalive_time": "100ms"}, lambda client: client.pings > 0),
        ({"max_connection_idle": "100ms"}, gone),
        ({"max_connection_age": "100ms"}, gone),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_otlp_grpc_connections(settings: dict[str, Any], seen: Seen) -> None:
    """The rest of them, and what each does: otlp/test_connections.py."""
    async with serving(**named("otlp_grpc_", settings)) as otlp, raw_client(otlp.grpc_port) as client:
        await client.until(lambda: seen(client))


async def test_sockets() -> None:
    with TemporaryDirectory(prefix="otlp-") as folder:
        places = {name: Path(folder) / name for name in ("otlp_grpc_socket", "otlp_http_socket")}
        async with serving(**named("", {name: str(path) for name, path in places.items()})) as otlp:
            async with connected(places["otlp_http_socket"]) as connection:
                await connection.send(post(BODY))
                assert (await connection.answer()).status == 200
            async with aio.insecure_channel(f"unix:{places['otlp_grpc_socket']}") as channel:
                assert await raw_method(channel, EXPORT_TRACES)(BODY) == b""
            assert await otlp.export(BODY) is grpc.StatusCode.OK


async def test_a_shared_port_is_shared_by_both_servers() -> None:
    async with serving(share_port=True) as first:
        ports: dict[str, Any] = {"otlp_grpc_port": first.grpc_port, "otlp_http_port": first.http_port}
        async with serving(share_port=True, **ports) as second:
            assert (second.grpc_port, second.http_port) == (first.grpc_port, first.http_port)
            for _ in range(20):
                assert await first.export(BODY) is grpc.StatusCode.OK
                assert (await first.ask(post(BODY))).status == 200
            assert min(first.ingest.exports, second.ingest.exports) > 0


@pytest.mark.parametrize("share_port", [False, True])
async def test_only_connections_to_a_shared_port_grow_old(monkeypatch: pytest.MonkeyPatch, share_port: bool) -> None:
    monkeypatch.setattr("llm_observatory.settings.declared.SHARED_PORT_AGE", timedelta(milliseconds=200))
    async with serving(share_port=share_port) as otlp, raw_client(otlp.grpc_port) as client, connected(otlp.http_port) as http:
        assert not await http.closed(within=1.0)
        assert gone(client) is share_port
        await http.send(post(BODY))
        assert ("connection" in (await http.answer()).headers) is share_port
