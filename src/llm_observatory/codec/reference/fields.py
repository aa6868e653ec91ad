"""One PostgreSQL value as the bytes of a binary COPY field: int32 length, then the type's binary form; -1 is NULL.

The same bytes (without the length) are the value's binary parameter in an INSERT. Everything is big-endian.

| type          | Python value                        | bytes                                              |
|---------------|-------------------------------------|----------------------------------------------------|
| bool          | bool                                | 1 byte                                             |
| int2, int8    | int                                 | 2, 8 bytes                                         |
| float8        | float                               | IEEE 754, NaN bits as they came                    |
| text          | str without NUL                     | UTF-8                                              |
| bytea, uuid   | bytes                               | as they are (uuid: 16)                             |
| date          | days since 1970-01-01               | int32 days since 2000-01-01                        |
| timestamptz   | microseconds since 1970-01-01 UTC   | int64 microseconds since 2000-01-01 UTC            |
| jsonb         | bytes: JSON text in UTF-8           | 0x01, then the text                                |
| float8[], int8[], text[], uuid[] | list             | dimensions, has-null, element oid, size, bound 1, … |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

NULL = b"\xff\xff\xff\xff"
EPOCH_DAYS = 10_957
"""Days from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins."""
EPOCH_US = 946_684_800_000_000

INT8_OID = 20
TEXT_OID = 25
FLOAT8_OID = 701
UUID_OID = 2950

Encoder = Callable[[Any], bytes]

length = Struct(">i").pack
column_count = Struct(">h").pack
_int2 = Struct(">ih").pack
_int4 = Struct(">ii").pack
_int8 = Struct(">iq").pack
_float8 = Struct(">id").pack
_array = Struct(">iiiii").pack

TRUE = length(1) + b"\x01"
FALSE = length(1) + b"\x00"
_SMALL = 1024
"""Integers below it, which most are, are packed once."""
_SMALL_INT2 = tuple(_int2(2, number) for number in range(_SMALL))
_SMALL_INT8 = tuple(_int8(8, number) for number in range(_SMALL))


def boolean(value: bool) -> bytes:  # noqa: FBT001  # the value is the subject, not a switch
    """A `bool` field."""
    return TRUE if value else FALSE


def int2(value: int) -> bytes:
    """An `int2` field; `value` must be within ±32767."""
    return _SMALL_INT2[value] if 0 <= value < _SMALL else _int2(2, value)


def int8(value: int) -> bytes:
    """An `int8` field; `value` must fit a signed 64-bit integer."""
    return _SMALL_INT8[value] if 0 <= value < _SMALL else _int8(8, value)


def float8(value: float) -> bytes:
    """A `float8` field, NaN and the infinities included."""
    return _float8(8, value)


def raw(value: bytes) -> bytes:
    """A `bytea` or `uuid` field."""
    return length(len(value)) + value


def text(value: str) -> bytes:
    """A `text` field; `value` must be free of NUL."""
    data = value.encode()
    return length(len(data)) + data


def capped_text(max_bytes: int) -> Encoder:
    """An encoder of `text` that cuts at `max_bytes`, on a character boundary."""

    def encode(value: str) -> bytes:
        data = value.encode()
        if len(data) > max_bytes:
            data = data[:max_bytes].decode(errors="ignore").encode()
        return length(len(data)) + data

    return encode


def jsonb(value: bytes) -> bytes:
    """A `jsonb` field: version byte 1, then JSON text."""
    return length(len(value) + 1) + b"\x01" + value


def timestamptz(value: int) -> bytes:
    """A `timestamptz` field from microseconds since the Unix epoch."""
    return _int8(8, value - EPOCH_US)


def date(value: int) -> bytes:
    """A `date` field from days since the Unix epoch."""
    return _int4(4, value - EPOCH_DAYS)


def array(element: Encoder, oid: int) -> Encoder:
    """An encoder of one-dimensional arrays without NULLs."""

    def encode(values: Sequence[Any]) -> bytes:
        if not values:
            body = Struct(">iii").pack(0, 0, oid)
        else:
            body = _array(1, 0, oid, len(values), 1) + b"".join(map(element, values))
        return length(len(body)) + body

    return encode


ENCODERS: dict[str, Encoder] = {
    "bool": boolean,
    "bytea": raw,
    "date": date,
    "float8": float8,
    "float8[]": array(float8, FLOAT8_OID),
    "int2": int2,
    "int8": int8,
    "int8[]": array(int8, INT8_OID),
    "jsonb": jsonb,
    "text": text,
    "text[]": array(text, TEXT_OID),
    "timestamptz": timestamptz,
    "uuid": raw,
    "uuid[]": array(raw, UUID_OID),
}


def encoder(type_: str, max_bytes: int | None = None) -> Encoder:
    """The encoder of a column's type; KeyError when the type is unknown."""
    if type_ == "text" and max_bytes is not None:
        return capped_text(max_bytes)
    return ENCODERS[type_]


def nullable(encode: Encoder) -> Encoder:
    """`encode`, with None as NULL."""
    return lambda value: NULL if value is None else encode(value)
