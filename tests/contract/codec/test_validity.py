"""Every rule about values in every field where it can be broken, one at a time, beside records that are good.

The fields are found by reflection over the descriptors. What must happen is said twice: by type and name of the field here, and
by the model of the round trip for all that is stored. The neighbours are always stored as they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import inf, nan
from struct import unpack
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric

from tests.plugins.hostile_wire import INVALID_UTF8, Style
from tests.plugins.normal_form import envelopes_of, predict
from tests.plugins.otlp_messages import NOW, NS, REQUESTS, nest
from tests.plugins.round_trip import check
from tests.unit.codec.spans import TERMS

Path = tuple[str, ...]
Put = Callable[[Any, str], None]
"""Spoils one field of a message, by name."""

VALUES_DEEP = 2
"""AnyValues in each other on the way to a field: an attribute's, and one in its array or map."""


@dataclass(frozen=True)
class Spoiled:
    """One thing that a field may hold, and what comes of it: a rule, or None if it is stored; "?" leaves it to the model."""

    label: str
    put: Put
    rejected: str | None = None
    repaired: str | None = None


@dataclass(frozen=True)
class Case:
    """One request with one spoiled field."""

    signal: str
    path: Path
    spoiled: Spoiled

    @property
    def level(self) -> str:
        """What a broken field costs: all of a resource, of a scope, of a metric, or one record or point."""
        if len(self.path) < 3 or self.path[1] == "resource":
            return "resource"
        if len(self.path) < 4 or self.path[2] == "scope":
            return "scope"
        if self.signal == "metrics":
            return "point" if "data_points" in self.path else "metric"
        return "record"

    @property
    def kind(self) -> str:
        """What data the metrics have."""
        names = {field.name for field in Metric.DESCRIPTOR.oneofs_by_name["data"].fields}
        return next((name for name in self.path if name in names), "gauge")

    def request(self) -> Any:
        """The first field of this path is spoiled, all else is good."""
        request = good_request(self.signal, self.kind)
        message: Any = request
        for name in self.path[:-1]:
            message = child(message, name)
        self.spoiled.put(message, self.path[-1])
        return request


@cache
def neighbours(signal: str, kind: str, level: str) -> Counter[str]:
    """What is stored of a good request without what a field of that level may cost."""
    request = good_request(signal, kind)
    resources = listed(request, 1)
    scopes = listed(resources[0], 2)
    records = listed(scopes[0], 2)
    costs = {"resource": resources, "scope": scopes, "metric": records, "record": records}
    del (costs.get(level) or getattr(records[0], kind).data_points)[0]
    return predict(envelopes_of(request), NOW, TERMS).records


def listed(message: Any, number: int) -> Any:
    """A field by its number."""
    return getattr(message, message.DESCRIPTOR.fields_by_number[number].name)


def child(message: Any, name: str) -> Any:
    """A message in a field: the first one of a list, made if it is not there."""
    field = message.DESCRIPTOR.fields_by_name[name]
    found = getattr(message, name)
    if field.is_repeated:
        return found[0] if found else good(found.add(), 0)
    found.SetInParent()
    return found


def good(message: Any, number: int) -> Any:
    """What a message needs to be kept, unlike that of any other number."""
    for field in message.DESCRIPTOR.fields:
        if field.name in ("trace_id", "span_id"):
            setattr(message, field.name, (number + 1).to_bytes(16 if field.name == "trace_id" else 8, "big"))
        elif field.name.endswith("time_unix_nano"):
            setattr(message, field.name, NS + number)
        elif field.name == "key":
            message.key = "k"
    if isinstance(message, Exemplar) or "as_int" in message.DESCRIPTOR.fields_by_name:
        message.as_int = number
    return message


def good_request(signal: str, kind: str) -> Any:
    """Two resources; in the first two scopes, in the first of them two records, which in metrics have two points."""
    request, number = REQUESTS[signal](), 0
    for scopes in ((2, 1), (1,)):
        resource = listed(request, 1).add()
        resource.resource.attributes.add(key="service.name").value.string_value = f"service {number}"
        for records in scopes:
            scope = listed(resource, 2).add()
            scope.scope.name = f"scope {number}"
            for record in (listed(scope, 2).add() for _ in range(records)):
                number += 2
                if signal == "metrics":
                    record.name = f"metric {number}"
                    points = getattr(record, kind).data_points
                    good(points.add(), number)
                    good(points.add(), number + 1)
                else:
                    good(record, number)
    return request


# What may be in a field


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


MALFORMED = "malformed"
"""Stands for the rule of its level."""

TEXTS = (
    Spoiled("NUL", puts("a\0b\0"), repaired="nul_replaced"),
    *(Spoiled(f"bytes {data.hex()}", puts(f"x{mark}y"), rejected=MALFORMED) for mark, data in INVALID_UTF8.items()),
    Spoiled("empty", puts("")),
    Spoiled("replacement", puts('\ufffd\uffff\U0001f9d1\u200d\U0001f4bb\u2028\x01\x7f\\"')),
)
DOUBLES = tuple(
    Spoiled(label, puts(value))
    for label, value in {
        "NaN": nan, "another NaN": unpack(">d", b"\xff\xf8\0\0\0\0\0\x01")[0], "Infinity": inf, "-Infinity": -inf, "-0.0": -0.0,
        "smallest": 5e-324, "largest": 1.7976931348623157e308, "whole": 1e15,
    }.items()
)  # fmt: skip
ENUMS = tuple(
    Spoiled(str(value), puts(value), rejected=None if -(2**15) <= value < 2**15 else "enum_out_of_range")
    for value in (-1, 99, 2**15 - 1, -(2**15), 2**15, -(2**15) - 1, 2**31 - 1, -(2**31))
)
VALUES = (
    *(Spoiled(f"{depth} arrays", nests(depth, kvlists=False), *outcome) for depth, outcome in {
        20: (None,), 46: ("?",), 47: ("?",), 48: ("?",), 49: ("?",), 50: ("?",), 60: (MALFORMED,),
    }.items()),
    *(Spoiled(f"{depth} maps", nests(depth, kvlists=True), *outcome) for depth, outcome in {
        20: (None,), 30: ("?",), 31: ("?",), 32: ("?",), 33: ("?",), 34: ("?",), 60: (MALFORMED,),
    }.items()),
)  # fmt: skip
ATTRIBUTES = (
    Spoiled("same key", lists(KeyValue(key="a"), KeyValue(key="a", value=AnyValue(int_value=1))), repaired="duplicate_key"),
    Spoiled("empty key", lists(KeyValue(value=AnyValue(bool_value=True)))),
    Spoiled("no value", lists(KeyValue(key="none"), KeyValue(key="empty", value=AnyValue()))),
    Spoiled("dollar", lists(KeyValue(key="$double", value=AnyValue(string_value="1")), KeyValue(key="$$bytes"))),
)
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


def spoiled(field: FieldDescriptor, path: Path) -> Iterator[Spoiled]:
    """All that a field may hold."""
    if field.name in STRING_INDEX:
        yield from STRING_INDEX[field.name]
    elif field.type == FieldDescriptor.TYPE_BYTES and field.name.endswith("_id"):
        yield from ids(field.name, path)
    elif field.type in UNSIGNED:
        rule = "time_out_of_range" if field.name.endswith("time_unix_nano") else "count_out_of_range"
        yield Spoiled("2^63", puts(2**63), rejected=rule)
        yield Spoiled("2^64-1", puts(2**64 - 1), rejected=rule)
        yield from (Spoiled(str(value), puts(value), rejected="?") for value in (0, 1, 2**63 - 1))
    elif field.type in WHOLE_NUMBERS:
        yield from (Spoiled(str(value), puts(value)) for value in WHOLE_NUMBERS[field.type])
    elif field.message_type is KeyValue.DESCRIPTOR:
        yield from ATTRIBUTES
    elif field.message_type is AnyValue.DESCRIPTOR and not field.is_repeated:
        yield from VALUES
    elif field.message_type is None:
        by_type = {
            FieldDescriptor.TYPE_STRING: TEXTS,
            FieldDescriptor.TYPE_DOUBLE: DOUBLES,
            FieldDescriptor.TYPE_ENUM: ENUMS,
        }
        yield from by_type[field.type]


def ids(name: str, path: Path) -> Iterator[Spoiled]:
    """Ids that are none, and what that costs where they stand."""
    size = 16 if name == "trace_id" else 8
    wrong = {"short": b"\1" * (size - 1), "long": b"\1" * (size + 1), "of the other kind": b"\1" * (24 - size)}
    if name == "parent_span_id":
        yield from (Spoiled(label, puts(value), rejected="parent_span_id_invalid") for label, value in wrong.items())
        yield from (Spoiled(label, puts(value)) for label, value in {"empty": b"", "zero": bytes(size)}.items())
        return
    outcome: dict[str, Any] = {"rejected": f"{name}_invalid"}
    for place, rule in {"links": "link_dropped", "exemplars": "exemplar_dropped", "log_records": "log_id_dropped"}.items():
        if place in path:
            outcome = {"repaired": rule}
    yield from (Spoiled(label, puts(value), **outcome) for label, value in (wrong | {"zero": bytes(size)}).items())
    may_be_empty = "exemplars" in path or "log_records" in path
    yield Spoiled("empty", puts(b""), **({} if may_be_empty else outcome))


def places(descriptor: Any, path: Path = (), values: int = 0) -> Iterator[tuple[Path, FieldDescriptor]]:
    """Every field of a message and of the messages in it."""
    for field in descriptor.fields:
        here = (*path, field.name)
        if field.message_type is None:
            yield here, field
        elif field.message_type is not AnyValue.DESCRIPTOR or values < VALUES_DEEP:
            yield here, field
            yield from places(field.message_type, here, values + (field.message_type is AnyValue.DESCRIPTOR))


FIELDS = {
    ".".join(path): (signal, path, field)
    for signal, request in REQUESTS.items()
    for path, field in places(request().DESCRIPTOR)
}
SPOILED = {name: tuple(spoiled(field, path)) for name, (_, path, field) in FIELDS.items()}


def named(rule: str | None, case: Case) -> str | None:
    """A rule by its name."""
    of_levels = {"resource": "source", "scope": "source", "metric": "metric", "point": "record", "record": "record"}
    return f"{of_levels[case.level]}_malformed" if rule == MALFORMED else rule


@pytest.mark.parametrize("name", [name for name, values in SPOILED.items() if values], ids=str)
def test_one_value(name: str) -> None:
    signal, path, _ = FIELDS[name]
    for value in SPOILED[name]:
        try:
            check_case(Case(signal, path, value))
        except AssertionError as error:
            error.add_note(f"{name}: {value.label}")
            raise


@pytest.mark.parametrize("name", [name for name, values in SPOILED.items() if values == VALUES])
def test_an_unknown_group_is_as_deep_as_a_message(name: str) -> None:
    signal, path, _ = FIELDS[name]
    for value in VALUES:
        check(signal, Case(signal, path, value).request(), Style(unknown=True))


def check_case(case: Case) -> None:
    beside = neighbours(case.signal, case.kind, case.level)
    expected = check(case.signal, case.request(), Style())
    assert beside
    assert expected.records >= beside
    if case.spoiled.rejected != "?":
        assert set(expected.rejected) == {named(case.spoiled.rejected, case)} - {None}
        assert set(expected.repaired) == {case.spoiled.repaired} - {None}


def test_the_fields_are_found() -> None:
    """Those that a list would forget."""
    assert {
        "resource_spans.resource.entity_refs.id_keys",
        "resource_spans.schema_url",
        "resource_spans.scope_spans.schema_url",
        "resource_spans.scope_spans.spans.links.attributes.value.kvlist_value.values.value.string_value",
        "resource_metrics.scope_metrics.metrics.sum.data_points.exemplars.filtered_attributes.key",
        "resource_metrics.scope_metrics.metrics.exponential_histogram.data_points.negative.bucket_counts",
        "resource_logs.scope_logs.log_records.event_name",
        "resource_logs.scope_logs.log_records.body.array_value.values.double_value",
    } <= SPOILED.keys()
