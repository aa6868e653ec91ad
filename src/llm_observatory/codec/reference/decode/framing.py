"""The levels around the records, written on the wire.

A record nests as deep as upb allows, so none is ever made part of a larger message.
"""

from __future__ import annotations

from llm_observatory.codec.reference.wire import CONTINUATION, tag


def field(number: int, data: bytes) -> bytes:
    """One length-delimited field."""
    size, length = len(data), bytearray()
    while size >= CONTINUATION:
        length.append(size % CONTINUATION | CONTINUATION)
        size >>= 7
    length.append(size)
    return bytes([tag(number)]) + bytes(length) + data


def text_field(number: int, text: str) -> bytes:
    """A string field; nothing when it is empty."""
    return field(number, text.encode()) if text else b""
