"""gRPC calls made of raw HTTP/2 frames."""

from __future__ import annotations

from collections.abc import Sequence

from tests.conformance.receiver import NAMES, Receiver
from tests.conformance.signals import TRACES
from tests.plugins.wire import RawResponse

GZIP = ("grpc-encoding", "gzip")
Headers = Sequence[tuple[str, str]]


async def exchange(
    receiver: Receiver, body: bytes, headers: Headers = (), method: str = TRACES.method, within: float = 30
) -> RawResponse:
    """One call on a connection of its own; `body` is everything that goes into DATA frames."""
    async with receiver.frames() as client:
        stream = await client.call(method, headers)
        await client.send(stream, body, end=True)
        return await client.response(stream, within)


def outcome(response: RawResponse) -> str:
    """The name of the gRPC status, or how the stream ended without one."""
    if response.status is not None:
        return NAMES[response.status]
    return "no status" if response.reset is None else "RST_STREAM"


def message_of(response: RawResponse) -> bytes:
    """The one message of a response without compression."""
    assert response.body[:1] == b"\0", response.body[:20]
    assert int.from_bytes(response.body[1:5], "big") == len(response.body) - 5
    return response.body[5:]
