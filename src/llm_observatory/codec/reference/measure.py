"""How much a record, resource, scope or metric would become, counted on the wire before upb sees it.

Two bytes on the wire (an empty event, an array element without value) are about 150 bytes of Python objects, and one
control character is six bytes of JSON; so what is large is measured first and refused by a rule. Iterative, nothing
is copied but strings, and it stops as soon as a limit is passed. What is small is not looked at: it cannot pass one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from llm_observatory.codec.reference.wire import Malformed, fields, tag
from llm_observatory.tables.limits import COUNTED_FROM_BYTES, VALUE_BYTES
from llm_observatory.tables.rules import ESCAPED_MAX, ROW_MAX_BYTES, VALUES_MAX

FIELDS_MAX = 6 * VALUES_MAX
"""Fields visited before giving up: an attribute is four (itself, key, value, what the value holds), and more than one
time over it is written by no client."""

MEASURED_FROM_BYTES = (ROW_MAX_BYTES - VALUES_MAX * VALUE_BYTES) // ESCAPED_MAX
"""Below it no row can be larger than ROW_MAX_BYTES."""

DEPTH_MAX = 100
"""Messages below a record: upb refuses what nests deeper."""

_TWO_BYTES: Final = b'"\\\b\f\n\r\t'
_THREE_BYTES: Final = b"\0"  # U+FFFD
_SIX_BYTES: Final = bytes(byte for byte in range(0x20) if byte not in _TWO_BYTES + _THREE_BYTES)

_LEAVES: Final[dict[int, str]] = {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_BYTES: "bytes"}

_VARINT, _FIXED64, _FIXED32 = 0, 1, 5
_WIRE_TYPES: Final[dict[int, int]] = {
    FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_SFIXED64: _FIXED64,
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
    FieldDescriptor.TYPE_SFIXED32: _FIXED32,
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
}
"""Of scalars; the others are varints."""

_CONTINUED: Final = bytes(range(0x80, 0x100))
"""Bytes of a varint that another one follows: all others end a number."""


class _Field(NamedTuple):
    """A field: how many values one occurrence adds, what it holds, the message below it.

    Repeated numbers come one by one or packed into one field, which holds as many values as there are numbers: `packed` is
    their wire type.
    """

    values: int
    leaf: str = ""
    message: Shape | None = None
    packed: int | None = None


Shape: TypeAlias = dict[int, _Field]
"""A message type by tag. Fields that are not in it add nothing."""


_OTHER = _Field(0)

Parsed = TypeVar("Parsed", bound=Message)

_shapes: dict[str, Shape] = {}


def _nested(descriptor: Descriptor) -> Shape:
    """A message type below a record; types that hold themselves end in the shape that is already being made."""
    if descriptor.full_name in _shapes:
        return _shapes[descriptor.full_name]
    made = _shapes[descriptor.full_name] = {}
    for field in descriptor.fields:
        repeated = int(field.is_repeated)
        if field.message_type is not None:
            made[tag(field.number)] = _Field(repeated, "", _nested(field.message_type))
        elif field.type in _LEAVES:
            made[tag(field.number)] = _Field(repeated, _LEAVES[field.type])
        elif repeated:
            wire_type = _WIRE_TYPES.get(field.type, _VARINT)
            made[field.number << 3 | wire_type] = _Field(1)
            made[tag(field.number)] = _Field(0, packed=wire_type)
    return made


def shape(descriptor: Descriptor) -> Shape:
    """The message type of a record or source. Its own strings become columns; those below it become JSON."""
    return {
        number: field._replace(leaf="column") if field.leaf and not field.values else field
        for number, field in _nested(descriptor).items()
    }


def exceeded(data: bytes, root: Shape) -> str | None:
    """The rule that the message `data` breaks by its size. Raises `Malformed` when upb would refuse it."""
    if len(data) <= COUNTED_FROM_BYTES:
        return None
    measured = len(data) > MEASURED_FROM_BYTES
    size = values = 0
    for visited, (field, start, end) in enumerate(_fields_of_all_levels(data, root)):
        values += field.values if field.packed is None else _numbers(data, start, end, field.packed)
        if values > VALUES_MAX or visited > FIELDS_MAX:
            return "too_many_values"
        if measured and field.leaf:
            size += _rendered(data[start:end], field.leaf)
        if size + values * VALUE_BYTES > ROW_MAX_BYTES:
            return "row_too_large"
    return None


def parsed(data: bytes, message: type[Parsed], root: Shape, malformed: str) -> Parsed | str:
    """The message in `data`; the rule it breaks by its size, or `malformed` when it is no protobuf that upb takes."""
    try:
        return exceeded(data, root) or message.FromString(data)
    except (Malformed, DecodeError):
        return malformed


def _fields_of_all_levels(data: bytes, root: Shape) -> Iterator[tuple[_Field, int, int]]:
    """Every field at any depth, in order, with start and end of its value."""
    stack = [(fields(data, 0, len(data)), root)]
    while stack:
        level, message = stack[-1]
        for number, start, end in level:
            field = message.get(number, _OTHER)
            yield field, start, end
            if field.message is not None and start != end:
                stack.append((fields(data, start, end), field.message))
                break
        else:
            stack.pop()
        if len(stack) - 1 > DEPTH_MAX:
            raise Malformed("messages nest too deeply")


def _numbers(data: bytes, start: int, end: int, wire_type: int) -> int:
    """How many numbers of a wire type are packed into `data[start:end]`."""
    if wire_type == _VARINT:
        return len(data[start:end].translate(None, _CONTINUED))
    return (end - start) // (8 if wire_type == _FIXED64 else 4)


def _rendered(data: bytes, leaf: str) -> int:
    """Bytes of a row that a string or bytes become."""
    size = len(data)
    if leaf == "bytes":
        size = size * 4 // 3
    else:
        size += 2 * _times(data, _THREE_BYTES)
    if leaf == "string":
        size += _times(data, _TWO_BYTES) + 5 * _times(data, _SIX_BYTES)
    return size


def _times(data: bytes, among: bytes) -> int:
    """How many bytes of `data` are among these."""
    return len(data) - len(data.translate(None, among))
