"""Scalars on the wire, for payloads that no encoder would write; `spans.field` makes the other fields."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """A number, negative ones in 10 bytes."""
    number &= 2**64 - 1
    data = b""
    while number >= 0x80:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def scalar(number: int, value: int) -> bytes:
    """A field that holds a varint."""
    return varint(number << 3) + varint(value)
