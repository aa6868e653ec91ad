"""The levels of a request: what is read piece by piece, and what a fault costs.

A record (span, log record, data point), a resource, a scope, a schema URL and what describes a metric stand apart: when JSON
that is no such thing is found in one, MALFORMED is written in its place, and the codec refuses exactly what hangs on it, by
its own rule and with the right positions. A fault in the messages around them is one of the request.

The way down is by field numbers, as in the codec: Resource* messages are field 1 of a request, Scope* messages field 2 of
those, spans, log records and metrics field 2 of those. The data of a Metric is its only oneof, points are field 1 of any.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from llm_observatory.otlp.json.mapping import FAULTS, Pieces, Table, field_put, keys, put_members, table
from llm_observatory.otlp.json.reading import Cursor
from llm_observatory.otlp.json.scalars import Unfit
from llm_observatory.otlp.json.wire import MALFORMED, delimited, tag

Item: TypeAlias = Callable[[Cursor], "bytes | bytearray"]
"""Reads a value and returns the content of the message that it is."""

Way: TypeAlias = Callable[[Cursor, bytearray], None]
"""Reads the value of a field and adds that field."""

_DOWN = (1, 2, 2)
_POINTS = 1


class Misplaced(Exception):
    """Something around the records is not what it has to be; `path` grows on the way up."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(f"{path} {fault}")
        self.path = path
        self.fault = fault


def request_item(descriptor: Descriptor, down: tuple[int, ...] = _DOWN) -> Item:
    """What writes an Export*ServiceRequest, or a message below it from where the way goes on `down`.

    Raises `Misplaced` and `NotJson`.
    """
    if not down:
        return _metric(descriptor) if descriptor.oneofs else _record(descriptor)
    ways: dict[str, Way] = {}
    for field in descriptor.fields:
        if field.number == down[0] and field.message_type is not None:
            ways.update(keys(field, _below(field, request_item(field.message_type, down[1:]))))
        else:
            ways.update(keys(field, _apart(field)))

    def item(cursor: Cursor) -> bytearray:
        if cursor.peek() != "{":
            raise Unfit("not an object")
        written = bytearray()
        _read_members(cursor, ways, written)
        return written

    return item


def _read_members(cursor: Cursor, ways: dict[str, Way], written: bytearray) -> None:
    for key in cursor.members():
        if key in ways:
            ways[key](cursor, written)
        else:
            _pass_over(cursor)


def _pass_over(cursor: Cursor) -> None:
    # Whatever it is, nobody wants it.
    with suppress(Unfit):
        cursor.value()


def _is_null(cursor: Cursor) -> bool:
    """Whether the value here is null; it is behind the cursor then."""
    return cursor.peek() == "n" and cursor.value() is None


def _below(field: FieldDescriptor, item: Item) -> Way:
    """A repeated field on the way to the records, or of them."""
    field_tag = tag(field.number)

    def way(cursor: Cursor, written: bytearray) -> None:
        if _is_null(cursor):
            return
        if cursor.peek() != "[":
            _pass_over(cursor)
            raise Misplaced(field.json_name, "is not an array")
        for index in cursor.elements():
            try:
                written += delimited(field_tag, item(cursor))
            except Misplaced as fault:
                raise Misplaced(f"{field.json_name}[{index}].{fault.path}", fault.fault) from None
            except Unfit:
                raise Misplaced(f"{field.json_name}[{index}]", "is not an object") from None

    return way


def _record(descriptor: Descriptor) -> Item:
    members = table(descriptor)

    def item(cursor: Cursor) -> bytes:
        pieces: Pieces = []
        try:
            put_members(cursor.value(), members, pieces)
        except FAULTS:
            return MALFORMED
        return b"".join(pieces)

    return item


def _apart(field: FieldDescriptor) -> Way:
    """A field beside the way to the records."""
    put = field_put(field)
    malformed = delimited(tag(field.number), MALFORMED)

    def way(cursor: Cursor, written: bytearray) -> None:
        pieces: Pieces = []
        try:
            value = cursor.value()
            if value is not None:
                put(value, pieces)
        except FAULTS:
            pieces = [malformed]
        written += b"".join(pieces)

    return way


def _metric(descriptor: Descriptor) -> Item:
    """A Metric. One that is malformed and leaves no point to refuse gets an empty one, so that it is not lost silently."""
    data_fields = descriptor.oneofs[0].fields
    malformed = delimited(tag(descriptor.fields[0].number), MALFORMED)  # its name
    ways: dict[str, Way] = {}
    for field in descriptor.fields:
        if field in data_fields and field.message_type is not None:
            ways.update(keys(field, _data(field, field.message_type, malformed)))
        else:
            ways.update(keys(field, _apart(field)))
    one_point_refused = delimited(tag(data_fields[0].number), _NO_POINT) + malformed

    def item(cursor: Cursor) -> bytes | bytearray:
        if cursor.peek() != "{":
            _pass_over(cursor)
            return one_point_refused
        written = bytearray()
        _read_members(cursor, ways, written)
        return written

    return item


_NO_POINT = delimited(tag(_POINTS), b"")


def _data(field: FieldDescriptor, message: Descriptor, malformed: bytes) -> Way:
    """The data of a Metric. A fault beside its points refuses them all: `malformed` is then added to the Metric."""
    field_tag = tag(field.number)
    points, described = _points_and_others(message)

    def way(cursor: Cursor, written: bytearray) -> None:
        if _is_null(cursor):
            return
        own = bytearray()
        pieces: Pieces = []
        is_whole = _read_data(cursor, points, described, own, pieces)
        if not is_whole and not own:
            own += _NO_POINT
        written += delimited(field_tag, b"".join((own, *pieces)))
        written += b"" if is_whole else malformed

    return way


def _points_and_others(message: Descriptor) -> tuple[dict[str, Way], Table]:
    points: dict[str, Way] = {}
    others: Table = {}
    for member in message.fields:
        if member.number == _POINTS and member.message_type is not None:
            points.update(keys(member, _below(member, _record(member.message_type))))
        else:
            others.update(keys(member, field_put(member)))
    return points, others


def _read_data(cursor: Cursor, points: dict[str, Way], others: Table, own: bytearray, pieces: Pieces) -> bool:
    """Adds points to `own`, all else to `pieces`. Whether all of it is what it has to be."""
    if cursor.peek() != "{":
        _pass_over(cursor)
        return False
    is_whole = True
    for key in cursor.members():
        try:
            if key in points:
                points[key](cursor, own)
            elif (value := cursor.value()) is not None and key in others:
                others[key](value, pieces)
        except (*FAULTS, Misplaced):
            is_whole = False
    return is_whole
