"""The spec compiled: each column's op as a callable, each table as a row encoder.

Tables are known by what fills them, columns by their place; no name of either is written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_observatory.codec.reference import fields, source, span
from llm_observatory.codec.reference.convert import Conversions
from llm_observatory.codec.reference.fields import NULL
from llm_observatory.codec.reference.promote import PromotedColumn, Promotion
from llm_observatory.codec.reference.source import Source, SourceRow, Speaker
from llm_observatory.codec.reference.spec import Spec, SpecTable, load
from llm_observatory.codec.reference.usage import compile_role

BESIDE_OPS = ("trace.id", "trace.first_us", "trace.last_us", "touched.signal", "touched.hour", "touched.trace_ids")
"""Ops of the rows that sum up a request; their values come by op."""

from llm_observatory.tables.column import OPS as _ALL  # noqa: E402

OPS = frozenset(_ALL)
CONVERSIONS = frozenset(
    {"text", "int", "float", "bool", "seconds_to_ms", "text_list", "provider", "operation", "finish_reasons"}
)


class SpanTable:
    """The compiled table of spans: `template` once per source, `row` once per span."""

    def __init__(self, table: SpecTable, spec: Spec) -> None:
        self.name = table.name
        self._width = len(table.columns)
        # Place 0 of a row is its column count.
        places = list(enumerate(table.columns, start=1))
        converters = Conversions(spec.llm).by_name
        self._shared = [(index, source.compile_op(column)) for index, column in places if column.op in source.OPS]
        self._own = [(index, span.compile_op(column)) for index, column in places if column.op in span.OPS]
        self._promotion = Promotion([PromotedColumn(index, column, converters) for index, column in places if column.sources])
        role = compile_role(spec.llm, {column.name: index for index, column in places})
        late = {"llm.usage_role": role, "span.attributes": span.attributes_field}
        self._late = [(index, late[column.op]) for index, column in places if column.op in late]

    def template(self, speaker: Speaker) -> tuple[list[bytes], dict[int, int]]:
        """A row with all that the source decides, NULL elsewhere, and the ranks of what the resource filled."""
        row = [NULL] * (self._width + 1)
        row[0] = fields.column_count(self._width)
        for index, field in self._shared:
            row[index] = field(speaker)
        ranks = {}
        for column in self._promotion.columns:
            found = column.from_resource(speaker.resource.document)
            if found is not None:
                ranks[column.index], row[column.index] = found
        return row, ranks

    def row(self, record: span.SpanRecord, origin: Source) -> bytes:
        """The COPY row of a span; `record.row` is a copy of the source's template."""
        row = record.row
        for index, field in self._own:
            row[index] = field(record)
        self._promotion.fill(record.document, row, origin.resource_ranks)
        for index, field in self._late:
            row[index] = field(record)
        return b"".join(row)


class BesideTable:
    """A compiled table whose rows are given as values by op."""

    def __init__(self, table: SpecTable) -> None:
        self.name = table.name
        self._header = fields.column_count(len(table.columns))
        self._columns = [(column.op, fields.encoder(column.type, column.max_bytes)) for column in table.columns]

    def rows(self, values: Iterable[dict[str, Any]]) -> list[bytes]:
        """One COPY row per item."""
        header, columns = self._header, self._columns
        return [header + b"".join([encode(item[op]) for op, encode in columns]) for item in values]


class Program:
    """Everything compiled from one spec."""

    def __init__(self, text: str) -> None:
        spec = load(text, OPS, CONVERSIONS)
        self.table_order = [table.name for table in spec.tables]
        self.sources = SourceRow(spec.filled_by("resource.attributes", "dimension"))
        self.spans = SpanTable(spec.filled_by("span.start_us", "fact"), spec)
        self.trace_index = BesideTable(spec.filled_by("trace.id", "index"))
        self.touched = BesideTable(spec.filled_by("touched.hour", "queue"))
