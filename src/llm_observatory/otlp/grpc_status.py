"""A refusal of an export as a gRPC status. The answer is trailers-only, which Java insists on (opentelemetry-java#8843)."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import grpc
import structlog

from llm_observatory.otlp.refusal import UnexpectedErrors, count
from llm_observatory.pipeline.signal import Signal
from llm_observatory.serving.status import trailers_of

log = structlog.get_logger(__name__)

ServicerContext = grpc.aio.ServicerContext[bytes, bytes]


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
        trailers: Any = () if refusal.retry_after is None else trailers_of(refusal)
        await context.abort(refusal.code, refusal.message, trailers)
    except (grpc.aio.AbortError, CancelledError):
        raise
    except Exception as gone:  # noqa: BLE001 - ExecuteBatchError, which grpcio does not export
        log.debug("the call had ended before its status", signal=signal.name, error=repr(gone))
    return b""
