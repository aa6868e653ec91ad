"""An HTTP/1.1 client made of a socket: it can lie about lengths, dribble, send several requests at once, or leave."""

from __future__ import annotations

import contextlib
import json
import socket
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

PROTOBUF, JSON = "application/x-protobuf", "application/json"
Headers = Iterable[tuple[str, str]]
Address = tuple[str, int]


class Response(NamedTuple):
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """Without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def content(self) -> bytes:
        """The body, inflated."""
        return zlib.decompress(self.body, 47) if self.headers.get("content-encoding") == "gzip" else self.body

    def error(self) -> Any:
        """The body as `google.rpc.Status` in the encoding that its content type names. Fails if it is none."""
        if self.content_type == JSON:
            found = json.loads(self.content)
            found["details"] = [detail for detail in found.get("details", ()) if "@type" in detail]
            return ParseDict(found, Status())
        assert self.content_type == PROTOBUF, self.headers
        return Status.FromString(self.content)


class Closed(ConnectionError):
    """The server closed the connection; `received` is what had come of a response."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"closed after {received[:200]!r}")
        self.received = received


class Connection:
    """One connection."""

    def __init__(self, to: Address, timeout: float = 30) -> None:
        self._socket = socket.create_connection(to, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> Self:
        """Send all; a server that has closed meanwhile shows in `response`."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)
        return self

    def end(self) -> None:
        """Shut the sending side."""
        self._socket.shutdown(socket.SHUT_WR)

    def response(self, within: float = 30) -> Response:
        """The next response. Raises Closed, and TimeoutError after so many seconds without a byte."""
        self._socket.settimeout(within)
        while True:
            head = self._until(b"\r\n\r\n").decode("latin-1")
            first, *lines = head.split("\r\n")
            version, status, *_ = first.split(" ", 2)
            assert version == "HTTP/1.1", first
            pairs = (line.partition(":") for line in lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            if status != "100":
                return Response(int(status), headers, self._body(int(status), headers))

    def continues(self, within: float = 30) -> bool:
        """Whether the next thing the server says is `100 Continue`."""
        self._socket.settimeout(within)
        while b"\r\n\r\n" not in self._received:
            self._more()
        if not self._received.startswith(b"HTTP/1.1 100"):
            return False
        self._until(b"\r\n\r\n")
        return True

    def closed(self, within: float) -> bool:
        """Whether the server closes the connection in that time, without another word."""
        self._socket.settimeout(within)
        try:
            self._more()
        except Closed:
            return True
        except TimeoutError:
            return False
        return False

    def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while size := int(self._until(b"\r\n").partition(b";")[0], 16):
                parts.append(self._exactly(size + 2)[:-2])
            self._until(b"\r\n")
            return b"".join(parts)
        return self._exactly(int(headers["content-length"]))

    def _more(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed(self._received)
        self._received += data

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        found, _, self._received = self._received.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        found, self._received = self._received[:size], self._received[size:]
        return found


def head(path: str, headers: Headers, method: str = "POST") -> bytes:
    """Request line and headers."""
    lines = [f"{method} {path} HTTP/1.1", "host: conformance", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(path: str, body: bytes, content_type: str | None = PROTOBUF, headers: Headers = ()) -> bytes:
    """A whole request with a Content-Length."""
    typed = [] if content_type is None else [("content-type", content_type)]
    return head(path, [*typed, ("content-length", str(len(body))), *headers]) + body


def chunked(path: str, chunks: Iterable[bytes], content_type: str = PROTOBUF, headers: Headers = ()) -> bytes:
    """A whole request in chunks."""
    parts = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head(path, [("content-type", content_type), ("transfer-encoding", "chunked"), *headers]) + parts + b"0\r\n\r\n"
