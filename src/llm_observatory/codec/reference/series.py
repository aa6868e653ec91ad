"""What a data point is a value of: its Metric without the data, and the attributes of the point; the row of both by its id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from llm_observatory.codec.reference import measure
from llm_observatory.codec.reference.accepted import INT2_MAX, INT2_MIN
from llm_observatory.codec.reference.compiled import DimensionTable, RecordTable
from llm_observatory.codec.reference.document import DocumentReader, render_sorted
from llm_observatory.codec.reference.metric import DataHead
from llm_observatory.codec.reference.point import Kind
from llm_observatory.codec.reference.spec import SpecTable

METRIC = measure.shape(Metric.DESCRIPTOR)


@dataclass(slots=True)
class MetricHead:
    """A Metric without its data, read. `temporality` and `is_monotonic` are None for kinds that have none."""

    name: str
    type: str
    unit: str
    description: str
    metadata: bytes | None
    temporality: int | None
    is_monotonic: bool | None
    repaired: dict[str, int]


def read_head(head: bytes, data: DataHead, kind: Kind) -> MetricHead | str:
    """The head of a Metric from its bytes; the rule it breaks, which refuses all its points."""
    repaired: dict[str, int] = {}
    reader = DocumentReader(repaired)
    message = measure.parsed(head, Metric, METRIC, "metric_malformed")
    if isinstance(message, str):
        return message
    if kind.has_temporality and not INT2_MIN <= data.temporality <= INT2_MAX:
        return "enum_out_of_range"
    return MetricHead(
        name=reader.text(message.name),
        type=kind.name,
        unit=reader.text(message.unit),
        description=reader.text(message.description),
        metadata=render_sorted(reader.attributes(message.metadata)) if message.metadata else None,
        temporality=data.temporality if kind.has_temporality else None,
        is_monotonic=data.is_monotonic if kind.is_sum else None,
        repaired=repaired,
    )


OPS: dict[str, Callable[[MetricHead], Any]] = {
    "metric.name": lambda head: head.name,
    "metric.type": lambda head: head.type,
    "metric.unit": lambda head: head.unit,
    "metric.description": lambda head: head.description,
    "metric.temporality": lambda head: head.temporality,
    "metric.is_monotonic": lambda head: head.is_monotonic,
    "metric.metadata": lambda head: head.metadata,
}

LABELS_OPS: dict[str, Callable[[bytes], Any]] = {"series.labels": lambda labels: labels}


def sorted_labels(reader: DocumentReader, attributes: Any) -> bytes:
    """The attributes of a point as the JSON text of a document, keys in order of code points: their order says nothing."""
    return render_sorted(reader.attributes(attributes))


class SeriesTable:
    """The compiled table of series. What their source decides is filled in once, what their Metric does once per Metric."""

    def __init__(self, table: SpecTable) -> None:
        self.name = table.name
        self.heads: DimensionTable[MetricHead] = DimensionTable(table, OPS, "series.id")
        self._labels: RecordTable[bytes] = RecordTable(table, LABELS_OPS)

    def series(self, row: list[bytes], labels: bytes) -> tuple[bytes, bytes]:
        """Id and COPY row of the series with these labels; `row` has everything else and is written to."""
        self._labels.fill(row, labels)
        return self.heads.seal(row), b"".join(row)
