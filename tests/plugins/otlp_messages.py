"""Export requests by reflection: every field of every message, filled with what a client may send and what none should.

Most records of a request can be stored. What no library writes stands in a message as marks, which `hostile_wire` writes.
"""

from __future__ import annotations

import random
from math import inf, nan
from struct import unpack
from typing import Any, Protocol

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from llm_observatory import tables
from llm_observatory.tables import content, dialects
from tests.plugins.hostile_wire import INVALID_UTF8, Style

REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}

NOW = 1_760_000_000_000_000
"""Microseconds: when the requests are received."""

SECOND = 1_000_000_000
NS = NOW * 1000
DAY = 86_400 * SECOND

TIMES = (0, -1, -SECOND // 3, -5 * SECOND + 7, -DAY, 3600 * SECOND + 999, -88 * DAY)
"""Around the time of the request."""
STRANGE_TIMES = (0, 1, 999, 1000, 2**63 - 1, 2**63, 2**64 - 1)
FAR_TIMES = (-100 * DAY, 2 * DAY)
"""From the time of the request."""
UNSIGNED = (0, 1, 2, 3, 7, 255, 2**31, 2**53 + 1)
STRANGE_UNSIGNED = (2**63 - 1, 2**63, 2**64 - 1)
UINT32 = (0, 1, 2, 0x100, 0x301, 2**31, 2**32 - 1)
INTEGERS = (0, 1, -1, 12, 2**31, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
INT32 = (0, 1, -1, 3, 20, -20, 2**31 - 1, -(2**31))
DOUBLES = (
    0.0, 0.7, 1.0, -1.5, 1e-5, 1e-7, 0.1 + 0.2, 3.0, 5e-324, 2.2250738585072014e-308, 1e14, 999999999999999.9, 1e15, -1e15,
    1e16, 1e22, 1.7976931348623157e308, -0.0, nan, inf, -inf, unpack(">d", b"\x7f\xf8\0\0\0\0\0\x01")[0], 2.0**53 + 2,
    123456789.125,
)  # fmt: skip
TEXTS = (
    "", "a", "shop", "chat", "openai", "gpt-5", "stop", "null", "true", "12", "1.5", " ", "é", "\U0001f9d1\u200d\U0001f4bb",
    "\u202e\ufeff\ufffd\uffff\u2028", '"\\\b\f\n\r\t\x01\x1f\x7f', "$double", "$", '["a","b"]', '{"$double":"NaN"}', r"\u0000",
    "x" * 700, "é" * 300, *content.EVENTS,
)  # fmt: skip
STRANGE_TEXTS = ("\0", "a\0b\0", "\0" * 3 + "é", *(f"x{mark}" for mark in INVALID_UTF8))
BYTES = (b"", b"\0", b"\xff\xfe", bytes(range(40)), b"abc")


POOLS: dict[int, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    FieldDescriptor.TYPE_BYTES: (BYTES, BYTES),
    FieldDescriptor.TYPE_BOOL: ((False, True), (False, True)),
    FieldDescriptor.TYPE_FIXED64: (UNSIGNED, STRANGE_UNSIGNED),
    FieldDescriptor.TYPE_UINT64: (UNSIGNED, STRANGE_UNSIGNED),
    FieldDescriptor.TYPE_FIXED32: (UINT32, UINT32),
    FieldDescriptor.TYPE_UINT32: (UINT32, UINT32),
    FieldDescriptor.TYPE_INT64: (INTEGERS, INTEGERS),
    FieldDescriptor.TYPE_SFIXED64: (INTEGERS, INTEGERS),
    FieldDescriptor.TYPE_INT32: (INT32, INT32),
    FieldDescriptor.TYPE_SINT32: (INT32, INT32),
}
"""By type of a scalar field: what it may hold, and what is strange. Text, doubles and enums are drawn otherwise."""


def member_of(key: str) -> str:
    """A content key: of a family one of its members."""
    return key[:-1] + "0.x.y" if key.endswith((".#", ".*")) else key


PROMOTED_KEYS = tuple(
    dict.fromkeys(
        op.split(":", 1)[1].rsplit(":", 1)[0]
        for column in tables.LLM_TRACES.columns
        for op in (column.op, *(alias.op for alias in column.aliases))
        if op.startswith(("attr:", "resource_attr:"))
    )
)
CONTENT_KEYS = tuple(
    dict.fromkeys(
        [
            *(member_of(key) for keys in (*content.KINDS.values(), *content.MARKED_KINDS.values()) for key in keys),
            *(key.removesuffix("y") + "z" for key in (member_of(key) for keys in content.KINDS.values() for key in keys)),
            *(key for _, keys in content.EVENTS.values() for key in keys),
            content.MARK,
        ]
    )
)
KEYS = (
    "a",
    "b",
    "service.name",
    "$",
    "$double",
    "$bytes",
    "$$",
    "",
    "é",
    "x" * 600,
    "A",
    "a.b",
    dialects.CARRIER_MARK[0],
    *content.EVENT_NAME_KEYS,
)
STRANGE_KEYS = ("\0", "k\0", "k\ufffd", *(f"k{mark}" for mark in INVALID_UTF8))

_WRITTEN = st.characters(codec="utf-8", exclude_characters=[*INVALID_UTF8])
_NUMBERS = {size: st.integers(0, size - 1) for size in range(1, 400)}
_TEXT = st.text(_WRITTEN, max_size=12)
_DOUBLE = st.floats(width=64)
_INT64 = st.integers(-(2**63), 2**63 - 1)
DEPTHS = (2, 5, 16, 31, 32, 33, 47, 48, 49, 50, 60)

STRANGE_ONE_IN = 40
"""How often a value is one that costs its record, or a repair."""


class Draws(Protocol):
    """Where what is not certain comes from."""

    def below(self, size: int) -> int:
        """From 0 on."""
        ...

    def text(self) -> str:
        """Any string without marks."""
        ...

    def double(self) -> float:
        """Any double."""
        ...

    def integer(self) -> int:
        """Any int64."""
        ...


class Drawn:
    """Draws of Hypothesis, which shrinks what fails."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def below(self, size: int) -> int:
        """See Draws."""
        return int(self._draw(_NUMBERS[size]))

    def text(self) -> str:
        """See Draws."""
        return str(self._draw(_TEXT))

    def double(self) -> float:
        """See Draws."""
        return float(self._draw(_DOUBLE))

    def integer(self) -> int:
        """See Draws."""
        return int(self._draw(_INT64))


class Random:
    """Draws of a generator of numbers: a hundred times as fast, and nothing shrinks."""

    def __init__(self, source: random.Random) -> None:
        self.below = source.randrange
        self._source = source

    def text(self) -> str:
        """See Draws."""
        planes = (range(1, 0x80), range(0x80, 0xD800), range(0xE000, 0x10FFFD))
        return "".join(chr(self._source.choice(self._source.choice(planes))) for _ in range(self.below(12)))

    def double(self) -> float:
        """See Draws."""
        (value,) = unpack("<d", self._source.randbytes(8))
        return float(value)

    def integer(self) -> int:
        """See Draws."""
        return self._source.getrandbits(64) - 2**63


class Builder:
    """One request in the making. The simplest of all draws is a request with nothing in it, nothing strange comes early."""

    def __init__(self, draws: Draws, *, strange: bool, ids_from: int, ns: int = NS) -> None:
        self._draws = draws
        self._strange = strange
        self._made = ids_from
        self._ns = ns

    def _n(self, size: int) -> int:
        """Below `size`."""
        return self._draws.below(size)

    def _one_of(self, pool: tuple[Any, ...]) -> Any:
        return pool[self._n(len(pool))]

    def _is_strange(self) -> bool:
        return self._strange and self._n(STRANGE_ONE_IN) == STRANGE_ONE_IN - 1

    def fill(self, message: Any, below: int = 0) -> Any:
        """Every field of a message; `below` is how deep it stands."""
        chosen = {}
        for oneof in message.DESCRIPTOR.oneofs:
            if len(oneof.fields) > 1:
                # Nothing at all is rare.
                chosen[oneof.name] = None if self._is_strange() else self._one_of(tuple(oneof.fields)).name
        for field in message.DESCRIPTOR.fields:
            oneof = field.containing_oneof
            if oneof is None or oneof.name not in chosen:
                self._field(message, field, below)
            elif chosen[oneof.name] == field.name:
                self._field(message, field, below, wanted=True)
        return message

    def _field(self, message: Any, field: FieldDescriptor, below: int, *, wanted: bool = False) -> None:
        if field.message_type is None:
            self._scalar(message, field, wanted=wanted)
        elif field.message_type is KeyValue.DESCRIPTOR:
            self.attributes(getattr(message, field.name), below)
        elif field.is_repeated:
            self._repeated(getattr(message, field.name), below)
        elif field.message_type is AnyValue.DESCRIPTOR:
            if self._n(6):
                self.value(getattr(message, field.name), below)
        else:
            presence = self._n(8)
            if presence or wanted:  # else absent
                getattr(message, field.name).SetInParent()
            if presence > 1 or wanted:  # else empty
                self.fill(getattr(message, field.name), below + 1)

    def _repeated(self, messages: Any, below: int) -> None:
        # The levels above the records have at least one message, so that there are records in nearly every request.
        for _ in range(self._n(3) if below > 1 else 1 + self._n(6) // 3):
            item = messages.add()
            if not self._is_strange():
                self.fill(item, below + 1)

    def _scalar(self, message: Any, field: FieldDescriptor, *, wanted: bool) -> None:
        if field.is_repeated:
            getattr(message, field.name).extend(self._plain(field) for _ in range(self._n(4)))
            return
        is_id = field.type == FieldDescriptor.TYPE_BYTES and field.name.endswith("_id")
        is_time = field.type == FieldDescriptor.TYPE_FIXED64 and field.name.endswith("_unix_nano")
        if is_id or is_time or wanted or self._n(2):
            setattr(message, field.name, self._id(field) if is_id else self._time() if is_time else self._plain(field))

    def _id(self, field: FieldDescriptor) -> bytes:
        """Valid ones never repeat: two spans that share their ids and microsecond share their content."""
        self._made += 1
        size = 16 if field.name.startswith("trace") else 8
        if self._is_strange():
            return bytes(
                self._one_of((b"", bytes(size), b"\1", bytes(size) + b"\1", b"\xff" * (size - 1), bytes(range(24 - size))))
            )
        if field.name.startswith("parent") and self._n(2):
            return b""
        return (self._n(3) + 1).to_bytes(size - 4, "big") + self._made.to_bytes(4, "big")

    def _time(self) -> int:
        if self._is_strange():
            return int(self._one_of((*STRANGE_TIMES, *(self._ns + away for away in FAR_TIMES))))
        return int(self._ns + self._one_of(TIMES) - self._n(150))

    def _plain(self, field: FieldDescriptor) -> Any:
        """A value of a scalar field."""
        if field.type == FieldDescriptor.TYPE_STRING:
            return self.text(STRANGE_KEYS, KEYS) if field.name.endswith("keys") else self.text()
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return self.double()
        strange = self._is_strange()
        if field.enum_type is not None:
            return self._enum(field.enum_type, strange=strange)
        ordinary, odd = POOLS[field.type]
        return self._one_of(odd if strange else ordinary)

    def _enum(self, descriptor: EnumDescriptor, *, strange: bool) -> int:
        if strange:
            return int(self._one_of((99, -1, 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**31 - 1, -(2**31))))
        return int(self._one_of(tuple(descriptor.values)).number)

    def text(self, strange: tuple[str, ...] = STRANGE_TEXTS, pool: tuple[str, ...] = TEXTS) -> str:
        """Any string."""
        if self._is_strange():
            return str(self._one_of(strange))
        number = self._n(len(pool) + 8)
        return pool[number] if number < len(pool) else self._draws.text()

    def double(self) -> float:
        """Any double."""
        number = self._n(len(DOUBLES) + 8)
        return DOUBLES[number] if number < len(DOUBLES) else self._draws.double()

    def integer(self) -> int:
        """Any int64."""
        number = self._n(len(INTEGERS) + 3)
        return INTEGERS[number] if number < len(INTEGERS) else self._draws.integer()

    def attributes(self, pairs: Any, below: int) -> None:
        """An attribute list: keys that mean something, keys that repeat, keys that are hard to keep."""
        for _ in range(self._n(6 if below < 6 else 3)):
            pair = pairs.add()
            pair.key = self._key()
            if self._is_strange():
                pair.key_strindex = self._one_of(INT32)
            if pair.key in content.EVENT_NAME_KEYS and self._n(3):
                pair.value.string_value = self._one_of(tuple(content.EVENTS))
            elif self._n(12):
                self.value(pair.value, below + 1)

    def _key(self) -> str:
        match self._n(8):
            case 0 | 1:
                return self.text(STRANGE_KEYS, KEYS)
            case 2 | 3 | 4:
                return str(self._one_of(PROMOTED_KEYS))
            case 5 | 6:
                return str(self._one_of(CONTENT_KEYS))
            case _:
                return self.text()

    def value(self, value: AnyValue, below: int) -> None:
        """Any value, or none."""
        value.SetInParent()
        match self._n(16):
            case 0 | 1 | 2 | 3:
                value.string_value = self.text()
            case 4 | 5 | 6:
                value.int_value = self.integer()
            case 7 | 8:
                value.double_value = self.double()
            case 9:
                value.bool_value = bool(self._n(2))
            case 10:
                value.bytes_value = self._one_of(BYTES)
            case 11 | 12:
                value.array_value.SetInParent()
                for _ in range(self._n(4 if below < 7 else 2)):
                    self.value(value.array_value.values.add(), below + 2)
            case 13:
                value.kvlist_value.SetInParent()
                self.attributes(value.kvlist_value.values, below + 2)
            case 14:
                value.array_value.values.add().string_value = self.text()
            case _:
                self._strange_value(value)

    def _strange_value(self, value: AnyValue) -> None:
        if self._is_strange():
            value.string_value_strindex = self._one_of(INT32)
        elif self._is_strange():
            nest(value, int(self._one_of(DEPTHS)), kvlists=bool(self._n(2)))


def nest(value: AnyValue, depth: int, *, kvlists: bool) -> None:
    """That many levels around a string."""
    for _ in range(depth):
        if kvlists:
            pair = value.kvlist_value.values.add()
            pair.key = "k"
            value = pair.value
        else:
            value = value.array_value.values.add()
    value.string_value = "deep"


@st.composite
def requests(draw: Any, signal: str, *, strange: bool = True, ids_from: int = 0) -> Any:
    """An export request of that signal; with `strange=False` only what is stored as it came. Ids are numbered `ids_from`."""
    return Builder(Drawn(draw), strange=strange, ids_from=ids_from).fill(REQUESTS[signal]())


styles = st.builds(Style, st.booleans(), st.booleans(), st.booleans())
"""How a request is written."""
