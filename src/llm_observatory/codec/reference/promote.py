"""Promoted attributes: which columns they fill, and which of them leave the document.

An attribute lives in exactly one place. The canonical attribute of a column leaves the document only if the column alone
gives it back: the value has exactly the column's type, converting changed nothing, no byte was cut, and no other source
of the column is on the record. Everything else stays in the document and also fills the column. So a reader knows: a
canonical key in the document is the original; else if an alias is there the column came from it; else the column is the
canonical attribute. Columns that a resource attribute may fill, and conversions that are not exact, are never the only place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_observatory.codec.reference import fields
from llm_observatory.codec.reference.convert import Converter
from llm_observatory.codec.reference.document import Value
from llm_observatory.codec.reference.spec import SpecColumn


class PromotedColumn:
    """One column filled from attributes, at `index` of a row."""

    __slots__ = ("encode", "index", "max_bytes", "promotes", "sources")

    def __init__(self, index: int, column: SpecColumn, converters: Mapping[str, Converter]) -> None:
        self.index = index
        self.encode = fields.encoder(column.type, column.max_bytes)
        self.max_bytes = column.max_bytes
        self.sources = tuple(
            (rank, source.key, source.on_resource, converters[source.conversion]) for rank, source in enumerate(column.sources)
        )
        self.promotes = not any(source.on_resource for source in column.sources)

    def keys(self) -> set[str]:
        """The record's attributes that this column reads."""
        return {key for _, key, on_resource, _ in self.sources if not on_resource}

    def from_resource(self, resource: Mapping[str, Value]) -> tuple[int, bytes] | None:
        """The first of its sources that the resource fills: rank and field bytes."""
        for rank, key, on_resource, convert in self.sources:
            if on_resource and (converted := convert(resource.get(key))) is not None:
                return rank, self.encode(converted[0])
        return None

    def whole(self, value: Any) -> bool:
        """Whether the column holds all of the value."""
        return self.max_bytes is None or len(value.encode()) <= self.max_bytes


class Promotion:
    """All promoted columns of one table, looked up by attribute key."""

    def __init__(self, columns: list[PromotedColumn]) -> None:
        self.columns = columns
        self._alone: dict[str, tuple[PromotedColumn, Converter]] = {}
        self._readers: dict[str, list[PromotedColumn]] = {}
        for column in columns:
            for rank, key, on_resource, convert in column.sources:
                if on_resource:
                    continue
                self._readers.setdefault(key, []).append(column)
                if rank == 0 and column.promotes:
                    self._alone[key] = (column, convert)
        self._others = frozenset(self._readers.keys() - self._alone.keys())

    def fill(self, document: dict[str, Value], row: list[bytes], resource_ranks: Mapping[int, int]) -> None:
        """Put the columns into `row` and take out of `document` what they alone now hold."""
        settled: set[int] = set()
        if not self._others.isdisjoint(document):
            for key in self._others.intersection(document):
                for column in self._readers[key]:
                    if column.index not in settled:
                        settled.add(column.index)
                        self._from_first(column, document, row, resource_ranks)
        alone = self._alone
        leaving = []
        for key, value in document.items():
            if key in alone:
                column, convert = alone[key]
                if column.index in settled or (converted := convert(value)) is None:
                    continue
                row[column.index] = column.encode(converted[0])
                if converted[1] and column.whole(converted[0]):
                    leaving.append(key)
        for key in leaving:
            del document[key]

    def _from_first(
        self,
        column: PromotedColumn,
        document: Mapping[str, Value],
        row: list[bytes],
        resource_ranks: Mapping[int, int],
    ) -> None:
        """A column with more than its canonical attribute to choose from. Nothing leaves the document."""
        resource_rank = resource_ranks.get(column.index, len(column.sources))
        for rank, key, on_resource, convert in column.sources:
            if rank >= resource_rank:
                return
            value: Any = None if on_resource else document.get(key)
            if value is not None and (converted := convert(value)) is not None:
                row[column.index] = column.encode(converted[0])
                return
