"""One span as one row: the rules it must keep, and what each op reads from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.codec.reference import fields
from llm_observatory.codec.reference.accepted import INT2_MAX, INT2_MIN, INT64_MAX, outside_window
from llm_observatory.codec.reference.document import DocumentReader, Value, render, render_list
from llm_observatory.codec.reference.ids import ZERO_SPAN_ID, is_span_id, is_trace_id
from llm_observatory.codec.request import Terms

REMOTE_PARENT = 0x300
"""Flag bits 8 (whether the parent is remote is known) and 9 (it is)."""
SERVER, CONSUMER = 2, 5


def broken_rule(span: Span, start: int, end: int, now: int, terms: Terms) -> str | None:
    """The first rejection rule that the span breaks, None when it can be stored."""
    rule = None
    start_us = start // 1000
    if not is_trace_id(span.trace_id):
        rule = "trace_id_invalid"
    elif not is_span_id(span.span_id):
        rule = "span_id_invalid"
    elif len(span.parent_span_id) not in (0, len(ZERO_SPAN_ID)):
        rule = "parent_span_id_invalid"
    elif start > INT64_MAX or end > INT64_MAX or any(event.time_unix_nano > INT64_MAX for event in span.events):
        rule = "time_out_of_range"
    elif (outside := outside_window(start_us, now, terms)) is not None:
        rule = outside
    elif not (INT2_MIN <= span.kind <= INT2_MAX and INT2_MIN <= span.status.code <= INT2_MAX):
        rule = "enum_out_of_range"
    return rule


class SpanRecord:
    """One span on its way into a row: what the ops read.

    `document` is its attributes, `events` its events without their empty members; what is content leaves both, and promotion
    takes more out of the document.
    """

    __slots__ = ("document", "end", "events", "links", "links_dropped", "reader", "row", "span", "start")

    def __init__(self, span: Span, start: int, end: int, reader: DocumentReader, row: list[bytes]) -> None:
        self.span = span
        self.start = start
        self.end = end
        self.reader = reader
        self.row = row
        self.document: dict[str, Value] = reader.attributes(span.attributes)
        self.events: list[dict[str, Value]] = []
        self.links: list[dict[str, Value]] = []
        self.links_dropped = 0
        if span.events:
            self._read_events()
        if span.links:
            self._read_links()

    def _read_links(self) -> None:
        for link in self.span.links:
            if not (is_trace_id(link.trace_id) and is_span_id(link.span_id)):
                self.reader.count("link_dropped")
                self.links_dropped += 1
                continue
            item: dict[str, Value] = {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()}
            if link.trace_state:
                item["trace_state"] = self.reader.text(link.trace_state)
            if link.attributes:
                item["attributes"] = self.reader.attributes(link.attributes)
            if link.dropped_attributes_count:
                item["dropped_attributes_count"] = link.dropped_attributes_count
            if link.flags:
                item["flags"] = link.flags
            self.links.append(item)

    def _read_events(self) -> None:
        for event in self.span.events:
            item: dict[str, Value] = {}
            if event.time_unix_nano:
                item["time_unix_nano"] = event.time_unix_nano
            if event.name:
                item["name"] = self.reader.text(event.name)
            if event.attributes:
                item["attributes"] = self.reader.attributes(event.attributes)
            if event.dropped_attributes_count:
                item["dropped_attributes_count"] = event.dropped_attributes_count
            self.events.append(item)

    def is_entry(self) -> bool:
        """Whether the span is a request to its service: no parent, a remote parent, or kind SERVER or CONSUMER."""
        span = self.span
        parent = span.parent_span_id
        if not parent or parent == ZERO_SPAN_ID:
            return True
        return span.flags & REMOTE_PARENT == REMOTE_PARENT or span.kind in (SERVER, CONSUMER)

    def duration_ms(self) -> float | None:
        """Milliseconds for people; None unless 0 < start <= end."""
        return (self.end - self.start) / 1e6 if 0 < self.start <= self.end else None


def _text_or_null(record: SpanRecord, value: str) -> str | None:
    return record.reader.text(value) if value else None


OPS: dict[str, Callable[[SpanRecord], Any]] = {
    "span.start_us": lambda record: record.start // 1000,
    "span.start_nanos": lambda record: record.start % 1000,
    "span.trace_id": lambda record: record.span.trace_id,
    "span.span_id": lambda record: record.span.span_id,
    "span.parent_span_id": lambda record: record.span.parent_span_id or None,
    "span.trace_state": lambda record: _text_or_null(record, record.span.trace_state),
    "span.flags": lambda record: record.span.flags,
    "span.is_entry": SpanRecord.is_entry,
    "span.name": lambda record: record.reader.text(record.span.name),
    "span.kind": lambda record: record.span.kind,
    "span.duration_ns": lambda record: record.end - record.start if record.end else None,
    "span.duration_ms": SpanRecord.duration_ms,
    "span.status_code": lambda record: record.span.status.code,
    "span.status_message": lambda record: _text_or_null(record, record.span.status.message),
    "span.events": lambda record: render_list(record.events) if record.events else None,
    "span.links": lambda record: render_list(record.links) if record.links else None,
    "span.dropped_attributes_count": lambda record: record.span.dropped_attributes_count,
    "span.dropped_events_count": lambda record: record.span.dropped_events_count,
    "span.dropped_links_count": lambda record: record.span.dropped_links_count + record.links_dropped,
}
"""Ops that read the span alone. Two more wait until the promoted columns are filled: `span.attributes`, `llm.usage_role`."""


def attributes_field(record: SpanRecord) -> bytes:
    """`span.attributes`: the document without content and without what the promoted columns hold."""
    return fields.jsonb(render(record.document))
