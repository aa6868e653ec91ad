"""Metrics around a CopyWriter. The writer itself knows nothing of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_observatory import metrics
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.copy_writer import ConnectionWriter
from llm_observatory.storage.write import Outcome, Stored, WriteRequest


@dataclass(frozen=True, slots=True)
class InstrumentedWriter:
    """Counts and times what `writer` does. `writer_types` maps a request's signal to its `writer_type` label.

    A group of the late lane may mix signals: its transaction is counted under the first one's, its items under their own.
    """

    writer: ConnectionWriter
    writer_types: Mapping[str, str]

    def method(self, group: Sequence[WriteRequest]) -> str:
        """As the wrapped writer."""
        return self.writer.method(group)

    async def write(self, connection: AsyncConnection, group: Sequence[WriteRequest]) -> list[Outcome]:
        """As the wrapped writer, measured from BEGIN to COMMIT."""
        writer_type, method = self.writer_types[group[0].signal], self.method(group)
        started = time.perf_counter()
        status = "error"
        try:
            outcomes = await self.writer.write(connection, group)
            status = "success"
        finally:
            metrics.WRITES.labels(writer_type, method, status).inc()
            metrics.WRITE_DURATION.labels(writer_type, method).observe(time.perf_counter() - started)
        written: Counter[str] = Counter()
        for request, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Stored) and not outcome.duplicate:
                written[request.signal] += request.encoded.accepted
        for signal, items in written.items():
            metrics.ITEMS_WRITTEN.labels(self.writer_types[signal]).inc(items)
        metrics.BATCH_SIZE.labels(writer_type).observe(written.total())
        return outcomes

    async def dry_run(self, connection: AsyncConnection, request: WriteRequest) -> None:
        """As the wrapped writer; not counted: nothing is written."""
        await self.writer.dry_run(connection, request)
