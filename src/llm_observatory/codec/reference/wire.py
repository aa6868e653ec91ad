"""Reading protobuf's wire format where upb is not used: the outer levels of an export request.

Bounded by construction: one loop, no recursion, nothing is copied, and no length is believed before it is checked
against the end of its message. Anything that is not well-formed raises `Malformed`.
"""

from __future__ import annotations

from collections.abc import Iterator

LENGTH_DELIMITED = 2
"""The wire type of strings, bytes and messages."""

CONTINUATION = 0x80
"""The bit of a varint's byte that says: another one follows."""

TAG_MIN, TAG_MAX = 1 << 3, 2**32 - 1

MAX_GROUP_DEPTH = 100
"""Groups were dropped from proto3 but remain legal as unknown fields; upb allows the same depth."""

INSIDE_GROUP = 0
"""The tag under which fields inside an unknown group are reported: no field can have it."""


class Malformed(ValueError):
    """The bytes are not a protobuf message."""


def varint(buffer: bytes, position: int, end: int) -> tuple[int, int]:
    """The varint at `position` and the position after it."""
    result = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise Malformed("truncated varint")
        byte = buffer[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < CONTINUATION:
            return result, position
    raise Malformed("a varint is longer than 10 bytes")


def fields(buffer: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of the message in `buffer[position:end]`: tag, start and end of the value (without its length).

    A tag is `number << 3 | wire type`. Fields inside a group are reported as INSIDE_GROUP, so that a caller who bounds
    the number of steps sees every one.
    """
    groups: list[int] = []
    while position < end:
        tag = buffer[position]
        position += 1
        if tag >= CONTINUATION:
            tag, position = varint(buffer, position - 1, end)
        start = position
        if tag & 7 == LENGTH_DELIMITED:
            # Most lengths are one byte: without the call millions of empty messages take half the time.
            if position < end and buffer[position] < CONTINUATION:
                start = position + 1
                position = start + buffer[position]
            else:
                size, start = varint(buffer, position, end)
                position = start + size
        else:
            position = _after_scalar(buffer, tag, position, end, groups)
        if not TAG_MIN <= tag <= TAG_MAX:
            raise Malformed("a field number is out of range")
        if position > end:
            raise Malformed("a field is longer than its message")
        yield (INSIDE_GROUP if groups else tag), start, position
    if groups:
        raise Malformed("a group has no end")


def _after_scalar(buffer: bytes, tag: int, position: int, end: int, groups: list[int]) -> int:
    """Where the value of a field that is not length-delimited ends; keeps the stack of open groups."""
    match tag & 7:
        case 0:
            return varint(buffer, position, end)[1]
        case 1:
            return position + 8
        case 3:
            groups.append(tag >> 3)
            if len(groups) > MAX_GROUP_DEPTH:
                raise Malformed("groups nest too deeply")
            return position
        case 4:
            if not groups or groups.pop() != tag >> 3:
                raise Malformed("an end of group without its start")
            return position
        case 5:
            return position + 4
        case wire_type:
            raise Malformed(f"wire type {wire_type} does not exist")


def tag(number: int) -> int:
    """The tag of a field that holds a string, bytes or a message."""
    return number << 3 | LENGTH_DELIMITED
