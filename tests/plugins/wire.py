"""A gRPC client made of raw HTTP/2 frames: it can stop in the middle of a message, lie about it, or leave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingAckReceived,
    PingReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from llm_observatory.pipeline.signal import SIGNALS

EXPORT_TRACES, EXPORT_METRICS, EXPORT_LOGS = (f"/{signal.grpc_service}/Export" for signal in SIGNALS)


def frame(message: bytes, *, compressed: bool = False, announced: int | None = None) -> bytes:
    """One length-prefixed gRPC message; `announced` is a length that need not be true."""
    return struct.pack(">BI", compressed, len(message) if announced is None else announced) + message


@dataclass
class RawResponse:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: ErrorCodes | int | None = None
    header_blocks: int = 0
    trailers_only: bool = False
    """Headers that end the stream: all that gRPC's answer to a refused call should be."""

    @property
    def status(self) -> int | None:
        """grpc-status, None while there is none."""
        value = self.headers.get("grpc-status")
        return None if value is None else int(value)


class RawClient:
    """One HTTP/2 connection. Open it with `raw_client`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._responses: dict[int, RawResponse] = {}
        self._sent: dict[int, int] = {}
        self._changed = asyncio.Condition()
        self.goaway: ConnectionTerminated | None = None
        self.closed = False
        self.ping_acks = 0
        self.pings = 0
        """PING frames of the server."""
        self.silent = False
        """Set it and nothing is sent any more by itself, such as the answer to a ping."""

    async def handshake(self, window: int | None) -> None:
        self._h2.initiate_connection()
        if window is not None:
            self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        await self._flush()

    async def call(
        self, path: str = EXPORT_TRACES, headers: Sequence[tuple[str, str]] = (), content_type: str = "application/grpc"
    ) -> int:
        """Send request headers; returns the stream."""
        stream = self._h2.get_next_available_stream_id()
        self._responses[stream] = RawResponse()
        pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test")]
        self._h2.send_headers(stream, [*pseudo, ("content-type", content_type), ("te", "trailers"), *headers])
        await self._flush()
        return stream

    async def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send all of `data` as the server's windows allow. Stops when the server ends the stream."""
        view = memoryview(data)
        while view:
            await self.until(lambda: self.window(stream) > 0 or self._over(stream))
            if self._over(stream):
                return
            size = min(self.window(stream), self._h2.max_outbound_frame_size, len(view))
            self._h2.send_data(stream, bytes(view[:size]))
            self._sent[stream] = self.sent(stream) + size
            view = view[size:]
            await self._flush()
        if end and not self._over(stream):
            self._h2.end_stream(stream)
            await self._flush()

    @property
    def max_streams(self) -> float:
        """How many calls at once the server allows."""
        return self._h2.remote_settings.max_concurrent_streams

    def window(self, stream: int) -> int:
        """How many bytes the server would take on this stream now."""
        try:
            return self._h2.local_flow_control_window(stream)
        except StreamClosedError:
            return 0

    def sent(self, stream: int) -> int:
        """How many bytes the server's windows let through on this stream so far."""
        return self._sent.get(stream, 0)

    def received(self, stream: int) -> bytes:
        """What came on this stream so far."""
        return self._responses[stream].body

    async def let_in(self, stream: int, size: int) -> None:
        """Let the server send so many bytes more on this stream."""
        self._h2.increment_flow_control_window(size, stream)
        await self._flush()

    async def reset(self, stream: int) -> None:
        """RST_STREAM with CANCEL."""
        self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        await self._flush()

    async def ping(self, times: int = 1) -> None:
        """PING frames, all in one write."""
        for _ in range(times):
            self._h2.ping(bytes(8))
        await self._flush()

    def break_off(self) -> None:
        """Close the connection with a TCP reset, like a crashed host."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def response(self, stream: int, within: float = 10.0) -> RawResponse:
        """Wait for the end of the stream."""
        await self.until(lambda: self._over(stream), within)
        return self._responses[stream]

    async def until(self, condition: Callable[[], bool], within: float = 10.0) -> None:
        """Wait until something the server sent makes `condition` true."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    async def pump(self) -> None:
        """Read frames until the connection ends; runs beside the test."""
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65536):
                try:
                    events = self._h2.receive_data(data)
                except ProtocolError:
                    if self._h2.state_machine.state is not ConnectionState.CLOSED:
                        raise
                    break  # after GOAWAY, which ends a connection for h2, grpcio still pings
                for event in events:
                    self._take(event)
                if not self.silent:
                    await self._flush()
                async with self._changed:
                    self._changed.notify_all()
        self.closed = True
        async with self._changed:
            self._changed.notify_all()

    def _take(self, event: object) -> None:
        match event:
            case ResponseReceived() | TrailersReceived():
                response = self._responses[event.stream_id]
                response.headers |= {str(name): str(value) for name, value in event.headers}
                response.header_blocks += 1
                response.trailers_only = isinstance(event, ResponseReceived) and event.stream_ended is not None
            case DataReceived():
                self._responses[event.stream_id].body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self._responses[event.stream_id].ended = True
            case StreamReset():
                self._responses[event.stream_id].reset = event.error_code
            case PingAckReceived():
                self.ping_acks += 1
            case PingReceived():
                self.pings += 1
            case ConnectionTerminated():
                self.goaway = event
            case _:
                pass

    def _over(self, stream: int) -> bool:
        response = self._responses[stream]
        return self.closed or response.ended or response.reset is not None

    async def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()


@contextlib.asynccontextmanager
async def raw_client(port: int, window: int | None = None, host: str = "127.0.0.1") -> AsyncIterator[RawClient]:
    """A connection to `host`:`port`, closed at the end. `window` is what the server may send on a stream unasked."""
    reader, writer = await asyncio.open_connection(host, port)
    client = RawClient(reader, writer)
    pump = asyncio.create_task(client.pump())
    try:
        await client.handshake(window)
        yield client
    finally:
        writer.close()
        await asyncio.wait([pump])
        pump.result()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
