"""Protobuf messages on the wire as no library writes them, and cut into their levels as no library can.

The writer needs no message to be valid: it writes invalid UTF-8 where a string holds a mark, nests as deep as it is asked to,
adds fields that nobody knows, reverses the order of fields, sends a message in two halves, and splices in any bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import pack
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INVALID_UTF8 = {"\U0010fffd": b"\xff", "\U0010fffe": b"\xed\xa0\x80", "\U0010ffff": b"\xc0\x80"}
"""Marks in strings and what is written for them: a byte of no character, a surrogate, an overlong NUL."""

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
"""Wire types."""

UNKNOWN_FIRST, UNKNOWN_LAST = 1000, 2**29 - 1
"""Numbers of fields that no message has."""


class Style(NamedTuple):
    """What is unusual about the writing."""

    unknown: bool = False
    reversed: bool = False
    halved: bool = False

    @property
    def groups(self) -> int:
        """How many groups in each other are in every message."""
        return int(self.unknown)


class Splice(NamedTuple):
    """Bytes before and after the fields of a message."""

    before: bytes = b""
    after: bytes = b""


Path = tuple[str, ...]
"""The way to a field or to the message in it, by names: of repeated fields to the first element."""

Splices = Mapping[Path, Splice]
"""By the way to the message that they are spliced into. What is not there takes none."""


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
    return varint(number << 3 | wire_type) + (varint(len(data)) if wire_type == LENGTH else b"") + data


_WRITTEN: dict[int, tuple[int, Any]] = {
    FieldDescriptor.TYPE_DOUBLE: (FIXED64, lambda value: pack("<d", value)),
    FieldDescriptor.TYPE_FIXED64: (FIXED64, lambda value: pack("<Q", value)),
    FieldDescriptor.TYPE_SFIXED64: (FIXED64, lambda value: pack("<q", value)),
    FieldDescriptor.TYPE_FIXED32: (FIXED32, lambda value: pack("<I", value)),
    FieldDescriptor.TYPE_SINT32: (VARINT, lambda value: varint(value << 1 ^ value >> 31)),
    FieldDescriptor.TYPE_INT32: (VARINT, varint),
    FieldDescriptor.TYPE_INT64: (VARINT, varint),
    FieldDescriptor.TYPE_UINT32: (VARINT, varint),
    FieldDescriptor.TYPE_UINT64: (VARINT, varint),
    FieldDescriptor.TYPE_ENUM: (VARINT, varint),
    FieldDescriptor.TYPE_BOOL: (VARINT, varint),
    FieldDescriptor.TYPE_BYTES: (LENGTH, bytes),
}


def _text(value: str) -> bytes:
    parts = (INVALID_UTF8.get(character) or character.encode() for character in value)
    return value.encode() if not any(mark in value for mark in INVALID_UTF8) else b"".join(parts)


_WRITTEN[FieldDescriptor.TYPE_STRING] = (LENGTH, _text)


def scalar(field: FieldDescriptor, value: Any) -> bytes:
    """A field with one number, string or bytes, as if it were not repeated."""
    wire_type, written = _WRITTEN[field.type]
    return tagged(field.number, wire_type, written(value))


def packed(field: FieldDescriptor, values: tuple[Any, ...]) -> bytes:
    """Numbers of a repeated field in one piece."""
    return tagged(field.number, LENGTH, b"".join(map(_WRITTEN[field.type][1], values)))


def wire_type_of(field: FieldDescriptor) -> int:
    """How one value of a field is written."""
    return LENGTH if field.message_type is not None else _WRITTEN[field.type][0]


def nested(numbers: tuple[int, ...], depth: int, core: bytes) -> bytes:
    """`core` in `depth` times these fields, the outer one first. Depth costs no stack and no square of it."""
    prefixes, size = [], len(core)
    for _ in range(depth):
        for number in reversed(numbers):
            prefix = varint(number << 3 | LENGTH) + varint(size)
            prefixes.append(prefix)
            size += len(prefix)
    return b"".join(reversed(prefixes)) + core


def groups(depth: int, number: int = UNKNOWN_LAST, inside: bytes = b"") -> bytes:
    """That many groups in each other, which nobody knows."""
    return tagged(number, GROUP, b"") * depth + inside + tagged(number, END_GROUP, b"") * depth


def write(message: Message, style: Style = Style(), splices: Splices | None = None) -> bytes:  # noqa: B008  # immutable
    """The message as bytes."""
    return b"".join(_fields(message, style, splices or {}, ()))


def _fields(message: Message, style: Style, splices: Splices, path: Path | None) -> list[bytes]:
    found = list(message.ListFields())
    if style.reversed:
        found.reverse()
    written = [data for field, value in found for data in _field(field, value, style, splices, path)]
    if style.unknown:
        group = tagged(UNKNOWN_LAST, GROUP, tagged(1, LENGTH, b"\0\xff") + tagged(UNKNOWN_LAST, END_GROUP, b""))
        written = [
            tagged(UNKNOWN_FIRST, VARINT, varint(7)),
            tagged(UNKNOWN_FIRST + 1, LENGTH, b"\xff\xfe"),
            *written,
            tagged(UNKNOWN_FIRST + 2, FIXED64, bytes(8)),
            tagged(UNKNOWN_FIRST + 3, FIXED32, bytes(4)),
            group,
        ]
    splice = splices.get(path) if path is not None else None
    return written if splice is None else [splice.before, *written, splice.after]


def _field(field: FieldDescriptor, value: Any, style: Style, splices: Splices, path: Path | None) -> Iterator[bytes]:
    if field.message_type is not None:
        here = None if path is None else (*path, field.name)
        for item in value if field.is_repeated else (value,):
            inner = _fields(item, style, splices, here)
            here = None  # the way leads to the first one
            middle = len(inner) // 2 if style.halved and not field.is_repeated else 0
            if middle:
                yield tagged(field.number, LENGTH, b"".join(inner[:middle]))
            yield tagged(field.number, LENGTH, b"".join(inner[middle:]))
        return
    wire_type, written = _WRITTEN[field.type]
    if not field.is_repeated:
        yield tagged(field.number, wire_type, written(value))
    elif wire_type == LENGTH or style.reversed:  # reversed: unpacked as well
        for item in value:
            yield tagged(field.number, wire_type, written(item))
    else:
        yield tagged(field.number, LENGTH, b"".join(map(written, value)))


def read_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a message of nothing but length-delimited fields and varints."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        size, position = _read_varint(data, position)
        if tag & 7 == VARINT:
            yield tag >> 3, varint(size)
            continue
        assert tag & 7 == LENGTH
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
