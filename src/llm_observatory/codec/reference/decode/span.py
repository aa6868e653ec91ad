"""A row of spans → the span."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.codec.reference.decode.columns import Columns, Values, nanoseconds
from llm_observatory.codec.reference.decode.content import ContentDecoder, Said
from llm_observatory.codec.reference.decode.document import attributes, fill_members
from llm_observatory.codec.reference.decode.grouping import Groups
from llm_observatory.codec.reference.decode.promoted import Promoted
from llm_observatory.codec.reference.decode.source import Dimensions
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.rows import Fields

UINT32_MAX = 2**32 - 1


class SpanDecoder:
    """How rows of spans are read."""

    def __init__(self, spec: Spec) -> None:
        table = spec.filled_by("span.kind", "fact")
        self._columns = Columns(table)
        self._promoted = Promoted(table)
        self._contents = ContentDecoder(spec)

    def request(self, rows: Iterable[Fields], dimensions: Dimensions, content: Iterable[Fields]) -> bytes:
        """TracesData."""
        contents = self._contents.by_span(content)
        groups = Groups()
        for fields in rows:
            row = self._columns.values(fields)
            said = contents.get((row["span.trace_id"], row["span.span_id"], row["span.start_us"]), {})
            groups.add(dimensions.speaker(row["source.id"]), self._span(row, said))
        return groups.request()

    def _span(self, row: Values, said: Said) -> bytes:
        """The span on the wire."""
        document = row["span.attributes"]
        self._promoted.merge(document, row)
        start = nanoseconds(row, "span.start_us", "span.start_nanos")
        span = Span(
            trace_id=row["span.trace_id"],
            span_id=row["span.span_id"],
            trace_state=row.get("span.trace_state", ""),
            parent_span_id=row.get("span.parent_span_id", b""),
            flags=row["span.flags"],
            name=row["span.name"],
            kind=row["span.kind"],
            start_time_unix_nano=start,
            end_time_unix_nano=start + row["span.duration_ns"] if "span.duration_ns" in row else 0,
            attributes=attributes(document | said.get(None, {})),
            dropped_attributes_count=row["span.dropped_attributes_count"],
            dropped_events_count=row["span.dropped_events_count"],
            # Links that were dropped on the way in are in it, and may lead beyond what the field holds.
            dropped_links_count=min(row["span.dropped_links_count"], UINT32_MAX),
        )
        for index, item in enumerate(row.get("span.events", ())):
            event = span.events.add()
            fill_members(event, item)
            event.attributes.extend(attributes(said.get(index, {})))
        for item in row.get("span.links", ()):
            fill_members(span.links.add(), item)
        status = Status(code=row["span.status_code"], message=row.get("span.status_message", ""))
        if status.ByteSize():
            span.status.CopyFrom(status)
        return span.SerializeToString()
