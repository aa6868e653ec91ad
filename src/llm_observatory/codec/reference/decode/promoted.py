"""Promoted columns → attributes: the other direction of `reference.promote`.

A canonical key in the document is the original; else if one of the other names is there the column came from it; else
the column is the canonical attribute.
"""

from __future__ import annotations

from llm_observatory.codec.reference.decode.columns import Values
from llm_observatory.codec.reference.document import Value, double
from llm_observatory.codec.reference.spec import SpecTable


class Promoted:
    """The promoted columns of one table that may be the only place of an attribute."""

    def __init__(self, table: SpecTable) -> None:
        self._columns = [
            (column.op, column.sources[0].key, frozenset(source.key for source in column.sources))
            for column in table.columns
            if column.sources and not any(source.on_resource for source in column.sources)
        ]

    def merge(self, document: dict[str, Value], row: Values) -> None:
        """Put back into `document` what only columns hold."""
        present = document.keys()
        found = {key: row[op] for op, key, names in self._columns if op in row and names.isdisjoint(present)}
        for key, value in found.items():
            document[key] = double(value) if type(value) is float else value
