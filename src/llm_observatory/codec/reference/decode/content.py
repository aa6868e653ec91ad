"""Rows of content → the attributes and bodies that they were: the other direction of `reference.content`.

A body that was cut comes back as the text that is left, also that of a value which was no string; a family of attributes
that was cut comes back as one string under the family's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from llm_observatory.codec.reference.content import FAMILIES
from llm_observatory.codec.reference.decode.columns import Columns, Values
from llm_observatory.codec.reference.document import Value
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.rows import Fields

Key: TypeAlias = tuple[bytes, bytes, int]
"""Trace id, span id and the microseconds of its start: what a span and its content share."""

Said: TypeAlias = dict[int | None, dict[str, Value]]
"""The documents of one span's content: by the place of the event that carried it, None for the span itself."""


class LogSaid(NamedTuple):
    """The content of one log record: its attributes, and its body in a list, which is empty when that is no content."""

    document: dict[str, Value]
    body: list[Value]


class ContentDecoder:
    """How rows of content are read."""

    def __init__(self, spec: Spec) -> None:
        self._columns = Columns(spec.filled_by("content.body", "fact"))
        self._log_body = spec.content["carriers"]["log_body"]

    def by_span(self, rows: Iterable[Fields]) -> dict[Key, Said]:
        """All content of some spans, in any order; that of log records is left out."""
        found: dict[Key, Said] = {}
        for fields in rows:
            row = self._columns.values(fields)
            if "content.log_id" in row:
                continue
            said = found.setdefault((row["content.trace_id"], row["content.span_id"], row["content.time_us"]), {})
            said.setdefault(row.get("content.event_index"), {}).update(_document(row))
        return found

    def by_log(self, rows: Iterable[Fields]) -> dict[bytes, LogSaid]:
        """All content of some log records by their id, in any order; that of spans is left out."""
        found: dict[bytes, LogSaid] = {}
        for fields in rows:
            row = self._columns.values(fields)
            if "content.log_id" not in row:
                continue
            said = found.setdefault(row["content.log_id"], LogSaid({}, []))
            if row["content.carrier"] == self._log_body:
                said.body[:] = _document(row).values()
            else:
                said.document.update(_document(row))
        return found


def _document(row: Values) -> dict[str, Value]:
    """What one row was."""
    name, body = row["content.attribute"], row["content.body"]
    if not row["content.is_json"] or len(body.encode()) != row["content.original_length"]:
        return {name: body}
    value = json.loads(body)
    if name.endswith(FAMILIES):
        members: dict[str, Value] = value
        return members
    return {name: value}
