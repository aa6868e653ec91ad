"""A refusal on the wire: `google.rpc.Status` with its details, and the trailers of gRPC that carry it.

RetryInfo goes out twice, because clients look in two places: in `grpc-status-details-bin` (Collector, Go, .NET, Rust) and
in `google.rpc.retryinfo-bin` (Python).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs
from grpc_status.rpc_status import to_status

MESSAGE_MAX_CHARACTERS = 512
"""Over gRPC the message travels twice, percent-encoded and in base64, and clients take 8 KiB of trailers."""

RETRY_INFO_KEY = "google.rpc.retryinfo-bin"

Trailers = tuple[tuple[str, str | bytes], ...]


class Refusal(NamedTuple):
    """What a client is told. `retry_after` is in seconds, None where a retry is useless; `field` is what was wrong with it."""

    code: grpc.StatusCode
    message: str
    retry_after: float | None
    field: str = ""


def retry_info(retry_after: float) -> RetryInfo:
    """`google.rpc.RetryInfo` of so many seconds."""
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round(retry_after * 1e9))
    return info


@functools.lru_cache(maxsize=64)
def status_of(refusal: Refusal) -> Status:
    """`google.rpc.Status` of a refusal, with RetryInfo in its details, or BadRequest for what is wrong with a request.

    Cached: under overload the same few are sent.
    """
    status = Status(code=refusal.code.value[0], message=refusal.message)
    if refusal.retry_after is not None:
        status.details.append(_packed(retry_info(refusal.retry_after)))
    elif refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
        violation = BadRequest.FieldViolation(field=refusal.field, description=refusal.message)
        status.details.append(_packed(BadRequest(field_violations=[violation])))
    return status


@functools.lru_cache(maxsize=64)
def trailers_of(refusal: Refusal) -> Trailers:
    """The trailing metadata of a refusal. Cached as `status_of`."""
    status = status_of(refusal)
    if not status.details:
        return ()
    details: Trailers = tuple(to_status(status).trailing_metadata)
    if refusal.retry_after is None:
        return details
    return (*details, (RETRY_INFO_KEY, retry_info(refusal.retry_after).SerializeToString()))


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
