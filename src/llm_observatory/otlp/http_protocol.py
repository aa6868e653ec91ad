"""HTTP/1.1 as uvicorn speaks it with httptools, with the limits that uvicorn has not.

The head of a request has `max_head_bytes` and `header_timeout` seconds, a connection without a request `idle_timeout`
seconds; what is no HTTP is answered with a `google.rpc.Status` like everything else. An offer to speak another protocol is
not taken up. The body has its limits elsewhere (`http_body.py`): nothing is read of it before somebody asks.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
from array import array
from typing import Any, NamedTuple

import httptools
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from llm_observatory import metrics
from llm_observatory.otlp.refusal import NO_SIGNAL

INVALID_ARGUMENT = 3

LAST_REQUEST = "last_request"
"""In the `state` of a scope: whether the connection is too old for another request."""

UNIX = "unix"
_unix_connections = itertools.count()
"""Connections to a unix socket have no address; who sends must be told from others all the same."""

_log = logging.getLogger("llm_observatory.otlp.http")
# uvicorn says of every invalid request that it came: a line a packet for whoever wants to fill the disk.
_log.setLevel(logging.ERROR)


class ConnectionLimits(NamedTuple):
    """What the head of a request may take, in bytes and seconds; how long a connection may be without one, and be at all."""

    max_head_bytes: int
    header_timeout: float
    idle_timeout: float
    max_age: float | None


class _Parser(httptools.HttpRequestParser):
    """Reads a request that offers an upgrade as if it did not, which is how it is declined (RFC 9110, 7.8).

    httptools takes every offer for accepted: it reads no body and stops behind the head. Java's HTTP client offers h2c with
    the first POST of a connection: its data would be an empty request. So the head is read again, without the offer.
    """

    def __init__(self, protocol: OtlpHttpProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Parse `data`. Raises HttpParserError."""
        rest = memoryview(data)
        while True:
            try:
                super().feed_data(rest)
            except httptools.HttpParserUpgrade as stopped:
                rest = rest[stopped.args[0] :]
                super().feed_data(self._protocol.head_without_offer())
            else:
                return


class OtlpHttpProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # uvicorn leaves None out

    def __init__(
        self,
        limits: ConnectionLimits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = _Parser(self)
        # As uvicorn sets it for its own.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.logger = _log
        self.access_log = False
        self.timeout_keep_alive = limits.idle_timeout  # type: ignore[assignment]  # seconds for call_later
        self._limits = limits
        self._head_bytes: int | None = None
        """Of the head that is coming; None when there is none."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._old_at = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A connection that never sends anything ends, too."""
        super().connection_made(transport)
        if self.client is None:
            self.client = (UNIX, next(_unix_connections))
        if self._limits.max_age is not None:
            # Spread by a tenth, as grpcio does: connections that began together shall not come back together.
            self._old_at = self.loop.time() + self._limits.max_age * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        self._end_head()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; no more of a head than it may have."""
        if self.transport.is_closing():
            return
        began_before = self._head_bytes is not None
        super().data_received(data)
        if self.transport.is_closing():
            return
        if began_before and self._head_bytes is not None:
            # A line that does not end is not in the callbacks yet.
            self._count_head(len(data))
            if self._head_too_large():
                self.send_400_response("")
        if self._head_bytes is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_request()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own
        """A client that has sent all of its request may shut its side and wait for the answer."""
        if self.cycle is None or self.cycle.more_body or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.scope["state"][LAST_REQUEST] = self.loop.time() >= self._old_at
        self._end_head()
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self._limits.header_timeout, self._head_overdue)

    def on_url(self, url: bytes) -> None:
        """More of the request line."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._count_head(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is over: the application takes the request. One with an offer comes again."""
        if self._head_too_large() or self.parser.get_method() == b"CONNECT":
            raise httptools.HttpParserError
        if not self.parser.should_upgrade():
            self._end_head()
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is over."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def head_without_offer(self) -> bytes:
        """The head that was just read, but for its `Upgrade`."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, in its own form
        """Answer what is no request of ours, and close. Nothing is said in the middle of an answer."""
        code, message = (431, "the headers are too large") if self._head_too_large() else (400, "this is not HTTP/1.1")
        self._end_head()
        reason = "header_too_large" if code == 431 else "invalid_http"  # noqa: PLR2004
        metrics.REFUSED_REQUESTS.labels(NO_SIGNAL, reason).inc()
        if self.cycle is None or self.cycle.response_complete:
            content = Status(code=INVALID_ARGUMENT, message=message).SerializeToString()
            head = b"content-type: application/x-protobuf\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[code] + head % len(content) + content)
        self.transport.close()

    def _wait_for_request(self) -> None:
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _count_head(self, size: int) -> None:
        if self._head_bytes is not None:
            self._head_bytes += size

    def _head_too_large(self) -> bool:
        return self._head_bytes is not None and self._head_bytes > self._limits.max_head_bytes

    def _end_head(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        if self.flow.read_paused:
            # The rest of it waits in the socket because we do not read: a request before it is being served.
            self._head_timer = self.loop.call_later(self._limits.header_timeout, self._head_overdue)
        else:
            self._end_head()
            self.transport.close()
