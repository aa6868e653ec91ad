"""One OTLP export request, whatever carried it.

Guarantees: an empty body succeeds without touching ingest; records are counted under the Collector's
`otelcol_receiver_*` names when the request is answered; errors pass through unchanged, the transports translate them.
A client that leaves before its answer is counted nowhere here: what became of its data is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llm_observatory import codec, metrics
from llm_observatory.errors import IngestError, InvalidPayload, ObservatoryError
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import Signal

RECEIVER = "otlp"

KEEP_MAX_BYTES = 64 * 1024
"""A body up to this size is kept until its answer: if it fails, its items are counted on it. Larger ones are given up at
once, for a body must not live on here after ingest is done with it (four slots of 60 MiB, not a hundred); when they fail
they count as requests, in `ingest_refused_requests_total`, and their items nowhere."""

COUNT_MAX_ITEMS = 10_000
"""Counting stops there: it costs about 1 us a record on the event loop, which a refusal under overload has not got."""


class Ingest(Protocol):
    """What a receiver needs of the pipeline. `tests/contract/otlp/test_ingest.py` says what each implementation does."""

    async def admit(self, signal: Signal, hold_until: float) -> None:
        """Wait until there is room for a request of `signal`. Raises Overloaded or ShuttingDown."""

    async def export(
        self, signal: Signal, tenant: str, payload: bytes, hold_until: float, on_admitted: Callable[[], None]
    ) -> ExportResult:
        """Store one request; returns after COMMIT. Raises IngestError and StorageError."""


async def receive(
    ingest: Ingest,
    signal: Signal,
    tenant: str,
    body: bytes,
    *,
    transport: str,
    hold_until: float,
    on_admitted: Callable[[], None],
) -> bytes:
    """Export `body` and return the bytes of the answer. Raises what ingest raises."""
    if not body:
        return b""
    kept = body if len(body) <= KEEP_MAX_BYTES else b""
    exported = ingest.export(signal, tenant, body, hold_until, on_admitted)
    del body
    try:
        result = await exported
    except Exception as error:
        _count_loss(signal, error, kept, transport)
        raise
    metrics.RECEIVER_ACCEPTED[signal.noun].inc(result.accepted, RECEIVER, transport)
    if result.rejected:
        metrics.RECEIVER_REFUSED[signal.noun].inc(result.rejected, RECEIVER, transport)
    return result.answer


def _count_loss(signal: Signal, error: Exception, body: bytes, transport: str) -> None:
    """Refused is what the client hears for a reason; failed is what broke inside."""
    expected = isinstance(error, IngestError) or (isinstance(error, ObservatoryError) and error.retryable)
    counters = metrics.RECEIVER_REFUSED if expected else metrics.RECEIVER_FAILED
    try:
        items = codec.count_items(signal.name, body, COUNT_MAX_ITEMS)
    except InvalidPayload:
        return  # ingest says so to the client; nothing in it can be counted
    counters[signal.noun].inc(min(items, COUNT_MAX_ITEMS), RECEIVER, transport)
