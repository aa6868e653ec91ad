"""What was said becomes rows: one per item, cut to what is kept of it, and no more of them than are held at once.

A string as it came, any other value as its JSON text, a family as the JSON object of its attributes under their whole keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.compiled import RecordTable
from llm_observatory.codec.reference.content import Finder, Place, Taken
from llm_observatory.codec.reference.document import render_value
from llm_observatory.codec.reference.log import LoggedRecord
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.span import SpanRecord
from llm_observatory.codec.reference.spec import Spec, SpecTable
from llm_observatory.tables.rules import CONTENT_ROWS_MAX_BYTES

OWN_BYTES = 128
"""What a row of content holds beside its text and what the source decides, rounded up: three ids, a time, five short words."""


class Origin(NamedTuple):
    """The record that said it."""

    time_us: int
    trace_id: bytes | None
    span_id: bytes | None
    log_id: bytes | None = None


class Item(NamedTuple):
    """One row of content: what its ops read."""

    origin: Origin
    place: Place
    carrier: str
    event_index: int | None
    is_json: bool
    body: str
    original_length: int


OPS: dict[str, Callable[[Item], Any]] = {
    "content.time_us": lambda item: item.origin.time_us,
    "content.trace_id": lambda item: item.origin.trace_id,
    "content.span_id": lambda item: item.origin.span_id,
    "content.log_id": lambda item: item.origin.log_id,
    "content.kind": lambda item: item.place.kind,
    "content.carrier": lambda item: item.carrier,
    "content.event_index": lambda item: item.event_index,
    "content.attribute": lambda item: item.place.attribute,
    "content.is_json": lambda item: item.is_json,
    "content.body": lambda item: item.body,
    "content.original_length": lambda item: item.original_length,
}


class Template(NamedTuple):
    """A row with all that the source decides. `size` is what a row takes beside its text, in bytes."""

    row: list[bytes]
    size: int


class ContentTable(RecordTable[Item]):
    """The table of content, and what of the records of another table goes there."""

    def __init__(self, spec: Spec, records: SpecTable) -> None:
        super().__init__(spec.filled_by("content.body", "fact"), OPS)
        self.finder = Finder(spec, records)

    def prepare(self, speaker: Speaker) -> Template:
        """What the content of all records of a source shares."""
        row = self.template(speaker)
        return Template(row, sum(map(len, row)) + OWN_BYTES)


class ContentRows:
    """The content of one request. Each body is cut to `max_bytes` bytes; nothing is kept when that is 0."""

    def __init__(self, table: ContentTable, batch: Batch, max_bytes: int) -> None:
        self._table = table
        self._find = table.finder
        self._batch = batch
        self._max_bytes = max_bytes
        self._size = 0

    def full(self) -> str | None:
        """The rule that refuses the next record: these rows, or all of the request, take more than is held at once."""
        return "too_much_content" if self._size > CONTENT_ROWS_MAX_BYTES else self._batch.full()

    def take_from_span(self, record: SpanRecord, template: Template) -> None:
        """What the span and its events say."""
        taken = self._find.of_span(record)
        if taken:
            self._add(taken, Origin(record.start // 1000, record.span.trace_id, record.span.span_id), template)

    def take_from_log(self, record: LoggedRecord, template: Template) -> None:
        """What the log record says."""
        taken = self._find.of_log(record)
        if taken:
            self._add(taken, Origin(record.time // 1000, record.trace, record.span, record.id), template)

    def _add(self, taken: Iterable[Taken], origin: Origin, template: Template) -> None:
        for each in taken:
            if not self._max_bytes:
                self._batch.reader.count("content_dropped")
                continue
            row = template.row.copy()
            self._table.fill(row, self._item(each, origin))
            self._batch.rows(self._table.name).add(b"".join(row))
            self._size += template.size

    def _item(self, taken: Taken, origin: Origin) -> Item:
        place, value, carrier, event_index = taken
        is_json = not isinstance(value, str)
        data = render_value(value) if is_json else value.encode()
        if len(data) > self._max_bytes:
            self._batch.reader.count("content_truncated")
            body = data[: self._max_bytes].decode(errors="ignore")
        else:
            body = data.decode() if is_json else value
        return Item(origin, place, carrier, event_index, is_json, body, len(data))
