"""Protobuf messages on the wire as no library writes them, and cut into their levels as no library can.

The writer needs no message to be valid: it writes invalid UTF-8 where a string holds a mark, nests as deep as it is asked to,
adds fields that nobody knows, reverses the order of fields, and sends a message in two halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INVALID_UTF8 = {"\U0010fffd": b"\xff", "\U0010fffe": b"\xed\xa0\x80", "\U0010ffff": b"\xc0\x80"}
"""Marks in strings and what is written for them: a byte of no character, a surrogate, an overlong NUL."""

_VARINT, _FIXED64, _LENGTH, _GROUP, _END_GROUP, _FIXED32 = range(6)
_UNKNOWN_FIRST, _UNKNOWN_LAST = 1000, 2**29 - 1


class Style(NamedTuple):
    """What is unusual about the writing."""

    unknown: bool = False
    reversed: bool = False
    halved: bool = False

    @property
    def groups(self) -> int:
        """How many groups in each other are in every message."""
        return int(self.unknown)


def varint(number: int) -> bytes:
    """As unsigned 64-bit."""
    number %= 2**64
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def tagged(number: int, wire_type: int, data: bytes) -> bytes:
    """One field."""
    return varint(number << 3 | wire_type) + (varint(len(data)) if wire_type == _LENGTH else b"") + data


_WRITTEN: dict[int, tuple[int, Any]] = {
    FieldDescriptor.TYPE_DOUBLE: (_FIXED64, lambda value: pack("<d", value)),
    FieldDescriptor.TYPE_FIXED64: (_FIXED64, lambda value: pack("<Q", value)),
    FieldDescriptor.TYPE_SFIXED64: (_FIXED64, lambda value: pack("<q", value)),
    FieldDescriptor.TYPE_FIXED32: (_FIXED32, lambda value: pack("<I", value)),
    FieldDescriptor.TYPE_SINT32: (_VARINT, lambda value: varint(value << 1 ^ value >> 31)),
    FieldDescriptor.TYPE_INT32: (_VARINT, varint),
    FieldDescriptor.TYPE_INT64: (_VARINT, varint),
    FieldDescriptor.TYPE_UINT32: (_VARINT, varint),
    FieldDescriptor.TYPE_UINT64: (_VARINT, varint),
    FieldDescriptor.TYPE_ENUM: (_VARINT, varint),
    FieldDescriptor.TYPE_BOOL: (_VARINT, varint),
    FieldDescriptor.TYPE_BYTES: (_LENGTH, bytes),
}


def _text(value: str) -> bytes:
    parts = (INVALID_UTF8.get(character) or character.encode() for character in value)
    return value.encode() if not any(mark in value for mark in INVALID_UTF8) else b"".join(parts)


_WRITTEN[FieldDescriptor.TYPE_STRING] = (_LENGTH, _text)


def write(message: Message, style: Style = Style()) -> bytes:  # noqa: B008  # immutable
    """The message as bytes."""
    return b"".join(_fields(message, style))


def _fields(message: Message, style: Style) -> list[bytes]:
    found = list(message.ListFields())
    if style.reversed:
        found.reverse()
    written = [data for field, value in found for data in _field(field, value, style)]
    if style.unknown:
        group = tagged(_UNKNOWN_LAST, _GROUP, tagged(1, _LENGTH, b"\0\xff") + tagged(_UNKNOWN_LAST, _END_GROUP, b""))
        written = [
            tagged(_UNKNOWN_FIRST, _VARINT, varint(7)),
            tagged(_UNKNOWN_FIRST + 1, _LENGTH, b"\xff\xfe"),
            *written,
            tagged(_UNKNOWN_FIRST + 2, _FIXED64, bytes(8)),
            tagged(_UNKNOWN_FIRST + 3, _FIXED32, bytes(4)),
            group,
        ]
    return written


def _field(field: FieldDescriptor, value: Any, style: Style) -> Iterator[bytes]:
    if field.message_type is not None:
        for item in value if field.is_repeated else (value,):
            inner = _fields(item, style)
            middle = len(inner) // 2 if style.halved and not field.is_repeated else 0
            if middle:
                yield tagged(field.number, _LENGTH, b"".join(inner[:middle]))
            yield tagged(field.number, _LENGTH, b"".join(inner[middle:]))
        return
    wire_type, written = _WRITTEN[field.type]
    if not field.is_repeated:
        yield tagged(field.number, wire_type, written(value))
    elif wire_type == _LENGTH or style.reversed:  # reversed: unpacked as well
        for item in value:
            yield tagged(field.number, wire_type, written(item))
    else:
        yield tagged(field.number, _LENGTH, b"".join(map(written, value)))


def read_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a message of nothing but length-delimited fields and varints."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        size, position = _read_varint(data, position)
        if tag & 7 == _VARINT:
            yield tag >> 3, varint(size)
            continue
        assert tag & 7 == _LENGTH
        yield tag >> 3, data[position : position + size]
        position += size


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position
