"""Spans → rows of spans, of what was said in them, and of the index of traces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.codec.reference import measure, span, walk
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.compiled import BesideTable, RecordTable
from llm_observatory.codec.reference.content_rows import ContentRows, ContentTable, Template
from llm_observatory.codec.reference.convert import Conversions
from llm_observatory.codec.reference.encoder import Source, touched
from llm_observatory.codec.reference.promote import PromotedColumn, Promotion
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.span import SpanRecord, broken_rule
from llm_observatory.codec.reference.spec import Spec, SpecTable
from llm_observatory.codec.reference.usage import compile_role
from llm_observatory.codec.request import Terms

SPAN = measure.shape(Span.DESCRIPTOR)


class Prepared(NamedTuple):
    """What the source decides: of a row of spans and of content, and which promoted columns the resource fills by what rank."""

    row: list[bytes]
    resource_ranks: dict[int, int]
    content: Template


class SpanTable(RecordTable[SpanRecord]):
    """The table of spans, with the columns that attributes are promoted to."""

    def __init__(self, spec: Spec, table: SpecTable) -> None:
        super().__init__(table, span.OPS)
        converters = Conversions(spec.llm).by_name
        self._promotion = Promotion(
            [PromotedColumn(index, column, converters) for index, column in self.places if column.sources]
        )
        role = compile_role(spec.llm, {column.name: index for index, column in self.places})
        late = {"llm.usage_role": role, "span.attributes": span.attributes_field}
        self._late = [(index, late[column.op]) for index, column in self.places if column.op in late]

    def prepare(self, speaker: Speaker) -> tuple[list[bytes], dict[int, int]]:
        """What all spans of a source share: a row, and which of its promoted columns are filled by what rank."""
        row, ranks = self.template(speaker), {}
        for column in self._promotion.columns:
            found = column.from_resource(speaker.resource.document)
            if found is not None:
                ranks[column.index], row[column.index] = found
        return row, ranks

    def row(self, record: SpanRecord, prepared: Prepared) -> bytes:
        """The COPY row of a span; `record.row` is a copy of the prepared one."""
        row = record.row
        self.fill(row, record)
        self._promotion.fill(record.document, row, prepared.resource_ranks)
        for index, field in self._late:
            row[index] = field(record)
        return b"".join(row)


class TraceTables:
    """What a trace request writes."""

    def __init__(self, spec: Spec) -> None:
        spans = spec.filled_by("span.kind", "fact")
        self.spans = SpanTable(spec, spans)
        self.content = ContentTable(spec, spans)
        self.index = BesideTable(spec.filled_by("trace.id", "index"))
        self.touched = BesideTable(spec.filled_by("touched.hour", "queue"))


class Traces:
    """The RecordEncoder of traces."""

    def __init__(self, tables: TraceTables, sources: str, payload: bytes, batch: Batch, terms: Terms) -> None:
        self._tables = tables
        self._sources = sources
        self._payload = payload
        self._batch = batch
        self._terms = terms
        self._content = ContentRows(tables.content, batch, terms.content_max_bytes)
        self._times: dict[bytes, tuple[int, int]] = {}

    def prepare(self, speaker: Speaker) -> Prepared:
        """See RecordEncoder."""
        return Prepared(*self._tables.spans.prepare(speaker), self._tables.content.prepare(speaker))

    def scope(self, envelope: walk.Envelope, source: Source[Prepared] | str) -> Iterator[int]:
        """See RecordEncoder."""
        payload = self._payload
        for index, (start, end) in enumerate(walk.records(payload, envelope)):
            rule = source if isinstance(source, str) else self._span(payload[start:end], source)
            if rule is not None:
                path = f"resource_spans[{envelope.resource_index}].scope_spans[{envelope.scope_index}].spans[{index}]"
                self._batch.reject(path, rule)
            yield end

    def _span(self, data: bytes, source: Source[Prepared]) -> str | None:
        """Encode one span; the rule it breaks when it cannot be stored."""
        batch = self._batch
        message = measure.parsed(data, Span, SPAN, "record_malformed")
        if isinstance(message, str):
            return message
        start, end = message.start_time_unix_nano, message.end_time_unix_nano
        rule = broken_rule(message, start, end, batch.now, self._terms) or self._content.full()
        if rule is not None:
            return rule
        record = SpanRecord(message, start, end, batch.reader, source.prepared.row.copy())
        self._content.take_from_span(record, source.prepared.content)
        batch.rows(self._tables.spans.name).add(self._tables.spans.row(record, source.prepared))
        batch.name(self._sources, source.id, source.row)
        if 0 < end < start:
            batch.note("end_before_start")
        self._see(message.trace_id, start // 1000)
        return None

    def _see(self, trace_id: bytes, start_us: int) -> None:
        self._batch.accept(start_us).add(trace_id)
        times = self._times.get(trace_id)
        if times is None:
            self._times[trace_id] = (start_us, start_us)
        elif not times[0] <= start_us <= times[1]:
            self._times[trace_id] = (min(times[0], start_us), max(times[1], start_us))

    def finish(self) -> None:
        """See RecordEncoder."""
        if self._times:
            for row in self._tables.index.rows(self._index_values()):
                self._batch.rows(self._tables.index.name).add(row)
            touched(self._tables.touched, self._batch, "traces")

    def _index_values(self) -> Iterable[dict[str, Any]]:
        """One row per trace, in the order in which they first came."""
        for trace_id, (first, last) in self._times.items():
            yield {"request.tenant": self._batch.tenant, "trace.id": trace_id, "trace.first_us": first, "trace.last_us": last}
