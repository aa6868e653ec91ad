"""The spec as all encoders of this codec need it, and the encoder of each signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_observatory.codec.reference import content_rows, log, point, series, source, span
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.compiled import BESIDE_OPS, DimensionTable
from llm_observatory.codec.reference.convert import Conversions
from llm_observatory.codec.reference.encoder import RecordEncoder
from llm_observatory.codec.reference.logs import Logs, LogTables
from llm_observatory.codec.reference.metrics import Metrics, MetricTables
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.spec import load
from llm_observatory.codec.reference.traces import Traces, TraceTables
from llm_observatory.codec.request import Terms

LATE_OPS = ("span.attributes", "llm.usage_role")
POINT_OPS = (*point.OPS, *series.OPS, *series.LABELS_OPS)
OPS = frozenset({*source.OPS, *span.OPS, *content_rows.OPS, *POINT_OPS, *log.OPS, *LATE_OPS, *BESIDE_OPS})


class Program:
    """Everything compiled from one spec."""

    def __init__(self, text: str) -> None:
        spec = load(text, OPS, Conversions.NAMES)
        self.order = [table.name for table in spec.tables]
        self.sources: DimensionTable[Speaker] = DimensionTable(
            spec.filled_by("resource.attributes", "dimension"), {}, "source.id"
        )
        traces, metrics, logs = TraceTables(spec), MetricTables(spec), LogTables(spec)
        sources = self.sources.name
        self._encoders: dict[str, Callable[[bytes, Batch, bytes, Terms], RecordEncoder[Any]]] = {
            "traces": lambda payload, batch, _, terms: Traces(traces, sources, payload, batch, terms),
            "metrics": lambda payload, batch, _, terms: Metrics(metrics, sources, payload, batch, terms),
            "logs": lambda payload, batch, digest, terms: Logs(logs, sources, payload, batch, digest, terms),
        }

    def records(self, signal: str, payload: bytes, batch: Batch, digest: bytes, terms: Terms) -> RecordEncoder[Any]:
        """The encoder of one request's records. ValueError for a signal that nobody knows."""
        if signal not in self._encoders:
            raise ValueError(f"no codec for the signal {signal!r}")
        return self._encoders[signal](payload, batch, digest, terms)
