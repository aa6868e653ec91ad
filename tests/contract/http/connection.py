"""HTTP/1.1 by hand: what a client of no library sends, and what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> str:
        """The message of the status in its body."""
        message: str = Status.FromString(self.body).message
        return message


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send some bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """The next answer; IncompleteReadError when the server closes instead."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split(" ")[1]), headers, body)

    async def send_until_closed(self, pieces: Iterable[bytes], pause: float) -> int:
        """Send one piece after the other until the server has closed. Returns the bytes that were sent by then."""
        sent = 0
        for piece in pieces:
            try:
                await self.send(piece)
            except ConnectionError:
                return sent
            sent += len(piece)
            await asyncio.sleep(pause)
        raise AssertionError("the server has taken everything")

    async def closed(self, within: float = 5.0) -> bool:
        """Whether the server closes within so many seconds, and says nothing more."""
        try:
            async with asyncio.timeout(within):
                return await self.reader.read(1) == b""
        except (ConnectionError, TimeoutError) as error:
            return isinstance(error, ConnectionError)


def head(path: str = "/v1/traces", method: str = "POST", **headers: str | None) -> bytes:
    """The head of a request; a header is left out when it is None. Underscores are hyphens."""
    given = {"host": "x", "content_type": PROTOBUF, **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def post(body: bytes, path: str = "/v1/traces", **headers: str | None) -> bytes:
    """A whole request."""
    return head(path, "POST", content_length=str(len(body)), **headers) + body


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of so many bytes."""
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@asynccontextmanager
async def connected(place: int | Path) -> AsyncIterator[Connection]:
    """A connection to a port of this machine, or to a unix socket."""
    if isinstance(place, int):
        reader, writer = await asyncio.open_connection("127.0.0.1", place)
    else:
        reader, writer = await asyncio.open_unix_connection(place)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
