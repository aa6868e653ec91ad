"""Writing protobuf's wire format: what fields begin with, and varints."""

from __future__ import annotations

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types."""

CONTINUATION = 0x80
"""The bit of a varint's byte that says: another one follows."""

MALFORMED = b"\xff"
"""Neither a message (its first tag does not end) nor a string (UTF-8 has no such byte): what it stands for is refused."""


def _varint(number: int) -> bytes:
    data = bytearray()
    while number >= CONTINUATION:
        data.append(number & 0x7F | CONTINUATION)
        number >>= 7
    data.append(number)
    return bytes(data)


_SHORT = [_varint(number) for number in range(1 << 14)]
"""Every varint of at most two bytes: nearly all lengths and small numbers, without a loop."""


def varint(number: int) -> bytes:
    """A number from 0 to 2^64 - 1."""
    return _SHORT[number] if number < len(_SHORT) else _varint(number)


def tag(number: int, wire_type: int = LENGTH_DELIMITED) -> bytes:
    """What a field begins with."""
    return varint(number << 3 | wire_type)


def delimited(field_tag: bytes, data: bytes | bytearray) -> bytes:
    """A string, bytes, or a message, as a field."""
    return field_tag + varint(len(data)) + data
