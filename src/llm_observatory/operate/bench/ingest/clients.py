"""Connections that send raw OTLP bytes of spans, and take nothing but full success for an acknowledgement."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol, cast

import grpc

from llm_observatory.pipeline.signal import TRACES

METHOD = f"/{TRACES.grpc_service}/Export"
HTTP_PATH = f"/v1/{TRACES.name}"
TIMEOUT_SECONDS = 30.0

# Without a subchannel pool of its own a channel shares the connection of all others to the same address.
_CHANNEL = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0))
_LENGTH = b"content-length:"


class TryAgain(Exception):
    """The receiver was too busy."""


class Unexpected(Exception):
    """Neither an acknowledgement nor a refusal for want of room; the message says what came."""


class Client(Protocol):
    """One connection."""

    async def send(self, payload: bytes) -> None:
        """Returns when it is acknowledged whole. Raises TryAgain, Unexpected."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class GrpcClient:
    """OTLP over gRPC; any number of calls at once."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_CHANNEL)
        self._export = cast("Any", self._channel.unary_unary(METHOD, None, None))

    async def send(self, payload: bytes) -> None:
        """See Client."""
        try:
            answer = await self._export(payload, timeout=TIMEOUT_SECONDS, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                raise TryAgain from None
            raise Unexpected(f"{error.code().name}: {error.details()}") from None
        if answer:
            raise Unexpected(f"not all was accepted: {answer!r}")

    async def close(self) -> None:
        """See Client."""
        await self._channel.close(None)


class HttpClient:
    """OTLP over HTTP/1.1 with protobuf; one call at a time on a connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def send(self, payload: bytes) -> None:
        """See Client."""
        async with self._turn, asyncio.timeout(TIMEOUT_SECONDS):
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            head = f"POST {HTTP_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-protobuf\r\n"
            writer.writelines([head.encode(), b"content-length: %d\r\n\r\n" % len(payload), payload])
            await writer.drain()
            status, *fields = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            [length] = [int(field.removeprefix(_LENGTH)) for field in fields if field.startswith(_LENGTH)]
            answer = await reader.readexactly(length)
        code = int(status.split(b" ")[1])
        if code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise TryAgain
        if code != HTTPStatus.OK or answer:
            raise Unexpected(f"{code}: {answer!r}")

    async def close(self) -> None:
        """See Client."""
        if self._streams is not None:
            self._streams[1].close()


CLIENTS: dict[str, type[GrpcClient | HttpClient]] = {"grpc": GrpcClient, "http": HttpClient}
"""By transport."""
