"""The levels of a request: what a fault costs.

A record (span, log record, data point), a resource, a scope, a schema URL and what describes a metric stand apart: when JSON
that is no such thing is found in one, MALFORMED is written in its place, and the codec refuses exactly what hangs on it, by
its own rule and with the right positions. A fault in the messages around them is one of the request.

The way down is by field numbers, as in the codec: Resource* messages are field 1 of a request, Scope* messages field 2 of
those, spans, log records and metrics field 2 of those. The data of a Metric is its only oneof, points are field 1 of any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from llm_observatory.otlp.json.mapping import FAULTS, Pieces, Put, Table, field_put, keys, put_members, table
from llm_observatory.otlp.json.scalars import Unfit
from llm_observatory.otlp.json.wire import MALFORMED, delimited, tag

Item: TypeAlias = Callable[[Any], bytes]
"""The content of the message that a JSON value is."""

_DOWN = (1, 2, 2)
_POINTS = 1


class Misplaced(Exception):
    """Something around the records is not what it has to be; `path` grows on the way up."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(f"{path} {fault}")
        self.path = path
        self.fault = fault


def request_item(descriptor: Descriptor, down: tuple[int, ...] = _DOWN) -> Item:
    """What writes an Export*ServiceRequest, or a message below it from where the way goes on `down`. Raises `Misplaced`."""
    if not down:
        return _metric(descriptor) if descriptor.oneofs else _record(descriptor)
    members: Table = {}
    for field in descriptor.fields:
        if field.number == down[0] and field.message_type is not None:
            members.update(keys(field, _below(field, request_item(field.message_type, down[1:]))))
        else:
            members.update(keys(field, _apart(field)))

    def item(value: Any) -> bytes:
        pieces: Pieces = []
        put_members(value, members, pieces)
        return b"".join(pieces)

    return item


def _below(field: FieldDescriptor, item: Item) -> Put:
    """A repeated field on the way to the records, or of them."""
    field_tag = tag(field.number)

    def put(value: Any, pieces: Pieces) -> int:
        if type(value) is not list:
            raise Misplaced(field.json_name, "is not an array")
        size = 0
        for index, one in enumerate(value):
            try:
                data = delimited(field_tag, item(one))
            except Misplaced as fault:
                raise Misplaced(f"{field.json_name}[{index}].{fault.path}", fault.fault) from None
            except Unfit:
                raise Misplaced(f"{field.json_name}[{index}]", "is not an object") from None
            pieces.append(data)
            size += len(data)
        return size

    return put


def _record(descriptor: Descriptor) -> Item:
    members = table(descriptor)

    def item(value: Any) -> bytes:
        pieces: Pieces = []
        try:
            put_members(value, members, pieces)
        except FAULTS:
            return MALFORMED
        return b"".join(pieces)

    return item


def _apart(field: FieldDescriptor) -> Put:
    """A field beside the way to the records."""
    put_it = field_put(field)
    malformed = delimited(tag(field.number), MALFORMED)

    def put(value: Any, pieces: Pieces) -> int:
        own: Pieces = []
        try:
            put_it(value, own)
        except FAULTS:
            own = [malformed]
        data = b"".join(own)
        pieces.append(data)
        return len(data)

    return put


def _metric(descriptor: Descriptor) -> Item:
    """A Metric. One that is malformed and leaves no point to refuse gets an empty one, so that it is not lost silently."""
    data_fields = descriptor.oneofs[0].fields
    malformed = delimited(tag(descriptor.fields[0].number), MALFORMED)  # its name
    members: Table = {}
    for field in descriptor.fields:
        if field in data_fields and field.message_type is not None:
            members.update(keys(field, _data(field, field.message_type, malformed)))
        else:
            members.update(keys(field, _apart(field)))
    put_first = members[data_fields[0].name]

    def item(value: Any) -> bytes:
        pieces: Pieces = []
        if type(value) is dict:
            put_members(value, members, pieces)
        else:
            put_first(value, pieces)
        return b"".join(pieces)

    return item


def _data(field: FieldDescriptor, message: Descriptor, malformed: bytes) -> Put:
    """The data of a Metric. A fault beside its points refuses them all: `malformed` is then added to the Metric."""
    field_tag, no_point = tag(field.number), delimited(tag(_POINTS), b"")
    points: Table = {}
    others: Table = {}
    for member in message.fields:
        if member.number == _POINTS and member.message_type is not None:
            points.update(keys(member, _below(member, _record(member.message_type))))
        else:
            others.update(keys(member, field_put(member)))

    def put(value: Any, pieces: Pieces) -> int:
        own: Pieces = []
        size_of_points = 0
        is_whole = type(value) is dict
        for key, found in value.items() if is_whole else ():
            try:
                if found is None:
                    continue
                if key in points:
                    size_of_points += points[key](found, own)
                elif key in others:
                    others[key](found, own)
            except (*FAULTS, Misplaced):
                is_whole = False
        if not is_whole and not size_of_points:
            own.append(no_point)
        data = delimited(field_tag, b"".join(own)) + (b"" if is_whole else malformed)
        pieces.append(data)
        return len(data)

    return put
