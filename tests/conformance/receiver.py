"""The receiver under test: two addresses, and where it is ours the process behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import Compression

from tests.conformance.http_wire import Address, Connection, Response
from tests.conformance.signals import TRACES, Signal
from tests.plugins.service import Service
from tests.plugins.wire import RawClient, raw_client

UNLIMITED = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)

RETRYABLE = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
"""https://opentelemetry.io/docs/specs/otlp/#failures; RESOURCE_EXHAUSTED only with RetryInfo."""

NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
"""`NAMES[13]` is INTERNAL."""


def address(text: str) -> Address:
    """`host:port`; brackets around an IPv6 address."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


@dataclass(frozen=True)
class Answer:
    """What came back on one gRPC call: a code and a message, and bytes with OK."""

    code: str
    message: str = ""
    body: bytes = b""
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def trailer(self, name: str) -> str | bytes | None:
        """Of the trailing metadata."""
        return dict(self.trailers).get(name)

    @property
    def retryable(self) -> bool:
        """Whether clients of OTLP try again."""
        hinted = self.code == "RESOURCE_EXHAUSTED" and self.trailer("grpc-status-details-bin") is not None
        return self.code in RETRYABLE or hinted


class Client:
    """A stock gRPC client over a connection of its own: bytes in, bytes out."""

    def __init__(self, to: Address, compression: Compression = Compression.NoCompression) -> None:
        self.channel = grpc.insecure_channel(f"{to[0]}:{to[1]}", options=UNLIMITED, compression=compression)

    def call(self, method: str, payload: bytes, timeout: float = 30) -> Answer:
        """One call, whatever comes of it."""
        return answer_of(self.start(method, payload, timeout))

    def start(self, method: str, payload: bytes, timeout: float = 30) -> Any:
        """A call whose end is not waited for."""
        return self.channel.unary_unary(method, None, None).future(payload, timeout=timeout)

    def export(self, message: Any, signal: Signal = TRACES, timeout: float = 30) -> Answer:
        """Export a message, or bytes that may be none."""
        return self.call(signal.method, message if isinstance(message, bytes) else message.SerializeToString(), timeout)


def answer_of(call: Any) -> Answer:
    """The end of a call."""
    code = call.code().name
    trailers = tuple((name, value) for name, value in call.trailing_metadata() or ())
    return Answer(code, call.details() or "", call.result() if code == "OK" else b"", trailers)


def answers_of(calls: Iterable[Any]) -> list[Answer]:
    """The ends of calls that were started together."""
    return [answer_of(call) for call in calls]


@dataclass(frozen=True)
class Receiver:
    """`limit` is that of a request in bytes, `service` our own process or None."""

    grpc: Address | None
    http: Address | None
    limit: int
    service: Service | None = None

    def client(self, compression: Compression = Compression.NoCompression) -> Client:
        """A stock client; the caller closes its channel."""
        assert self.grpc is not None
        return Client(self.grpc, compression)

    def frames(self, window: int | None = None) -> AbstractAsyncContextManager[RawClient]:
        """A connection of raw HTTP/2 frames."""
        assert self.grpc is not None
        return raw_client(self.grpc[1], window, host=self.grpc[0])

    def ask(self, request: bytes, within: float = 30) -> Response:
        """One request over HTTP, on a connection of its own."""
        with self.connect() as connection:
            return connection.send(request).response(within)

    def connect(self) -> Connection:
        """A connection of raw HTTP/1.1."""
        assert self.http is not None
        return Connection(self.http)

    @property
    def ours(self) -> Service:
        """The process; only for tests that are marked `own_process`."""
        assert self.service is not None
        return self.service

    def rows(self, table: str) -> int:
        """How many rows our own process has stored in a table."""
        [(count,)] = self.ours.query(f"SELECT count(*) FROM {table}")
        return int(count)


Seen = Callable[[str], None]
"""Say what was seen: one short line, the same in every run."""
