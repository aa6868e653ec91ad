"""The message types of OTLP, compiled from their descriptors: JSON key → what writes that field.

A table has two keys a field, `lowerCamelCase` and, tolerated, its own `snake_case`; whatever else stands in an object is
ignored. null is absent. Fields are written in the order of the keys, so that of several members of a oneof the last counts.

What is written goes piece by piece to the end of a list, and each writer says how many bytes it added: a length stands
before its content, in a place that was kept for it. To join at every level would copy a large string as often as it is deep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from llm_observatory.otlp.json.scalars import Unfit, encoder
from llm_observatory.otlp.json.wire import LENGTH_DELIMITED, tag, varint

Pieces: TypeAlias = list[bytes | bytearray]
Put: TypeAlias = Callable[[Any, Pieces], int]
"""Adds a value, which is not None, to the pieces; the number of bytes. Raises `FAULTS`."""

Taken = TypeVar("Taken")
Table: TypeAlias = dict[str, Put]

FAULTS = (ValueError, ArithmeticError, RecursionError)
"""What a value that does not fit raises, and one that nests deeper than Python calls: the codec would refuse it long before."""

_tables: dict[str, Table] = {}


def table(descriptor: Descriptor) -> Table:
    """The table of a message type; types that hold themselves end in the table that is already being made."""
    if descriptor.full_name in _tables:
        return _tables[descriptor.full_name]
    made = _tables[descriptor.full_name] = {}
    for field in descriptor.fields:
        made.update(keys(field, field_put(field)))
    return made


def keys(field: FieldDescriptor, taken: Taken) -> dict[str, Taken]:
    """Both names of a field, for what takes its value."""
    return {field.json_name: taken, field.name: taken}


def put_members(value: Any, members: Table, pieces: Pieces) -> int:
    """A JSON object as the content of a message."""
    if type(value) is not dict:
        raise Unfit("not an object")
    size = 0
    for key, member in value.items():
        if member is not None and key in members:
            size += members[key](member, pieces)
    return size


def field_put(field: FieldDescriptor) -> Put:
    """What writes a field."""
    if field.message_type is not None:
        put = _message(tag(field.number), table(field.message_type))
        return _each(put) if field.is_repeated else put
    wire_type, encode = encoder(field)
    if field.is_repeated and wire_type != LENGTH_DELIMITED:
        return _packed(tag(field.number), encode)
    put = _scalar(tag(field.number, wire_type), encode)
    return _each(put) if field.is_repeated else put


def _scalar(field_tag: bytes, encode: Callable[[Any], bytes]) -> Put:
    def put(value: Any, pieces: Pieces) -> int:
        data = field_tag + encode(value)
        pieces.append(data)
        return len(data)

    return put


def _message(field_tag: bytes, members: Table) -> Put:
    def put(value: Any, pieces: Pieces) -> int:
        place = len(pieces)
        pieces.append(b"")
        size = put_members(value, members, pieces)
        head = field_tag + varint(size)
        pieces[place] = head
        return len(head) + size

    return put


def _packed(field_tag: bytes, encode: Callable[[Any], bytes]) -> Put:
    """Repeated numbers."""

    def put(value: Any, pieces: Pieces) -> int:
        data = b"".join(map(encode, listed(value)))
        head = field_tag + varint(len(data))
        pieces += head, data
        return len(head) + len(data)

    return put


def _each(put_one: Put) -> Put:
    def put(value: Any, pieces: Pieces) -> int:
        return sum([put_one(item, pieces) for item in listed(value)])

    return put


def listed(value: Any) -> list[Any]:
    """A JSON array."""
    if type(value) is not list:
        raise Unfit("not an array")
    return value
