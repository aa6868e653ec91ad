"""A table's rows by op: what the ops wrote, read again. Columns are known by their op, never by name."""

from __future__ import annotations

from typing import Any, TypeAlias

from llm_observatory.codec.reference.decode import fields
from llm_observatory.codec.reference.spec import SpecTable
from llm_observatory.codec.rows import Fields

Values: TypeAlias = dict[str, Any]
"""One row by op: values as `reference.fields` takes them, jsonb parsed. Columns that are NULL are not in it."""


class Columns:
    """How the rows of one table are read."""

    def __init__(self, table: SpecTable) -> None:
        self.name = table.name
        self._columns = [(column.op, fields.decoder(column.type)) for column in table.columns]

    def values(self, row: Fields) -> Values:
        """The row by op. ValueError when it is no row of this table."""
        if len(row) != len(self._columns):
            raise ValueError(f"a row of {self.name} has {len(self._columns)} fields, not {len(row)}")
        return {op: decode(data) for (op, decode), data in zip(self._columns, row, strict=True) if data is not None}


def nanoseconds(row: Values, microseconds: str, remainder: str) -> int:
    """A time from its two columns; 0 when there is none."""
    return int(row[microseconds]) * 1000 + int(row[remainder]) if microseconds in row else 0
