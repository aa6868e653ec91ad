"""A refusal as an HTTP answer: OTLP/HTTP, "Failures", of the OTLP specification.

The body of every 4xx and 5xx is a `google.rpc.Status` in the encoding of the request. What a later try may cure is 503 with
Retry-After: clients retry 429, 502, 503 and 504 alone.
"""

from __future__ import annotations

import math
from typing import ClassVar

from llm_observatory.errors import InvalidPayload, Unauthenticated
from llm_observatory.serving.status import Refusal

HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 413,
    "UNAVAILABLE": 503,
}
"""By gRPC code; all else is 500. RESOURCE_EXHAUSTED is never overload here: it is a request beyond a limit."""

Headers = tuple[tuple[bytes, bytes], ...]

CHALLENGE: Headers = ((b"www-authenticate", b"Bearer"),)
"""Goes with 401 (RFC 9110, 11.6.1)."""


class HttpError(InvalidPayload):
    """What is wrong with a request before there is a payload. `http_status` is its own."""

    http_status: ClassVar[int] = 400
    headers: ClassVar[Headers] = ()


class NotFound(HttpError):
    """No path of ours. Never 200: a wrong base URL would lose data without a word."""

    grpc_code = "NOT_FOUND"
    http_status = 404


class MethodNotAllowed(HttpError):
    """Not POST."""

    grpc_code = "UNIMPLEMENTED"
    http_status = 405
    headers = ((b"allow", b"POST"),)


class UnsupportedMediaType(HttpError):
    """Neither protobuf nor JSON, or compressed as we do not know (RFC 9110, 15.5.16)."""

    http_status = 415
    headers = ((b"accept-encoding", b"gzip, deflate, zstd"),)


def http_status_of(error: Exception, refusal: Refusal) -> int:
    """The status code for an error and what its client is told."""
    return error.http_status if isinstance(error, HttpError) else HTTP_STATUSES.get(refusal.code.name, 500)


def headers_of(error: Exception, refusal: Refusal) -> Headers:
    """The headers that go with it. Retry-After is in whole seconds, rounded up."""
    match error:
        case HttpError():
            own = error.headers
        case Unauthenticated():
            own = CHALLENGE
        case _:
            own = ()
    return own if refusal.retry_after is None else (*own, (b"retry-after", b"%d" % math.ceil(refusal.retry_after)))
