"""HTTP/1.1 as uvicorn speaks it with httptools, with the limits that uvicorn has not.

The head of a request and its trailers have `max_head_bytes`, the head `header_timeout` seconds, a connection without a request
`idle_timeout` seconds, and so has a client to take what it is sent; requests behind the one that is served are few. What is no
HTTP is answered with a `google.rpc.Status` like everything else. An offer to speak another protocol is not taken up. The body
has its limits elsewhere (`http_body.py`): nothing is read of it before somebody asks.
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
from llm_observatory.otlp import json
from llm_observatory.otlp.http_connections import Connections
from llm_observatory.otlp.refusal import NO_SIGNAL

INVALID_ARGUMENT = 3

MAX_PIPELINED = 100
"""Requests that may wait behind the one that is served. Their answers wait for it; more of them are not read."""

LAST_REQUEST = "last_request"
"""In the `state` of a scope: whether the connection is too old for another request."""

UNIX = "unix"
_unix_connections = itertools.count()
"""Connections to a unix socket have no address; who sends must be told from others all the same."""

_log = logging.getLogger("llm_observatory.otlp.http")
# uvicorn says of every invalid request that it came: a line a packet for whoever wants to fill the disk. What goes wrong in
# the application is said there.
_log.setLevel(logging.CRITICAL)


class ConnectionLimits(NamedTuple):
    """What the head of a request may take, in bytes and seconds; how long a connection may be without one, and be at all."""

    max_head_bytes: int
    header_timeout: float
    idle_timeout: float
    max_age: float | None
    connections: Connections


class _Parser(httptools.HttpRequestParser):
    """Reads a request that offers an upgrade as if it did not, which is how it is declined (RFC 9110, 7.8).

    httptools takes every offer for accepted: it reads no body and stops behind the head. Java's HTTP client offers h2c with
    the first POST of a connection: its data would be an empty request. So the head is read again, without the offer, by a
    parser that does not remember having stopped.
    """

    def __init__(self, protocol: OtlpHttpProtocol) -> None:
        super().__init__(protocol)
        # As uvicorn sets it for its own.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._protocol = protocol

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Parse `data`. Raises HttpParserError."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            head = self._protocol.head_without_offer()
            self._protocol.parser = _Parser(self._protocol)
            self._protocol.parser.feed_data(head + bytes(data)[stopped.args[0] :])


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
        self.logger = _log
        self.access_log = False
        self.timeout_keep_alive = limits.idle_timeout  # type: ignore[assignment]  # seconds for call_later
        self._limits = limits
        self._field_bytes = 0
        """Of the head and the trailers of the request that is coming."""
        self._silent_bytes = 0
        """What has come since the parser last called back: a line that does not end is kept in there."""
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._idle_at = math.inf
        self._old_at = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A connection that never sends anything ends, too."""
        super().connection_made(transport)
        if self.client is None:
            self.client = (UNIX, next(_unix_connections))
        if self._limits.max_age is not None:
            # Spread by a tenth, as grpcio does: connections that began together shall not come back together.
            self._old_at = self.loop.time() + self._limits.max_age * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        self._begin_idling()
        self._limits.connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        self._limits.connections.closed(self)
        self._end_head()
        self._unset_keepalive_if_required()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; no more of a line than a head may have."""
        if self.transport.is_closing():
            return
        self._silent_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._silent_bytes > self._limits.max_head_bytes:
            self.send_400_response("")
        elif self.is_idle:
            self._idle()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own
        """A client that has sent all of its request may shut its side and wait for the answer."""
        if self.cycle is None or self.cycle.more_body or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served, and none is coming."""
        return not self._in_head and (self.cycle is None or self.cycle.response_complete)

    def leave(self) -> None:
        """Close it at once."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.idle_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.scope["state"][LAST_REQUEST] = self.loop.time() >= self._old_at
        self._end_head()
        self._in_head = True
        self._field_bytes = self._silent_bytes = 0
        self._head_timer = self.loop.call_later(self._limits.header_timeout, self._head_overdue)

    def on_url(self, url: bytes) -> None:
        """More of the request line."""
        self._count_field(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are for nobody, and not kept."""
        self._count_field(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is over: the application takes the request. One with an offer comes again."""
        self._silent_bytes = 0
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if (
            self.parser.get_method() == b"CONNECT"
            or self.parser.get_http_version() not in ("1.0", "1.1")
            or codings not in ([], [b"chunked"])
            or len(self.pipeline) >= MAX_PIPELINED
        ):
            raise httptools.HttpParserError
        if not self.parser.should_upgrade():
            self._end_head()
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._silent_bytes = 0

    def on_body(self, body: bytes) -> None:
        """More of a body."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is over."""
        self._silent_bytes = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next that waits is served, or the connection idles. Nothing is read before all are."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()
        self._idle_at = self.loop.time() + self._limits.idle_timeout

    def head_without_offer(self) -> bytes:
        """The head that was just read, but for its `Upgrade`."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, in its own form
        """Answer what is no request of ours, and close: behind the answers to what was whole before it."""
        too_large = max(self._field_bytes, self._silent_bytes) > self._limits.max_head_bytes
        reason = "header_too_large" if too_large else "invalid_http"
        metrics.REFUSED_REQUESTS.labels(NO_SIGNAL, reason).inc()
        in_head, cycle = self._in_head, self.cycle
        self._end_head()
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            # Its own body is what is wrong. The application hears that the client has left.
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self._write_refusal(431 if too_large else 400, as_json=not in_head and self._is_json())
        self.transport.close()

    def _write_refusal(self, code: int, *, as_json: bool) -> None:
        message = "the headers or trailers are too large" if code == 431 else "this is not HTTP/1.1"  # noqa: PLR2004
        status = Status(code=INVALID_ARGUMENT, message=message)
        content = json.status_to_json(status) if as_json else status.SerializeToString()
        head = b"content-type: application/%b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[code] + head % (b"json" if as_json else b"x-protobuf", len(content)) + content)

    def _is_json(self) -> bool:
        return any(name == b"content-type" and b"json" in value.lower() for name, value in self.headers or ())

    def _begin_idling(self) -> None:
        self._idle_at = self.loop.time() + self._limits.idle_timeout
        self._idle()

    def _idle(self) -> None:
        """Wait for a request until it is time; empty lines do not put that off."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(self._idle_at, self.timeout_keep_alive_handler)

    def _count_field(self, size: int) -> None:
        self._silent_bytes = 0
        self._field_bytes += size
        if self._field_bytes > self._limits.max_head_bytes:
            raise httptools.HttpParserError

    def _end_head(self) -> None:
        self._in_head = False
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
