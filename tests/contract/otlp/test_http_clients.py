"""How clients of other languages speak HTTP/1.1, byte by byte: what the JDK, Go, curl and plain sockets send."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

from llm_observatory.errors import StorageUnavailable
from llm_observatory.otlp.cors import Cors
from llm_observatory.otlp.entrance import Entrance
from llm_observatory.otlp.http_receiver import HttpReceiver
from llm_observatory.otlp.http_server import HttpServer
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from tests.contract.otlp.payloads import padded_request, trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.scripted_ingest import ScriptedIngest

MIB = 1024 * 1024
POST = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
JDK = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
"""What java.net.http sends with the first request of a plain connection, whatever its method (RFC 7540, 3.2)."""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A socket to the server."""

    def __init__(
        self, ingest: ScriptedIngest, entrance: Entrance, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.ingest, self.entrance = ingest, entrance
        self.reader, self._writer = reader, writer

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def reply(self) -> Reply:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            matched = re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", first)
            assert matched is not None, first
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return Reply(int(matched[1]), headers, body)

    async def post(self, body: bytes, more: bytes = b"") -> Reply:
        await self.write(POST + more + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return await self.reply()

    async def ended(self) -> bool:
        """Whether the server closes the connection and sends nothing more."""
        async with asyncio.timeout(10):
            return await self.reader.read() == b""


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    ingest = ScriptedIngest()
    paths = {"/v1/traces": TRACES, "/v1/metrics": METRICS, "/v1/logs": LOGS}
    receiver = HttpReceiver(
        Entrance(ingest, 4), paths, max_request_bytes=4 * MIB, max_items=1000, cors=Cors((), (), timedelta(0))
    )
    server = HttpServer(receiver, header_timeout=10, idle_timeout=60)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(ingest, receiver.entrance, reader, writer)
    finally:
        writer.close()
        await ingest.drain()
        await server.stop(5.0)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    async with connected() as made:
        yield made


def requests(count: int) -> list[bytes]:
    return [trace_request(mark=f"request {number}") for number in range(count)]


@pytest.mark.parametrize("apart", [False, True], ids=["in one write", "head and body apart"])
async def test_the_jdk_asks_for_h2c_and_gets_http_1_1(connection: Connection, apart: bool) -> None:
    first, second, third = requests(3)
    head = POST + JDK + b"Content-Length: %d\r\n\r\n" % len(first)
    await connection.write(head if apart else head + first)
    if apart:
        await until(lambda: connection.entrance.reading == 1)
        await connection.write(first)
    assert (await connection.reply()).status == 200
    for body in (second, third):
        reply = await connection.post(body)
        assert reply.status == 200
        assert reply.headers.get("connection") is None
    assert connection.ingest.committed == [first, second, third]


async def test_an_upgrade_in_chunks_and_one_without_a_body(connection: Connection) -> None:
    (body,) = requests(1)
    await connection.write(POST + JDK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert (await connection.reply()).status == 200
    assert (await connection.post(b"", JDK)).status == 200
    assert (await connection.post(body)).status == 200
    assert connection.ingest.committed == [body, body]


async def test_what_comes_behind_an_upgrade_in_the_same_write_is_not_lost(connection: Connection) -> None:
    bodies = requests(5)
    heads = (POST + JDK + b"Content-Length: %d\r\n\r\n" % len(body) for body in bodies)
    await connection.write(b"".join(head + body for head, body in zip(heads, bodies, strict=True)))
    for _ in bodies:
        assert (await connection.reply()).status == 200
    assert connection.ingest.committed == bodies


async def test_a_websocket_is_not_opened(connection: Connection) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    await connection.write(b"GET /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\n" + upgrade)
    assert (await connection.reply()).status == 405
    assert (await connection.post(b"")).status == 200


async def test_an_upgrade_is_no_way_around_the_limits(connection: Connection) -> None:
    await connection.write(POST + JDK + b"".join(b"X-%d: %b\r\n" % (number, b"x" * 1000) for number in range(70)) + b"\r\n")
    assert (await connection.reply()).status == 431
    assert await connection.ended()


async def test_a_tunnel_is_refused(connection: Connection) -> None:
    await connection.write(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n")
    assert (await connection.reply()).status == 400
    assert await connection.ended()


@pytest.mark.parametrize("size", [5, 4096, 100_000])
async def test_chunks_as_go_and_the_collector_send_them(connection: Connection, size: int) -> None:
    """Go's net/http sends chunks whenever it does not know the length, as with a compressing body."""
    body = padded_request(25_000 * max(1, size // 16_000))
    await connection.write(
        POST + b"Transfer-Encoding: chunked\r\nAccept-Encoding: gzip\r\nUser-Agent: Go-http-client/1.1\r\n\r\n"
    )
    pieces = (body[place : place + size] for place in range(0, len(body), size))
    await connection.write(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces))
    await connection.write(b"0\r\nTrailer-Field: ignored\r\n\r\n")
    reply = await connection.reply()
    assert reply.status == 200
    assert "content-encoding" not in reply.headers
    assert connection.ingest.committed == [body]
    assert (await connection.post(requests(1)[0])).status == 200


async def test_curl_waits_for_100_continue(connection: Connection) -> None:
    """What curl does above a megabyte; it then waits a second for the answer."""
    body = padded_request(2 * MIB)
    await connection.write(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert (await connection.reply()).status == 100
    assert connection.ingest.exports == 0
    await connection.write(body)
    assert (await connection.reply()).status == 200
    assert connection.ingest.committed == [body]
    assert (await connection.post(requests(1)[0])).status == 200


async def test_curl_is_refused_before_it_sends_what_is_too_large(connection: Connection) -> None:
    await connection.write(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (5 * MIB))
    reply = await connection.reply()
    assert reply.status == 413
    assert "OTLP_MAX_REQUEST_BYTES" in Status.FromString(reply.body).message
    assert reply.headers["connection"] == "close"
    assert await connection.ended()


async def test_http_1_0(connection: Connection) -> None:
    """Answered, with a length; and closed: whether `keep-alive` is granted is ours to say (RFC 9112, C.2.2)."""
    (body,) = requests(1)
    head = POST.replace(b"HTTP/1.1", b"HTTP/1.0")
    await connection.write(head + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    reply = await connection.reply()
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["connection"] == "close"
    assert await connection.ended()
    assert connection.ingest.committed == [body]


@pytest.mark.parametrize("write", [bytes.lower, bytes.upper], ids=["lower case", "upper case"])
async def test_the_case_of_headers_does_not_matter(connection: Connection, write: Callable[[bytes], bytes]) -> None:
    (body,) = requests(1)
    line, _, headers = (POST + b"Content-Encoding: identity\r\nContent-Length: %d\r\n\r\n" % len(body)).partition(b"\r\n")
    await connection.write(line + b"\r\n" + write(headers) + body)
    assert (await connection.reply()).status == 200
    assert connection.ingest.committed == [body]


async def test_a_thousand_requests_on_one_connection(connection: Connection) -> None:
    (body,) = requests(1)
    for _ in range(1000):
        assert (await connection.post(body)).status == 200
    assert len(connection.ingest.committed) == 1000


async def test_a_refusal_keeps_the_connection_and_says_when_to_come_back(connection: Connection) -> None:
    connection.ingest.failures.append(StorageUnavailable())
    (body,) = requests(1)
    reply = await connection.post(body)
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert reply.headers.get("connection") is None
    assert (await connection.post(body)).status == 200
