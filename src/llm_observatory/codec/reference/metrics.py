"""Data points → rows of points, and of the series they are values of."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from llm_observatory.codec.reference import measure, metric, point, series, walk
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.compiled import BesideTable, RecordTable
from llm_observatory.codec.reference.document import DocumentReader
from llm_observatory.codec.reference.encoder import Source, touched
from llm_observatory.codec.reference.point import KINDS, PointRecord
from llm_observatory.codec.reference.series import MetricHead, SeriesTable
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.request import Terms
from llm_observatory.tables.limits import DIMENSION_ROWS_MAX_BYTES


class Prepared(NamedTuple):
    """A row of points and one of series, with all that the source decides."""

    point: list[bytes]
    series: list[bytes]


class MetricTables:
    """What a metric request writes."""

    def __init__(self, spec: Spec) -> None:
        points = spec.filled_by("point.time_us", "fact")
        self.heads: RecordTable[MetricHead] = RecordTable(points, series.OPS)
        self.points = {tag: RecordTable(points, kind.ops) for tag, kind in KINDS.items()}
        self.series = SeriesTable(spec.filled_by("series.labels", "dimension"))
        self.touched = BesideTable(spec.filled_by("touched.hour", "queue"))


class _Open:
    """The Metric whose points are being encoded: what they share, and its series by their labels."""

    def __init__(self, tables: MetricTables, tag: int, head: MetricHead, source: Source[Prepared]) -> None:
        self.kind = KINDS[tag]
        self.head = head
        self.source = source
        self.points = tables.points[tag]
        self.series: dict[bytes, tuple[bytes, bytes]] = {}
        self.point_row = source.prepared.point.copy()
        tables.heads.fill(self.point_row, head)
        self.series_row = source.prepared.series.copy()
        tables.series.heads.fill(self.series_row, head)


class Metrics:
    """The RecordEncoder of metrics."""

    def __init__(self, tables: MetricTables, sources: str, payload: bytes, batch: Batch, terms: Terms) -> None:
        self._tables = tables
        self._sources = sources
        self._payload = payload
        self._batch = batch
        self._terms = terms

    def prepare(self, speaker: Speaker) -> Prepared:
        """See RecordEncoder."""
        return Prepared(self._tables.heads.template(speaker), self._tables.series.heads.template(speaker))

    def scope(self, envelope: walk.Envelope, source: Source[Prepared] | str) -> Iterator[int | None]:
        """See RecordEncoder."""
        path = f"resource_metrics[{envelope.resource_index}].scope_metrics[{envelope.scope_index}]"
        for index, (start, end) in enumerate(walk.records(self._payload, envelope)):
            yield from self._metric(start, end, f"{path}.metrics[{index}]", source)
            yield end

    def _metric(self, start: int, end: int, path: str, source: Source[Prepared] | str) -> Iterator[int | None]:
        """Encode or reject every point of one Metric."""
        found = yield from metric.read(self._payload, start, end, walk.PAUSE_FIELDS)
        if found.kind == metric.NO_DATA:
            self._batch.note("metric_without_data")
            return
        opened = source if isinstance(source, str) else (yield from self._open(found, source))
        path = f"{path}.{KINDS[found.kind].name}"
        index = -1
        pause = walk.PAUSE_FIELDS
        for field, point_start, point_end in metric.data_fields(self._payload, found):
            if field == metric.POINT:
                index += 1
                rule = opened if isinstance(opened, str) else self._point(self._payload[point_start:point_end], opened)
                if rule is not None:
                    self._batch.reject(f"{path}.data_points[{index}]", rule)
                yield point_end
                continue
            pause -= 1
            if not pause:
                pause = walk.PAUSE_FIELDS
                yield None

    def _open(self, found: metric.Metric, source: Source[Prepared]) -> Generator[None, None, _Open | str]:
        """What the points of a Metric share, or the rule that refuses all of them."""
        data = yield from metric.read_data_head(self._payload, found, walk.PAUSE_FIELDS)
        head = series.read_head(found.head, data, KINDS[found.kind])
        return head if isinstance(head, str) else _Open(self._tables, found.kind, head, source)

    def _point(self, data: bytes, opened: _Open) -> str | None:
        """Encode one point; the rule it breaks when it cannot be stored."""
        batch = self._batch
        message = measure.parsed(data, opened.kind.message, opened.kind.shape, "record_malformed")
        if isinstance(message, str):
            return message
        rule = point.broken_rule(message, opened.kind, batch.now, self._terms) or batch.full()
        if rule is not None:
            return rule
        repaired: dict[str, int] = {}
        found = self._series(series.sorted_labels(DocumentReader(repaired), message.attributes), opened)
        if found is None:
            return "sources_too_large"
        self._repaired(repaired)
        self._repaired(opened.head.repaired)
        opened.head.repaired.clear()
        row = opened.point_row.copy()
        opened.points.fill(row, PointRecord(message, found[0], batch.reader))
        batch.rows(opened.points.name).add(b"".join(row))
        batch.name(self._sources, opened.source.id, opened.source.row)
        batch.name(self._tables.series.name, *found)
        batch.accept(message.time_unix_nano // 1000)
        self._note(message, opened)
        return None

    def _series(self, labels: bytes, opened: _Open) -> tuple[bytes, bytes] | None:
        """Id and row of a series of the Metric, None when no new one can be taken in."""
        if labels not in opened.series:
            # Before the row is made: it repeats the description, and a million points may have one of 60 MiB.
            if self._batch.dimension_bytes > DIMENSION_ROWS_MAX_BYTES:
                return None
            opened.series[labels] = self._tables.series.series(opened.series_row, labels)
        return opened.series[labels]

    def _repaired(self, repaired: dict[str, int]) -> None:
        for rule, times in repaired.items():
            self._batch.reader.count(rule, times)

    def _note(self, message: Any, opened: _Open) -> None:
        if opened.head.temporality == 0:
            self._batch.note("temporality_unspecified")
        for rule in point.oddities(message, opened.kind):
            self._batch.note(rule)

    def finish(self) -> None:
        """See RecordEncoder."""
        if self._batch.hours:
            touched(self._tables.touched, self._batch, "metrics")
