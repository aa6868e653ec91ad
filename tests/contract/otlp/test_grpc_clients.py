"""What gRPC of Java and .NET reads of a refusal, frame by frame.

Java's exporter takes the status from a response that is Trailers-Only and from no other (opentelemetry-java#8843); .NET, Go and
the Collector take the delay from the `google.rpc.Status` in `grpc-status-details-bin`.
"""

from __future__ import annotations

from base64 import b64decode

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from llm_observatory.errors import DataRejected, InvalidPayload, Overloaded, ShuttingDown, StorageUnavailable
from tests.contract.otlp.conftest import Otlp
from tests.contract.otlp.payloads import trace_request
from tests.plugins.wire import EXPORT_TRACES, RawResponse, frame, raw_client

CODE = {code.value[0]: code for code in grpc.StatusCode}
MIB = 1024 * 1024


def binary(response: RawResponse, name: str) -> bytes:
    """The value of a `-bin` header, which comes without padding."""
    text = response.headers[name]
    return b64decode(text + "=" * (-len(text) % 4))


async def refused(
    otlp: Otlp, body: bytes, *, deadline: str = "10S", path: str = EXPORT_TRACES, whole: bool = True
) -> RawResponse:
    """The answer to a call that sends `body`, or leaves out its last byte."""
    async with raw_client(otlp.port) as client:
        stream = await client.call(path, [("grpc-timeout", deadline)])
        await client.send(stream, body if whole else body[:-1], end=whole)
        response = await client.response(stream)
    assert response.trailers_only, "Java would not see the status"
    assert response.header_blocks == 1
    assert response.body == b""
    assert response.headers[":status"] == "200"
    return response


def hint(response: RawResponse) -> float:
    """The delay that the status asks for, seconds."""
    status = Status.FromString(binary(response, "grpc-status-details-bin"))
    assert status.code == response.status
    assert status.message == response.headers["grpc-message"]
    [detail] = status.details
    assert detail.type_url == "type.googleapis.com/google.rpc.RetryInfo"
    info = RetryInfo()
    assert detail.Unpack(info)
    assert binary(response, "google.rpc.retryinfo-bin") == info.SerializeToString()
    seconds: float = info.retry_delay.ToTimedelta().total_seconds()
    return seconds


@pytest.mark.parametrize(
    "error", [Overloaded(), Overloaded(retry_after=2.5), ShuttingDown(), StorageUnavailable(), RuntimeError()]
)
async def test_what_may_be_tried_again_says_when(otlp: Otlp, error: Exception) -> None:
    otlp.ingest.failures.append(error)
    response = await refused(otlp, frame(trace_request()))
    assert CODE[response.status or 0] is grpc.StatusCode.UNAVAILABLE
    assert hint(response) == getattr(error, "retry_after", 1.0)


async def test_a_refusal_before_the_body_is_read(otlp: Otlp) -> None:
    otlp.ingest.admit_error = Overloaded()
    response = await refused(otlp, frame(trace_request()), whole=False)
    assert hint(response) == 1.0


async def test_a_refusal_after_the_hold(otlp: Otlp) -> None:
    otlp.ingest.room.clear()
    response = await refused(otlp, frame(trace_request()), deadline="1S")
    assert hint(response) == 1.0


@pytest.mark.parametrize(
    "body,error,code",
    [
        (frame(trace_request()), InvalidPayload("cut off"), grpc.StatusCode.INVALID_ARGUMENT),
        (frame(bytes(4 * MIB + 1)), None, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (frame(trace_request()), DataRejected(), grpc.StatusCode.INTERNAL),
    ],
    ids=["no OTLP", "too large", "rejected"],
)
async def test_what_may_not_be_tried_again_gives_no_time(
    otlp: Otlp, body: bytes, error: Exception | None, code: grpc.StatusCode
) -> None:
    if error is not None:
        otlp.ingest.failures.append(error)
    response = await refused(otlp, body)
    assert CODE[response.status or 0] is code
    assert not {"google.rpc.retryinfo-bin", "grpc-status-details-bin"} & response.headers.keys()


async def test_a_signal_that_is_not_taken(otlp: Otlp) -> None:
    path = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    response = await refused(otlp, frame(b""), path=path)
    assert CODE[response.status or 0] is grpc.StatusCode.UNIMPLEMENTED
