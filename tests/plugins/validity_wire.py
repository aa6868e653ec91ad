"""The validity table, on the wire: fields nobody knows, fields written otherwise or more than once, bytes that are no message.

Written from the encoding of protobuf (https://protobuf.dev/programming-guides/encoding/) and docs/otlp.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_observatory.tables.rules import VALUES_MAX
from tests.plugins.hostile_wire import (
    FIXED32,
    FIXED64,
    GROUP,
    LENGTH,
    UNKNOWN_FIRST,
    UNKNOWN_LAST,
    VARINT,
    Path,
    Splice,
    groups,
    nested,
    packed,
    scalar,
    tagged,
    varint,
    wire_type_of,
)
from tests.plugins.otlp_messages import NS
from tests.plugins.validity import DEPTH_MAX, MALFORMED, NO_REQUEST, ON_THE_WIRE, Spoiled, nothing, puts

OUTER = {"traces": 2, "logs": 2, "metrics": 4}
"""As long is the way to the last message whose framing leads to records: broken, it is not known what it holds."""
BESIDE = {"resource", "scope", "metadata"}
"""Messages on that way which lead to none."""

LAST_VARINT = b"\xff" * 9 + b"\x01"

OF_ANY_TYPE = {
    VARINT: LAST_VARINT,
    FIXED64: b"\xff" * 8,
    LENGTH: b"\xff\0\xed\xa0\x80",
    FIXED32: b"\xff" * 4,
}
"""What a field of each wire type may hold."""

UNKNOWN = {
    **{f"wire type {kind}": tagged(UNKNOWN_FIRST + kind, kind, data) for kind, data in OF_ANY_TYPE.items()},
    "last number": tagged(UNKNOWN_LAST, VARINT, b"\1"),
    "empty": tagged(UNKNOWN_LAST, LENGTH, b""),
    "reserved number": tagged(19_000, LENGTH, b"x"),
    "group": groups(1),
    "group with fields": groups(1, inside=tagged(1, LENGTH, b"\xff") + tagged(2, VARINT, b"\1")),
    "three groups": groups(3),
    "a thousand fields": tagged(UNKNOWN_FIRST, VARINT, b"\0") * 1000,
    "long tag": b"\xc0\xbe\x80\x80\x00" + b"\1",
    "long varint": tagged(UNKNOWN_FIRST, VARINT, b"\x81" + b"\x80" * 8 + b"\0"),
}

BROKEN = {
    "cut tag": b"\x80",
    "tag 0": b"\0\0",
    "field number 0": b"\x02\0",
    "tag beyond 32 bits": b"\xf8\xff\xff\xff\x7f\0",
    "cut varint": varint(UNKNOWN_FIRST << 3) + b"\x80",
    "varint of 11 bytes": varint(UNKNOWN_FIRST << 3) + b"\x80" * 10 + b"\1",
    "cut fixed64": varint(UNKNOWN_FIRST << 3 | FIXED64) + bytes(7),
    "cut fixed32": varint(UNKNOWN_FIRST << 3 | FIXED32) + bytes(3),
    "without length": varint(UNKNOWN_FIRST << 3 | LENGTH),
    "longer than its message": varint(UNKNOWN_FIRST << 3 | LENGTH) + b"\x7fx",
    "length of 2^63": varint(UNKNOWN_FIRST << 3 | LENGTH) + varint(2**63),
    "wire type 6": varint(UNKNOWN_FIRST << 3 | 6) + b"\0",
    "wire type 7": varint(UNKNOWN_FIRST << 3 | 7) + b"\0",
    "group without end": varint(UNKNOWN_FIRST << 3 | GROUP),
    "end without group": varint(UNKNOWN_FIRST << 3 | 4),
    "another group's end": varint(UNKNOWN_FIRST << 3 | GROUP) + varint((UNKNOWN_FIRST + 1) << 3 | 4),
}

OLD = {
    "resource_spans": tagged(1000, LENGTH, tagged(2, LENGTH, tagged(5, LENGTH, b"span of instrumentation_library_spans"))),
    "resource_metrics": tagged(1000, LENGTH, tagged(2, LENGTH, tagged(1, LENGTH, b"metric"))),
    "resource_logs": tagged(1000, LENGTH, tagged(2, LENGTH, tagged(3, LENGTH, b"INFO"))),
    "status": tagged(1, VARINT, b"\2"),  # deprecated_code
    "log_records": tagged(4, LENGTH, b"name"),
}
"""Fields of OTLP before 1.0, by the message they stood in: unknown now, whatever else is in it."""

OLD_LABELS = tagged(1, LENGTH, tagged(1, LENGTH, b"key") + tagged(2, LENGTH, b"value"))
LABELLED = ("gauge", "sum", "histogram")
"""Points whose field 1 was `labels` (StringKeyValue)."""

OLD_KINDS = {"int_gauge": 4, "int_sum": 6, "int_histogram": 8}
"""Kinds of data in a Metric of OTLP 0.x: nothing is stored of it, and nothing rejected (`metric_without_data`)."""

DEPTHS = (101, 1000, 10_000)


def in_message(signal: str, path: Path, below: int) -> Iterator[Spoiled]:
    """What may stand in a message; `below` is how many messages it lies in, below what is read as one message."""
    is_outer = len(path) <= OUTER[signal] and BESIDE.isdisjoint(path)
    refused = NO_REQUEST if is_outer else MALFORMED
    for label, data in UNKNOWN.items():
        yield _spliced(f"unknown after: {label}", after=data)
        yield _spliced(f"unknown before: {label}", before=data)
    left = DEPTH_MAX if is_outer else DEPTH_MAX - below
    yield _spliced("groups as deep as can be", after=groups(left))
    for depth in sorted({left + 1, *DEPTHS}):
        yield _spliced(f"{depth} groups", refused, after=groups(depth))
    for label, data in BROKEN.items():
        yield _spliced(label, refused, after=data)
    if path and path[-1] in OLD:
        yield _spliced("of old OTLP", after=OLD[path[-1]])
    if path[-1:] == ("data_points",) and path[-2] in LABELLED:
        yield _spliced("labels", before=OLD_LABELS)
    if path[-1:] == ("log_records",):
        yield _spliced("of another signal", MALFORMED, before=tagged(1, LENGTH, bytes(16)))


def _spliced(label: str, rejected: str | None = None, *, before: bytes = b"", after: bytes = b"") -> Spoiled:
    return Spoiled(label, rejected=rejected, splice=Splice(before, after), not_json=ON_THE_WIRE)


def of_field(field: FieldDescriptor, signal: str, path: Path) -> Iterator[Spoiled]:
    """A field, written otherwise than once and as its type is written."""
    yield from _as_another_type(field)
    if path[-2:] == ("metrics", "gauge"):
        yield from _old_kinds()
    if field.message_type is AnyValue.DESCRIPTOR and not field.is_repeated:
        yield from _far_too_deep(field)
    if field.is_repeated and (len(path) > OUTER[signal] + 1 or not BESIDE.isdisjoint(path)):
        yield _too_many(field)
    if field.message_type is not None:
        if not field.is_repeated:
            data = tagged(field.number, LENGTH, b"")
            yield replace(_spliced("with a piece of nothing", after=data), put=_is_there)
    elif not field.is_repeated:
        yield from _more_than_once(field)
    elif wire_type_of(field) != LENGTH:
        yield _in_pieces(field)


def _as_another_type(field: FieldDescriptor) -> Iterator[Spoiled]:
    """A known number with a wire type that is not its own is a field that nobody knows."""
    for wire_type, data in OF_ANY_TYPE.items():
        # Numbers of a list may be packed, which is another wire type of theirs.
        if wire_type != wire_type_of(field) and not (field.is_repeated and wire_type == LENGTH):
            yield _spliced(f"{field.number} with wire type {wire_type}", after=tagged(field.number, wire_type, data))
    yield _spliced(f"{field.number} as a group", after=groups(1, field.number))


def _old_kinds() -> Iterator[Spoiled]:
    for kind, number in OLD_KINDS.items():
        data = tagged(number, LENGTH, tagged(1, LENGTH, tagged(3, FIXED64, NS.to_bytes(8, "little"))))
        yield replace(_spliced(kind, after=data), put=_clears)


def _far_too_deep(field: FieldDescriptor) -> Iterator[Spoiled]:
    for depth in DEPTHS:
        for label, numbers in (("arrays", (5, 1)), ("maps", (6, 1, 2))):
            yield _spliced(f"{depth} {label} on the wire", MALFORMED, after=tagged(field.number, LENGTH, _deep(numbers, depth)))


def _too_many(field: FieldDescriptor) -> Spoiled:
    """More elements of a list than a record may have."""
    number = VALUES_MAX + 1
    data = tagged(field.number, LENGTH, b"") * number if wire_type_of(field) == LENGTH else packed(field, (1,) * number)
    return replace(_spliced("too many", "too_many_values", after=data), large=True)


@cache
def _deep(numbers: tuple[int, ...], depth: int) -> bytes:
    return nested(numbers, depth, tagged(1, LENGTH, b"deep"))


def _in_pieces(field: FieldDescriptor) -> Spoiled:
    """Numbers one by one and packed, in turn."""
    data = b"".join((scalar(field, 1), packed(field, (2, 3)), packed(field, ()), scalar(field, 4)))
    return Spoiled(
        "one by one and packed",
        splice=Splice(after=data),
        meant=lambda message, name: getattr(message, name).extend((1, 2, 3, 4)),
        not_json=ON_THE_WIRE,
    )


FEW: dict[int, tuple[Any, Any]] = {
    FieldDescriptor.TYPE_STRING: ("earlier", "later"),
    FieldDescriptor.TYPE_BYTES: (b"earlier", b"later"),
    FieldDescriptor.TYPE_DOUBLE: (1.5, 2.5),
    FieldDescriptor.TYPE_BOOL: (True, True),
}
"""Two values that a field can hold; of any other type 1 and 2."""


def _more_than_once(field: FieldDescriptor) -> Iterator[Spoiled]:
    """Of a scalar that comes again the last value counts, of a oneof the last member."""
    earlier, later = FEW.get(field.type, (1, 2))
    is_good = field.name in ("trace_id", "span_id") or field.name.endswith("time_unix_nano")
    put = nothing if is_good else puts(bytes(range(8)) if field.name == "parent_span_id" else later)
    rule = "string_index_ignored" if field.name == "string_value_strindex" else None
    yield Spoiled("twice", put, repaired=rule, splice=Splice(before=scalar(field, earlier)), not_json=ON_THE_WIRE)
    oneof = field.containing_oneof
    for other in oneof.fields if oneof is not None else ():
        if other.number != field.number and other.message_type is None:
            before = scalar(other, FEW.get(other.type, (1, 2))[0])
            yield Spoiled(f"after {other.name}", put, repaired=rule, splice=Splice(before=before), not_json=ON_THE_WIRE)
    if field.type in WIDER:
        data = tagged(field.number, VARINT, varint(2 + 2 ** WIDER[field.type]))
        meant = puts({FieldDescriptor.TYPE_SINT32: 1, FieldDescriptor.TYPE_BOOL: True}.get(field.type, 2))
        yield Spoiled("wider", repaired=rule, splice=Splice(after=data), meant=meant, not_json=ON_THE_WIRE)
    if not field.has_presence and not is_good:
        data = scalar(field, type(earlier)())
        yield Spoiled("cleared", put, splice=Splice(after=data), meant=_clears, not_json=ON_THE_WIRE)


WIDER = {
    FieldDescriptor.TYPE_INT32: 32,
    FieldDescriptor.TYPE_UINT32: 32,
    FieldDescriptor.TYPE_SINT32: 32,
    FieldDescriptor.TYPE_ENUM: 32,
    FieldDescriptor.TYPE_BOOL: 40,
}
"""Varints of 64 bits hold too much for these: they keep the lower bits, a boolean whether it is 0."""


def _is_there(message: Any, name: str) -> None:
    getattr(message, name).SetInParent()


def _clears(message: Any, name: str) -> None:
    message.ClearField(name)
