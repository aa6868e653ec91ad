"""OTLP/JSON by reflection over the descriptors: an independent writer, for clients of the HTTP door.

It writes what the specification asks of a client, and in other styles what is tolerated beside it. Marks in strings
(`hostile_wire`) become bytes or escapes that are no UTF-8.
"""

from __future__ import annotations

import json
from base64 import b64encode
from math import isfinite, isnan
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from llm_observatory.otlp import json as otlp_json
from tests.plugins.hostile_wire import INVALID_UTF8

_LONG = (
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
)
_UNKNOWN = '"unknown":[null,{"a":{"b":[1e400,NaN,"\\ud800"]}},true],"":{}'


class Style(NamedTuple):
    """What is unusual about the writing. Without: lowerCamelCase, hex in lower case, 64 bits in strings, enums as numbers."""

    snake_case: bool = False
    upper_hex: bool = False
    numbers: bool = False
    """64-bit integers as numbers, doubles as strings, the special ones bare."""
    enum_names: bool = False
    defaults: bool = False
    """Fields without presence also where they have their default, and absent messages as null."""
    unknown: bool = False
    url_safe: bool = False
    """Base64 in the URL-safe alphabet, without padding."""
    ascii: bool = False
    reversed: bool = False
    spaced: bool = False


PLAIN = Style()


def to_protobuf(signal: str, body: bytes) -> bytes:
    """What the receiver makes of it, for tests that have no limit of their own."""
    return otlp_json.to_protobuf(signal, body, 1_000_000)


def to_json(message: Message, style: Style = PLAIN) -> bytes:
    """The message as OTLP/JSON."""
    text = _message(message, style)
    if style.ascii:
        for mark in INVALID_UTF8:
            text = text.replace(json.dumps(mark)[1:-1], "\\ud800")
    data = text.encode()
    for mark, written in INVALID_UTF8.items():
        data = data.replace(mark.encode(), written)
    return b"\xef\xbb\xbf\r\n\t " + data + b"\n" if style.spaced else data


def _message(message: Any, style: Style) -> str:
    members = []
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            present = bool(value) or style.defaults
        elif field.has_presence:
            present = message.HasField(field.name)
        else:
            present = style.defaults or value != field.default_value or str(value) == "-0.0"
        name = field.name if style.snake_case else _camel(field.name)
        if present:
            members.append(f'"{name}":{_value(field, value, style)}')
        elif style.defaults and field.containing_oneof is None:
            members.append(f'"{name}":null')
    if style.reversed:
        members.reverse()
    if style.unknown:
        members.insert(len(members) // 2, _UNKNOWN)
    return "{" + (" ,\n" if style.spaced else ",").join(members) + "}"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _value(field: FieldDescriptor, value: Any, style: Style) -> str:
    if field.is_repeated:
        return "[" + ",".join(_one(field, item, style) for item in value) + "]"
    return _one(field, value, style)


def _one(field: FieldDescriptor, value: Any, style: Style) -> str:
    if field.message_type is not None:
        return _message(value, style)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return json.dumps(known.name if known is not None and style.enum_names else value)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _double(value, style)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return json.dumps(_bytes(field, value, style))
    if field.type in _LONG and not style.numbers:
        return f'"{value}"'
    return json.dumps(value, ensure_ascii=style.ascii)


def _double(value: float, style: Style) -> str:
    if not isfinite(value):
        name = "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return name if style.numbers else f'"{name}"'
    return f'"{value!r}"' if style.numbers else repr(value)


def _bytes(field: FieldDescriptor, value: bytes, style: Style) -> str:
    if field.name in ("trace_id", "span_id", "parent_span_id"):
        return value.hex().upper() if style.upper_hex else value.hex()
    if style.url_safe:
        return b64encode(value, altchars=b"-_").decode().rstrip("=")
    return b64encode(value).decode()
