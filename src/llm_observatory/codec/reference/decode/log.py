"""A row of log records → the record."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory.codec.reference.decode.columns import Columns, Values, nanoseconds
from llm_observatory.codec.reference.decode.content import ContentDecoder, LogSaid
from llm_observatory.codec.reference.decode.document import attributes, fill
from llm_observatory.codec.reference.decode.grouping import Groups
from llm_observatory.codec.reference.decode.source import Dimensions
from llm_observatory.codec.reference.log import TIME
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.rows import Fields

NOTHING = LogSaid({}, [])


class LogDecoder:
    """How rows of log records are read."""

    def __init__(self, spec: Spec) -> None:
        self._columns = Columns(spec.filled_by("log.id", "fact"))
        self._contents = ContentDecoder(spec)

    def request(self, rows: Iterable[Fields], dimensions: Dimensions, content: Iterable[Fields]) -> bytes:
        """LogsData."""
        contents = self._contents.by_log(content)
        groups = Groups()
        for fields in rows:
            row = self._columns.values(fields)
            groups.add(dimensions.speaker(row["source.id"]), _record(row, contents.get(row["log.id"], NOTHING)))
        return groups.request()


def _record(row: Values, said: LogSaid) -> bytes:
    """The log record on the wire."""
    message = LogRecord(
        time_unix_nano=nanoseconds(row, "log.time_us", "log.time_nanos") if row["log.time_source"] == TIME else 0,
        observed_time_unix_nano=nanoseconds(row, "log.observed_us", "log.observed_nanos"),
        severity_number=row["log.severity_number"],
        severity_text=row.get("log.severity_text", ""),
        attributes=attributes(row["log.attributes"] | said.document),
        dropped_attributes_count=row["log.dropped_attributes_count"],
        flags=row["log.flags"],
        trace_id=row.get("log.trace_id", b""),
        span_id=row.get("log.span_id", b""),
        event_name=row.get("log.event_name", ""),
    )
    for body in said.body:
        message.body.SetInParent()
        fill(message.body, body)
    if "log.message" in row:
        message.body.string_value = row["log.message"]
    elif "log.body" in row:
        message.body.SetInParent()
        fill(message.body, row["log.body"])
    return message.SerializeToString()
