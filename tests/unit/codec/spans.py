"""What the codec's tests share: spans in few words, and rows read back by column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from struct import unpack
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, Terms

NOW = 1_760_000_000_000_000
"""Microseconds: 2025-10-09T08:53:20Z."""
START = 1_759_999_999_123_456_789
"""Nanoseconds, just before NOW."""
DAY_US = 86_400_000_000
TERMS = Terms(max_age_us=89 * DAY_US, max_ahead_us=DAY_US, content_max_bytes=1024**2)

TRACE_ID = bytes(range(16))
SPAN_ID = bytes(range(1, 9))


def any_value(value: Any) -> AnyValue:
    """A Python value as AnyValue: lists are arrays, dicts kvlists, None is no value."""
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    member = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
    given: dict[str, Any] = {} if value is None else {member[type(value)]: value}
    return AnyValue(**given)


def attributes(items: dict[str, Any]) -> list[KeyValue]:
    """A mapping as an attribute list."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in items.items()]


def span(items: dict[str, Any] | None = None, **members: Any) -> Span:
    """A valid span of 1.5 s with these attributes and members."""
    given: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "name": "chat gpt-5",
        "kind": 3,
        "start_time_unix_nano": START,
        "end_time_unix_nano": START + 1_500_000_000,
    }
    return Span(**(given | members), attributes=attributes(items or {}))


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field on the wire."""
    tag, size, length = number << 3 | 2, len(data), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + data


def deep_value(depth: int) -> bytes:
    """Span bytes with one attribute `k` of that many arrays around a string."""
    value = field(1, b"x")
    for _ in range(depth):
        value = field(5, field(1, value))
    return field(9, field(1, b"k") + field(2, value))


def request(*spans: Span, resource: dict[str, Any] | None = None, scope: dict[str, Any] | None = None) -> bytes:
    """A payload with one resource and one scope."""
    message = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=attributes({"service.name": "shop"} if resource is None else resource)),
                scope_spans=[
                    ScopeSpans(
                        scope=InstrumentationScope(name="agent", version="1.2", attributes=attributes(scope or {})),
                        spans=spans,
                    )
                ],
            )
        ]
    )
    return message.SerializeToString()


def encode(payload: bytes, now: int = NOW, terms: Terms = TERMS, signal: str = "traces") -> EncodedRequest:
    """Through the doorway as tenant `default`."""
    return codec.encode(signal, "default", payload, codec.digest(signal, "default", payload), now, terms)


def split_rows(data: bytes) -> Iterator[bytes]:
    """The rows of a chunk."""
    position = 0
    while position < len(data):
        start = position
        (count,) = unpack(">h", data[position : position + 2])
        position += 2
        for _ in range(count):
            (length,) = unpack(">i", data[position : position + 4])
            position += 4 + max(length, 0)
        yield data[start:position]


def _array(data: bytes) -> list[bytes]:
    dimensions, _, _ = unpack(">iii", data[:12])
    if dimensions == 0:
        return []
    size, _ = unpack(">ii", data[12:20])
    items, position = [], 20
    for _ in range(size):
        (length,) = unpack(">i", data[position : position + 4])
        items.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return items


FORMATS = {"int2": ">h", "int8": ">q", "float8": ">d", "timestamptz": ">q", "date": ">i", "bool": ">?"}
EPOCHS = {"timestamptz": 946_684_800_000_000, "date": 10_957}


def value_of(type_: str, data: bytes) -> Any:
    """A field's bytes as a Python value; times in microseconds and days since the Unix epoch."""
    if type_ in FORMATS:
        (value,) = unpack(FORMATS[type_], data)
        return value + EPOCHS[type_] if type_ in EPOCHS else value
    if type_ == "jsonb":
        assert data[0] == 1
        return json.loads(data[1:])
    if type_.endswith("[]"):
        return [value_of(type_[:-2], item) for item in _array(data)]
    return data.decode() if type_ == "text" else data


def read_row(table: str, row: bytes) -> dict[str, Any]:
    """One COPY row by column name."""
    columns = tables.BY_NAME[table].columns
    return {
        column.name: None if field is None else value_of(column.type, field)
        for column, field in zip(columns, codec.tuple_fields(row), strict=True)
    }


def read_table(encoded: EncodedRequest, table: str) -> list[dict[str, Any]]:
    """All rows of one table."""
    for made in encoded.tables:
        if made.name == table:
            return [read_row(table, row) for chunk in made.chunks for row in split_rows(chunk)]
    return []


def rows(payload: bytes) -> list[dict[str, Any]]:
    """All span rows of a payload, of which nothing may be rejected."""
    encoded = encode(payload)
    assert encoded.rejected_by_rule == {}
    return read_table(encoded, "llm_traces")


def row(items: dict[str, Any] | None = None, /, resource: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """The row of one span."""
    (only,) = rows(request(span(items, **members), resource=resource))
    return only


def document(items: dict[str, Any]) -> str:
    """The JSON text of the attribute document of one span."""
    encoded = encode(request(span(items)))
    (only,) = split_rows(encoded.tables[0].chunks[0])
    place = [column.name for column in tables.LLM_TRACES.columns].index("attributes")
    field = codec.tuple_fields(only)[place]
    assert field is not None
    assert field[0] == 1
    return field[1:].decode()
