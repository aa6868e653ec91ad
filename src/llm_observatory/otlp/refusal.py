"""From an error to what a client is told, whatever the transport.

Everything that a later try may cure is UNAVAILABLE with a hint when to come back, overload too: clients drop their data on
RESOURCE_EXHAUSTED. So is an error that nobody foresaw (logged with its traceback): UNKNOWN and INTERNAL would make
clients throw away what a restart or a fix could still take. Only what is wrong with the request itself is final.
Of errors from the storage nothing is quoted: a message names no table, host or SQL.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import grpc
import structlog

from llm_observatory import metrics
from llm_observatory.errors import RETRY_AFTER_SECONDS, AccessDenied, DataRejected, IngestError, ObservatoryError, StorageError
from llm_observatory.pipeline.signal import Signal
from llm_observatory.serving.status import MESSAGE_MAX_CHARACTERS, Refusal

log = structlog.get_logger(__name__)

NO_SIGNAL = "none"
"""The label of requests that name no signal: a wrong path."""

LOG_INTERVAL_SECONDS = 1.0


def refusal_of(error: Exception) -> Refusal:
    """The status for `error`."""
    message = _message(error)[:MESSAGE_MAX_CHARACTERS]
    if isinstance(error, AccessDenied | IngestError | DataRejected) and not error.retryable:
        return Refusal(grpc.StatusCode[error.grpc_code], message, None)
    return Refusal(grpc.StatusCode.UNAVAILABLE, message, float(getattr(error, "retry_after", RETRY_AFTER_SECONDS)))


def _message(error: Exception) -> str:
    match error:
        case AccessDenied() | IngestError():
            return str(error)
        case DataRejected():
            return "the storage refused values of this request"
        case StorageError():
            return "the storage is not available, try again"
        case _:
            return "the request failed for an unexpected reason, try again"


def count(signal: Signal | None, error: Exception, unexpected: UnexpectedErrors) -> Refusal:
    """Count and, if nobody foresaw it, log an error that a client is about to hear."""
    if not isinstance(error, ObservatoryError):
        unexpected.log(NO_SIGNAL if signal is None else signal.name, error)
    metrics.REFUSED_REQUESTS.labels(NO_SIGNAL if signal is None else signal.name, _reason(error)).inc()
    return refusal_of(error)


class UnexpectedErrors:
    """Logs them with their tracebacks, one a second: a fault that every request meets must not fill a disk.

    How many were left out stands in the next one; all are counted in `ingest_refused_requests_total`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = clock()
        self._suppressed = 0

    def log(self, signal: str, error: Exception) -> None:
        """Say it, unless something was said within the last second."""
        now = self._clock()
        if now < self._quiet_until:
            self._suppressed += 1
            return
        log.error("request failed unexpectedly", signal=signal, suppressed=self._suppressed, exc_info=error)
        self._quiet_until, self._suppressed = now + LOG_INTERVAL_SECONDS, 0


def _reason(error: Exception) -> str:
    """`shutting_down` for ShuttingDown: a label value that stays one of a few."""
    name = type(error).__name__ if isinstance(error, ObservatoryError) else "Unexpected"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
