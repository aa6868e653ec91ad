"""The bytes of one PostgreSQL value in its binary form → the value: the other direction of `reference.fields`.

The types and the values are those of the table there; jsonb is given back parsed. The bytes are a field of a COPY row or
of a result in binary format, without its length.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from struct import Struct, iter_unpack, unpack_from
from struct import error as StructError  # noqa: N812  # a class, named as one
from typing import Any

from llm_observatory.codec.reference.fields import EPOCH_DAYS, EPOCH_US

Decoder = Callable[[bytes], Any]

JSONB_VERSION = 1
_ARRAY_HEADER_BYTES = 20


def _fixed(layout: str) -> Decoder:
    unpack = Struct(layout).unpack

    def decode(data: bytes) -> Any:
        return unpack(data)[0]

    return decode


_bool, _int2, _int4, _int8, _float8 = map(_fixed, (">?", ">h", ">i", ">q", ">d"))


def timestamptz(data: bytes) -> int:
    """Microseconds since the Unix epoch."""
    return int(_int8(data)) + EPOCH_US


def date(data: bytes) -> int:
    """Days since the Unix epoch."""
    return int(_int4(data)) + EPOCH_DAYS


def jsonb(data: bytes) -> Any:
    """The parsed document. A number with a point or an exponent is a float, every other an int."""
    if data[:1] != bytes([JSONB_VERSION]):
        raise ValueError(f"jsonb begins with version {JSONB_VERSION}, not {data[:1]!r}")
    return json.loads(data[1:])


def _array(data: bytes) -> bytes:
    """The elements of a one-dimensional array without NULLs, each after its length."""
    dimensions, has_null = unpack_from(">ii", data)
    if dimensions == 0:
        return b""
    if dimensions != 1 or has_null:
        raise ValueError("an array has one dimension and no NULLs")
    return data[_ARRAY_HEADER_BYTES:]


def _fixed_array(layout: str) -> Decoder:
    return lambda data: [value for _, value in iter_unpack(">i" + layout, _array(data))]


def _array_of(element: Decoder) -> Decoder:
    def decode(data: bytes) -> list[Any]:
        elements = _array(data)
        found, position = [], 0
        while position < len(elements):
            (length,) = unpack_from(">i", elements, position)
            position += 4 + length
            found.append(element(elements[position - length : position]))
        return found

    return decode


DECODERS: dict[str, Decoder] = {
    "bool": _bool,
    "bytea": bytes,
    "date": date,
    "float8": _float8,
    "float8[]": _fixed_array("d"),
    "int2": _int2,
    "int8": _int8,
    "int8[]": _fixed_array("q"),
    "jsonb": jsonb,
    "text": bytes.decode,
    "text[]": _array_of(bytes.decode),
    "timestamptz": timestamptz,
    "uuid": bytes,
    "uuid[]": _array_of(bytes),
}


def decoder(type_: str) -> Decoder:
    """The decoder of a column's type; KeyError when the type is unknown. ValueError from it for bytes of another type."""
    decode = DECODERS[type_]

    def checked(data: bytes) -> Any:
        try:
            return decode(data)
        except StructError as error:
            raise ValueError(f"{len(data)} bytes are no {type_}") from error

    return checked
