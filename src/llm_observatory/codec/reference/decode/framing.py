"""The levels around the records, written on the wire.

A record nests as deep as upb allows, so none is ever made part of a larger message.
"""

from __future__ import annotations

_LENGTH_DELIMITED = 2
_CONTINUED = 0x80


def field(number: int, data: bytes) -> bytes:
    """One length-delimited field."""
    tag, size, length = number << 3 | _LENGTH_DELIMITED, len(data), bytearray()
    while size >= _CONTINUED:
        length.append(size % _CONTINUED | _CONTINUED)
        size >>= 7
    length.append(size)
    return bytes([tag]) + bytes(length) + data


def text_field(number: int, text: str) -> bytes:
    """A string field; nothing when it is empty."""
    return field(number, text.encode()) if text else b""
