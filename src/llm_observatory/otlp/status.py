"""From an error to the gRPC status its client acts on.

Everything that a later try may cure is UNAVAILABLE with RetryInfo, overload too: clients drop their data on
RESOURCE_EXHAUSTED. So is an error that nobody foresaw (logged with its traceback): UNKNOWN and INTERNAL would make
clients throw away what a restart or a fix could still take. Only what is wrong with the request itself is final.
Of errors from the storage nothing is quoted: a message names no table, host or SQL.

RetryInfo goes out twice, because clients look in two places: in `grpc-status-details-bin` (Collector, Go, .NET, Rust) and
in `google.rpc.retryinfo-bin` (Python). The answer is trailers-only, which Java insists on (opentelemetry-java#8843).
"""

from __future__ import annotations

import functools
import re
import time
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs
from grpc_status.rpc_status import to_status

from llm_observatory import metrics
from llm_observatory.errors import RETRY_AFTER_SECONDS, DataRejected, IngestError, ObservatoryError, StorageError
from llm_observatory.pipeline.signal import Signal

log = structlog.get_logger(__name__)

RETRY_INFO_KEY = "google.rpc.retryinfo-bin"
MESSAGE_MAX_CHARACTERS = 512
"""The message travels twice, percent-encoded and in base64, and clients take 8 KiB of trailers."""

LOG_INTERVAL_SECONDS = 1.0

Trailers = tuple[tuple[str, str | bytes], ...]
ServicerContext = grpc.aio.ServicerContext[bytes, bytes]


class Refusal(NamedTuple):
    """What a client is told. `retry_after` is in seconds, None where a retry is useless."""

    code: grpc.StatusCode
    message: str
    retry_after: float | None


def refusal_of(error: Exception) -> Refusal:
    """The status for `error`."""
    message = _message(error)[:MESSAGE_MAX_CHARACTERS]
    if isinstance(error, IngestError | DataRejected) and not error.retryable:
        return Refusal(grpc.StatusCode[error.grpc_code], message, None)
    return Refusal(grpc.StatusCode.UNAVAILABLE, message, float(getattr(error, "retry_after", RETRY_AFTER_SECONDS)))


def _message(error: Exception) -> str:
    match error:
        case IngestError():
            return str(error)
        case DataRejected():
            return "the storage refused values of this request"
        case StorageError():
            return "the storage is not available, try again"
        case _:
            return "the request failed for an unexpected reason, try again"


@functools.lru_cache(maxsize=64)
def trailers_of(refusal: Refusal) -> Trailers:
    """The trailing metadata of a refusal. Cached: under overload the same few are sent over and over."""
    if refusal.retry_after is None:
        return ()
    retry = RetryInfo()
    retry.retry_delay.FromNanoseconds(round(refusal.retry_after * 1e9))
    detail = AnyMessage()
    detail.Pack(retry)
    status = Status(code=refusal.code.value[0], message=refusal.message, details=[detail])
    return (*to_status(status).trailing_metadata, (RETRY_INFO_KEY, retry.SerializeToString()))


class UnexpectedErrors:
    """Logs them with their tracebacks, one a second: a fault that every request meets must not fill a disk.

    How many were left out stands in the next one; all are counted in `ingest_refused_requests_total`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = clock()
        self._suppressed = 0

    def log(self, signal: Signal, error: Exception) -> None:
        """Say it, unless something was said within the last second."""
        now = self._clock()
        if now < self._quiet_until:
            self._suppressed += 1
            return
        log.error("request failed unexpectedly", signal=signal.name, suppressed=self._suppressed, exc_info=error)
        self._quiet_until, self._suppressed = now + LOG_INTERVAL_SECONDS, 0


async def refuse(context: ServicerContext, signal: Signal, error: Exception, unexpected: UnexpectedErrors) -> bytes:
    """End the call with the status for `error`.

    Re-raises AbortError: the call has its end already (CancelledError is no Exception). Returns only if the call ended
    by itself meanwhile (grpcio answers an oversized or undecodable body before us): the value then reaches nobody.
    """
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, ObservatoryError):
        unexpected.log(signal, error)
    metrics.REFUSED_REQUESTS.labels(signal.name, _reason(error)).inc()
    refusal = refusal_of(error)
    try:
        # The stubs know only str values; keys that end in -bin take bytes.
        trailers: Any = trailers_of(refusal)
        await context.abort(refusal.code, refusal.message, trailers)
    except (grpc.aio.AbortError, CancelledError):
        raise
    except Exception as gone:  # noqa: BLE001 - ExecuteBatchError, which grpcio does not export
        log.debug("the call had ended before its status", signal=signal.name, error=repr(gone))
    return b""


def _reason(error: Exception) -> str:
    """`shutting_down` for ShuttingDown: a label value that stays one of a few."""
    name = type(error).__name__ if isinstance(error, ObservatoryError) else "Unexpected"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
