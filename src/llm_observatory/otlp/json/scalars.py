"""Values of scalar fields: from what JSON holds to what protobuf's wire holds after the tag.

Every function takes any JSON value that is not null and raises `Unfit`, another ValueError or an ArithmeticError when the
field cannot hold it; it then costs the record. The rules are those of protobuf's JSON mapping but for ids, which OTLP writes
in hexadecimal.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import unhexlify
from collections.abc import Callable
from decimal import Decimal
from math import inf
from struct import Struct
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from llm_observatory.otlp.json.wire import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, varint

Encode: TypeAlias = Callable[[Any], bytes]

NO_ID = b"\1\0"
"""A length and a byte, for what is not hexadecimal: no id is of that length, so the codec's own rules refuse it."""

NUMBER_TEXT_MAX = 1200
"""The exact decimal form of a double has at most 1,077 characters; none is longer for a reason."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = {"NaN": float("nan"), "Infinity": inf, "-Infinity": -inf}
_URL_SAFE = str.maketrans("-_", "+/")
_INT64_DIGITS = 20


class Unfit(ValueError):
    """A JSON value is none that its field can hold."""


def string(value: Any) -> bytes:
    """A lone surrogate becomes three bytes that are not UTF-8, exactly there; so does each byte that was none in the body."""
    if type(value) is not str:
        raise Unfit("not a string")
    data = value.encode("utf-8", "surrogatepass")
    return varint(len(data)) + data


def identifier(value: Any) -> bytes:
    """A trace id or span id: hexadecimal in either case. The length is for the codec to judge."""
    try:
        data = unhexlify(value)
    except (ValueError, TypeError):
        return NO_ID
    return varint(len(data)) + data


def base64(value: Any) -> bytes:
    """Base64 of either alphabet, with or without its padding."""
    if type(value) is not str:
        raise Unfit("not base64")
    bare = value.rstrip("=").translate(_URL_SAFE)
    data = b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    return varint(len(data)) + data


def boolean(value: Any) -> bytes:
    """Only true and false."""
    if type(value) is not bool:
        raise Unfit("not a boolean")
    return b"\1" if value else b"\0"


def integer(value: Any) -> int:
    """An integer of any size: as number or string, also with a fraction or exponent as long as it is integral."""
    kind = type(value)
    if kind is int:
        return int(value)
    if kind is float and value.is_integer():
        return int(value)
    if kind is not str or len(value) > NUMBER_TEXT_MAX:
        raise Unfit("not an integer")
    if value.isdecimal() and value.isascii():
        return int(value)
    if not _NUMBER.fullmatch(value):
        raise Unfit("not an integer")
    number = Decimal(value)
    # Before it is written out: 1e999999 would have a million digits.
    if number.adjusted() > _INT64_DIGITS or number != number.to_integral_value():
        raise Unfit("not an integer of 64 bits")
    return int(number)


def double(value: Any) -> float:
    """A double, rounded to nearest; what is beyond the largest one becomes an infinity."""
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int:
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf
    if kind is str:
        if value in _SPECIAL:
            return _SPECIAL[value]
        if len(value) <= NUMBER_TEXT_MAX and _NUMBER.fullmatch(value):
            return float(value)
    raise Unfit("not a number")


def _bounded(low: int, high: int, written: Encode) -> Encode:
    """An integer field that holds `low` to `high`."""

    def encode(value: Any) -> bytes:
        number = value if type(value) is int else integer(value)
        if not low <= number <= high:
            raise Unfit("out of range")
        return written(number)

    return encode


def _signed(bits: int, written: Encode) -> Encode:
    return _bounded(-(1 << bits - 1), (1 << bits - 1) - 1, written)


def _unsigned(bits: int, written: Encode) -> Encode:
    return _bounded(0, (1 << bits) - 1, written)


def _negative_too(number: int) -> bytes:
    return varint(number % 2**64)


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else ~(number << 1))


def _packed(layout: str) -> Encode:
    return Struct(layout).pack


_DOUBLE: Final = _packed("<d")


def _double(value: Any) -> bytes:
    return _DOUBLE(value if type(value) is float else double(value))


_ENCODERS: dict[int, tuple[int, Encode]] = {
    FieldDescriptor.TYPE_STRING: (LENGTH_DELIMITED, string),
    FieldDescriptor.TYPE_BYTES: (LENGTH_DELIMITED, base64),
    FieldDescriptor.TYPE_BOOL: (VARINT, boolean),
    FieldDescriptor.TYPE_DOUBLE: (FIXED64, _double),
    FieldDescriptor.TYPE_INT32: (VARINT, _signed(32, _negative_too)),
    FieldDescriptor.TYPE_INT64: (VARINT, _signed(64, _negative_too)),
    FieldDescriptor.TYPE_SINT32: (VARINT, _signed(32, _zigzag)),
    FieldDescriptor.TYPE_SINT64: (VARINT, _signed(64, _zigzag)),
    FieldDescriptor.TYPE_UINT32: (VARINT, _unsigned(32, varint)),
    FieldDescriptor.TYPE_UINT64: (VARINT, _unsigned(64, varint)),
    FieldDescriptor.TYPE_FIXED32: (FIXED32, _unsigned(32, _packed("<I"))),
    FieldDescriptor.TYPE_FIXED64: (FIXED64, _unsigned(64, _packed("<Q"))),
    FieldDescriptor.TYPE_SFIXED32: (FIXED32, _signed(32, _packed("<i"))),
    FieldDescriptor.TYPE_SFIXED64: (FIXED64, _signed(64, _packed("<q"))),
}
"""Wire type and encoder by type. A type of field that OTLP does not have yet stops the process when this is imported."""


def _enum(descriptor: EnumDescriptor) -> Encode:
    """An enum by number, also one that is not known, or by the name of a value."""
    numbers = {value.name: value.number for value in descriptor.values}
    by_number = _ENCODERS[FieldDescriptor.TYPE_INT32][1]

    def encode(value: Any) -> bytes:
        if type(value) is not str:
            return by_number(value)
        if value not in numbers:
            raise Unfit("not a name of the enum")
        return by_number(numbers[value])

    return encode


def encoder(field: FieldDescriptor) -> tuple[int, Encode]:
    """The wire type of a scalar field, and what writes its values. Bytes called `…_id` are ids."""
    if field.enum_type is not None:
        return VARINT, _enum(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES and field.name.endswith("_id"):
        return LENGTH_DELIMITED, identifier
    return _ENCODERS[field.type]
