"""One OTLP export request, whatever carried it.

Guarantees: a body without records of its own (0 bytes) succeeds without touching ingest; every request with records is
counted once under the Collector's `otelcol_receiver_*` names, by item; errors pass through unchanged, the transports
translate them. A client that leaves before its answer is counted nowhere here: what became of its data is not known here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

from llm_observatory import codec, metrics
from llm_observatory.errors import IngestError, InvalidPayload, ObservatoryError
from llm_observatory.pipeline.ingest import ExportResult
from llm_observatory.pipeline.signal import Signal

RECEIVER = "otlp"

KEEP_MAX_BYTES = 256 * 1024
"""A body up to this size is kept until its answer, to count its items if it fails. Larger ones are counted before, in a
thread, and given up at once: a body must not live on here after ingest is done with it."""


class Ingest(Protocol):
    """What a receiver needs of the pipeline. `tests/contract/otlp/test_ingest.py` says what each implementation does."""

    async def admit(self, hold_until: float) -> None:
        """Wait until there is room at all. Raises Overloaded or ShuttingDown."""

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
    kept, items = body, 0
    if len(body) > KEEP_MAX_BYTES:
        items = await asyncio.to_thread(_count_items, signal, body)
        kept = b""
    exported = ingest.export(signal, tenant, body, hold_until, on_admitted)
    del body
    try:
        result = await exported
    except Exception as error:
        _count_loss(signal, error, items or _count_items(signal, kept), transport)
        raise
    metrics.RECEIVER_ACCEPTED[signal.noun].inc(result.accepted, RECEIVER, transport)
    if result.rejected:
        metrics.RECEIVER_REFUSED[signal.noun].inc(result.rejected, RECEIVER, transport)
    return result.answer


def _count_items(signal: Signal, body: bytes) -> int:
    try:
        return codec.count_items(signal.name, body, sys.maxsize)
    except InvalidPayload:
        return 0  # ingest says so to the client; nothing in it can be counted


def _count_loss(signal: Signal, error: Exception, items: int, transport: str) -> None:
    """Refused is what the client hears for a reason; failed is what broke inside."""
    expected = isinstance(error, IngestError) or (isinstance(error, ObservatoryError) and error.retryable)
    counters = metrics.RECEIVER_REFUSED if expected else metrics.RECEIVER_FAILED
    counters[signal.noun].inc(items, RECEIVER, transport)
