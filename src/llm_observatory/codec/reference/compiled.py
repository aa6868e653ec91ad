"""The spec compiled: each column's op as a callable, each table as a row encoder.

Tables are known by what fills them, columns by their place; no name of either is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from llm_observatory.codec.reference import fields, source
from llm_observatory.codec.reference.fields import NULL
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.spec import SpecColumn, SpecTable

Record = TypeVar("Record")
Field = Callable[[Record], bytes]
Ops = Mapping[str, Callable[[Record], Any]]
"""What each op reads from a record: a value as `fields` takes it, or None."""

BESIDE_OPS = ("trace.id", "trace.first_us", "trace.last_us", "touched.signal", "touched.hour", "touched.trace_ids")
"""Ops of the rows that sum up a request; their values come by op."""

NOT_IN_ID = "request.received_date"
"""An id says what something is, not when it was seen."""


def compile_op(column: SpecColumn, ops: Ops[Record]) -> Field[Record]:
    """A column as a function that gives its field bytes."""
    value, encode = ops[column.op], fields.encoder(column.type, column.max_bytes)

    def field(record: Record) -> bytes:
        found = value(record)
        return NULL if found is None else encode(found)

    return field


class RecordTable(Generic[Record]):
    """A table with one row per record: `template` once per source, `fill` once per record."""

    def __init__(self, table: SpecTable, ops: Ops[Record]) -> None:
        self.name = table.name
        # Place 0 of a row is its column count.
        self.places = list(enumerate(table.columns, start=1))
        self._shared = [(index, compile_op(column, source.OPS)) for index, column in self.places if column.op in source.OPS]
        self._own = [(index, compile_op(column, ops)) for index, column in self.places if column.op in ops]

    def template(self, speaker: Speaker) -> list[bytes]:
        """A row with all that the source decides, NULL elsewhere."""
        row = [NULL] * (len(self.places) + 1)
        row[0] = fields.column_count(len(self.places))
        for index, field in self._shared:
            row[index] = field(speaker)
        return row

    def fill(self, row: list[bytes], record: Record) -> None:
        """Put into a copy of the template what the record decides."""
        for index, field in self._own:
            row[index] = field(record)


class DimensionTable(RecordTable[Record]):
    """A table whose rows are named by an id that is computed from their other columns."""

    def __init__(self, table: SpecTable, ops: Ops[Record], id_op: str) -> None:
        super().__init__(table, ops)
        [self._id] = [index for index, column in self.places if column.op == id_op]
        self._hashed = [index for index, column in self.places if column.op not in (id_op, NOT_IN_ID)]

    def seal(self, row: list[bytes]) -> bytes:
        """Put the id into a row that is otherwise filled: BLAKE2b-128 over its fields, each with its length, tenant first."""
        identity = blake2b(b"".join([row[index] for index in self._hashed]), digest_size=16).digest()
        row[self._id] = fields.raw(identity)
        return identity


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
