"""A refusal as a gRPC status.

RetryInfo goes out twice, because clients look in two places: in `grpc-status-details-bin` (Collector, Go, .NET, Rust) and
in `google.rpc.retryinfo-bin` (Python). The answer is trailers-only, which Java insists on (opentelemetry-java#8843).
"""

from __future__ import annotations

import functools
from asyncio import CancelledError
from typing import Any

import grpc
import structlog
from grpc_status.rpc_status import to_status

from llm_observatory.otlp.refusal import Refusal, UnexpectedErrors, count, retry_info, status_of
from llm_observatory.pipeline.signal import Signal

log = structlog.get_logger(__name__)

RETRY_INFO_KEY = "google.rpc.retryinfo-bin"

Trailers = tuple[tuple[str, str | bytes], ...]
ServicerContext = grpc.aio.ServicerContext[bytes, bytes]


@functools.lru_cache(maxsize=64)
def trailers_of(refusal: Refusal) -> Trailers:
    """The trailing metadata of a refusal. Cached: under overload the same few are sent over and over."""
    if refusal.retry_after is None:
        return ()
    retry = retry_info(refusal.retry_after).SerializeToString()
    return (*to_status(status_of(refusal)).trailing_metadata, (RETRY_INFO_KEY, retry))


async def refuse(context: ServicerContext, signal: Signal, error: Exception, unexpected: UnexpectedErrors) -> bytes:
    """End the call with the status for `error`.

    Re-raises AbortError: the call has its end already (CancelledError is no Exception). Returns only if the call ended
    by itself meanwhile (grpcio answers an oversized or undecodable body before us): the value then reaches nobody.
    """
    if isinstance(error, grpc.aio.AbortError):
        raise error
    refusal = count(signal, error, unexpected)
    try:
        # The stubs know only str values; keys that end in -bin take bytes.
        trailers: Any = trailers_of(refusal)
        await context.abort(refusal.code, refusal.message, trailers)
    except (grpc.aio.AbortError, CancelledError):
        raise
    except Exception as gone:  # noqa: BLE001 - ExecuteBatchError, which grpcio does not export
        log.debug("the call had ended before its status", signal=signal.name, error=repr(gone))
    return b""
