"""Attribute documents → OTLP attributes: the other direction of `reference.document`.

What jsonb changes on the way is harmless: it sorts keys, and writes the small doubles without exponent (1e-05 as 0.00001).
A number with a point stays a double, one without an integer.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from llm_observatory.codec.reference.document import Value

_DOUBLE, _BYTES = "$double", "$bytes"


def attributes(document: Mapping[str, Value]) -> list[KeyValue]:
    """A document as an attribute list."""
    found = []
    for key, value in document.items():
        pair = KeyValue(key=original_key(key))
        fill(pair.value, value)
        found.append(pair)
    return found


def original_key(key: str) -> str:
    """A key as it was sent: one that begins with `$` has one more in the document."""
    return key.removeprefix("$")


def fill(any_value: AnyValue, value: Value) -> None:
    """Put one value of a document into `any_value`."""
    kind = type(value)
    if kind is str:
        any_value.string_value = value
    elif kind is bool:
        any_value.bool_value = value
    elif kind is int:
        any_value.int_value = value
    elif kind is float:
        any_value.double_value = value
    elif kind is list:
        any_value.array_value.SetInParent()
        for item in value:
            fill(any_value.array_value.values.add(), item)
    elif kind is dict:
        _fill_tagged(any_value, value)


def _fill_tagged(any_value: AnyValue, value: dict[str, Value]) -> None:
    """A kvlist, or what its tag says that the object stands for."""
    if _DOUBLE in value:
        any_value.double_value = float(value[_DOUBLE])
    elif _BYTES in value:
        any_value.bytes_value = b64decode(value[_BYTES])
    else:
        any_value.kvlist_value.SetInParent()
        any_value.kvlist_value.values.extend(attributes(value))


def number(value: Value) -> float:
    """A double as it stands in a document."""
    return float(value[_DOUBLE] if type(value) is dict else value)


def fill_members(message: Message, item: Mapping[str, Any]) -> None:
    """Put the members of an object of a list (an event, a link) into `message`: they are named as the fields of OTLP are.

    Ids are in hexadecimal there, attributes a document.
    """
    for field in message.DESCRIPTOR.fields:
        if field.name not in item:
            continue
        value = item[field.name]
        if field.message_type is KeyValue.DESCRIPTOR:
            getattr(message, field.name).extend(attributes(value))
        elif field.is_repeated:
            getattr(message, field.name).extend(value)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, bytes.fromhex(value))
        elif field.type == FieldDescriptor.TYPE_DOUBLE:
            setattr(message, field.name, number(value))
        else:
            setattr(message, field.name, value)
