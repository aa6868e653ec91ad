"""The validity table: what a field may hold by its type and name, and what must come of it.

Written from docs/otlp.md, and from no code of the codec. The model of the round trip says what is stored, and must say the
same. What stands on the wire beside the fields is in `validity_wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, nan
from struct import unpack
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.plugins.hostile_wire import INVALID_UTF8, Path, Splice
from tests.plugins.otlp_messages import nest

Put = Callable[[Any, str], None]
"""Spoils one field of a message, by name."""


def nothing(_message: Any, _name: str) -> None:
    """The message as it is."""


ON_THE_WIRE = "JSON has no wire types, tags or lengths"


@dataclass(frozen=True)
class Spoiled:
    """One thing that a field may hold, and what comes of it: a rule, or None if it is stored.

    `put` spoils the message, `splice` what is written of it; `meant` is the rest of what they mean together. A splice that is
    refused has no meaning. `not_json` is why JSON cannot say it, `large` that it takes its time.
    """

    label: str
    put: Put = nothing
    rejected: str | None = None
    repaired: str | None = None
    splice: Splice | None = None
    meant: Put = nothing
    not_json: str = ""
    large: bool = False


def no_value(message: Any, name: str) -> None:
    """Neither an integer nor a double."""
    message.ClearField(name)


def no_recorded_value(message: Any, name: str) -> None:
    """No value, and the flag that says so."""
    message.ClearField(name)
    message.flags = 1


MALFORMED = "malformed"
"""Stands for the rule of its level: `source_malformed`, `metric_malformed` or `record_malformed`."""

NO_REQUEST = "no request"
"""Not a rule: the bytes are no OTLP request, which is answered INVALID_ARGUMENT, and nothing of it is stored."""


def puts(value: Any) -> Put:
    """The value, as an element of a list."""

    def put(message: Any, name: str) -> None:
        if message.DESCRIPTOR.fields_by_name[name].is_repeated:
            getattr(message, name).append(value)
        else:
            setattr(message, name, value)

    return put


def nests(depth: int, *, kvlists: bool) -> Put:
    """So many arrays or maps."""
    return lambda message, name: nest(getattr(message, name), depth, kvlists=kvlists)


def lists(*pairs: KeyValue) -> Put:
    """These attributes."""
    return lambda message, name: getattr(message, name).extend(pairs)


def without_key(message: Any, name: str) -> None:
    """A key from a string table."""
    message.key = ""
    setattr(message, name, 7)


MIB = 1024 * 1024
MANY = 5000

TEXTS = (
    Spoiled("NUL", puts("a\0b\0"), repaired="nul_replaced"),
    Spoiled("only NUL", puts("\0"), repaired="nul_replaced"),
    *(Spoiled(f"bytes {data.hex()}", puts(f"x{mark}y"), rejected=MALFORMED) for mark, data in INVALID_UTF8.items()),
    Spoiled("empty", puts("")),
    Spoiled("replacement", puts('\ufffd\uffff\U0001f9d1\u200d\U0001f4bb\u2028\x01\x7f\\"')),
    Spoiled("1 MiB", puts('a"é\n' * (MIB // 5)), large=True),
)
DOUBLES = tuple(
    Spoiled(label, puts(value))
    for label, value in {
        "NaN": nan, "another NaN": unpack(">d", b"\xff\xf8\0\0\0\0\0\x01")[0], "Infinity": inf, "-Infinity": -inf, "-0.0": -0.0,
        "smallest": 5e-324, "largest subnormal": 2.225073858507201e-308, "largest": 1.7976931348623157e308, "whole": 1e15,
    }.items()
)  # fmt: skip
ENUMS = tuple(
    Spoiled(str(value), puts(value), rejected=None if -(2**15) <= value < 2**15 else "enum_out_of_range")
    for value in (-1, 99, 2**15 - 1, -(2**15), 2**15, -(2**15) - 1, 2**31 - 1, -(2**31))
)
ATTRIBUTES = (
    Spoiled("same key", lists(KeyValue(key="a"), KeyValue(key="a", value=AnyValue(int_value=1))), repaired="duplicate_key"),
    Spoiled("empty key", lists(KeyValue(value=AnyValue(bool_value=True)))),
    Spoiled("empty key twice", lists(KeyValue(), KeyValue(value=AnyValue(bool_value=True))), repaired="duplicate_key"),
    Spoiled("no value", lists(KeyValue(key="none"), KeyValue(key="empty", value=AnyValue()))),
    Spoiled("dollar", lists(KeyValue(key="$double", value=AnyValue(string_value="1")), KeyValue(key="$$bytes"))),
    Spoiled(
        f"{MANY} attributes",
        lists(*(KeyValue(key=f"k{number}", value=AnyValue(int_value=number)) for number in range(MANY))),
        large=True,
    ),
)
NO_VALUES = {
    False: (
        Spoiled("no value", no_value, rejected="point_value_missing"),
        Spoiled("no value, which is meant", no_recorded_value),
    ),
    True: (Spoiled("no value", no_value, repaired="exemplar_dropped"),),
}
"""Of a point, and of an exemplar."""

STRING_INDEX = {
    "key_strindex": (Spoiled("beside a key", puts(7)), Spoiled("alone", without_key, repaired="string_index_ignored")),
    "string_value_strindex": (Spoiled("set", puts(7), repaired="string_index_ignored"),),
}
WHOLE_NUMBERS = {
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_INT32: (2**31 - 1, -(2**31)),
    FieldDescriptor.TYPE_SINT32: (2**31 - 1, -(2**31)),
    FieldDescriptor.TYPE_UINT32: (2**32 - 1,),
    FieldDescriptor.TYPE_FIXED32: (2**32 - 1,),
    FieldDescriptor.TYPE_INT64: (2**63 - 1, -(2**63), 2**53 + 1),
    FieldDescriptor.TYPE_SFIXED64: (2**63 - 1, -(2**63), 2**53 + 1),
    FieldDescriptor.TYPE_BYTES: (b"\0\xff",),
}
"""All of them are kept."""

UNSIGNED = (FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_UINT64)
UNSIGNED_VALUES = {"0": 0, "1": 1, "2^63-1": 2**63 - 1, "2^63": 2**63, "2^64-1": 2**64 - 1}

WINDOWED: dict[Path, str | None] = {
    ("spans", "start_time_unix_nano"): "too_old",
    ("log_records", "time_unix_nano"): None,  # 0: none, the observed time counts
    ("data_points", "time_unix_nano"): "point_time_missing",
}
"""The times that a record is stored under, and what comes of 0 there. All other times may be any that fits 63 bits."""


def unsigned(path: Path) -> Iterator[Spoiled]:
    """Times and counts."""
    is_time = path[-1].endswith("time_unix_nano")
    far = "time_out_of_range" if is_time else "count_out_of_range"
    window: dict[int, str | None] = {}
    if path[-2:] in WINDOWED:
        window = {0: WINDOWED[path[-2:]], 1: "too_old", 2**63 - 1: "too_far_ahead"}
    for label, value in UNSIGNED_VALUES.items():
        yield Spoiled(label, puts(value), rejected=far if value >= 2**63 else window.get(value))


ID_SIZES = (0, 1, 7, 8, 9, 15, 16, 17, 24, 32)
ID_RULES = {"links": "link_dropped", "exemplars": "exemplar_dropped", "log_records": "log_id_dropped"}
"""Where an id that is none costs less than the record."""


def ids(path: Path) -> Iterator[Spoiled]:
    """Ids of every length, and without a bit that is set."""
    name = path[-1]
    size = 16 if name == "trace_id" else 8
    values = {f"{length} bytes": b"\1" * length for length in ID_SIZES} | {
        "zero": bytes(size),
        "zero and more": bytes(size + 1),
    }
    repaired = next((rule for place, rule in ID_RULES.items() if place in path), None)
    for label, value in values.items():
        if name == "parent_span_id":
            yield Spoiled(label, puts(value), rejected=None if len(value) in (0, size) else "parent_span_id_invalid")
        elif (len(value) == size and any(value)) or (not value and repaired in ("exemplar_dropped", "log_id_dropped")):
            yield Spoiled(label, puts(value))
        else:
            yield Spoiled(label, puts(value), None if repaired else f"{name}_invalid", repaired)


DEPTH_MAX = 100
ARRAYS, MAPS = (0, 1, 20, 46, 47, 48, 49, 50, 60), (1, 20, 30, 31, 32, 33, 34, 60)


def values(below: int) -> Iterator[Spoiled]:
    """AnyValues: nesting. `below` is how many messages a value lies in, below what is read as one message."""
    for kvlists, depths in ((False, ARRAYS), (True, MAPS)):
        for depth in depths:
            deep = below + depth * (3 if kvlists else 2) > DEPTH_MAX
            yield Spoiled(
                f"{depth} {'maps' if kvlists else 'arrays'}",
                nests(depth, kvlists=kvlists),
                rejected=MALFORMED if deep else None,
            )
    yield Spoiled("unset", no_value)
    yield Spoiled("without a value", lambda message, name: getattr(message, name).SetInParent())


BY_TYPE = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_DOUBLE: DOUBLES,
    FieldDescriptor.TYPE_ENUM: ENUMS,
}


def many(field: FieldDescriptor) -> Iterator[Spoiled]:
    """Numbers or strings of a list."""
    value = "k" if field.type == FieldDescriptor.TYPE_STRING else 1
    if field.is_repeated:
        yield Spoiled(f"{MANY} of them", lambda message, name: getattr(message, name).extend([value] * MANY), large=True)


def spoiled(field: FieldDescriptor, path: Path, below: int) -> Iterator[Spoiled]:
    """All that a field may hold."""
    if field.name == "as_int":
        yield from NO_VALUES["exemplars" in path]
    if field.name in STRING_INDEX:
        yield from STRING_INDEX[field.name]
    elif field.type == FieldDescriptor.TYPE_BYTES and field.name.endswith("_id"):
        yield from ids(path)
    elif field.type in UNSIGNED:
        yield from (*unsigned(path), *many(field))
    elif field.type in WHOLE_NUMBERS:
        yield from (Spoiled(str(value), puts(value)) for value in WHOLE_NUMBERS[field.type])
    elif field.message_type is KeyValue.DESCRIPTOR:
        yield from ATTRIBUTES
    elif field.message_type is AnyValue.DESCRIPTOR and not field.is_repeated:
        yield from values(below)
    elif field.message_type is None:
        yield from (*BY_TYPE[field.type], *many(field))
