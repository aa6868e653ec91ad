"""The way through an export request: Resource* → Scope* → record, on the wire itself.

The field numbers of the three signals coincide here. Only what a Scope* message holds differs: spans and log records are
records, a Metric holds records (`metric`). Fields may come in any order and more than once: messages of a
singular field merge, which on the wire is to join their bytes, and of strings the last one counts. Each level that leads
to records is scanned twice (first what describes it, then what it holds), so that nothing is kept per scope or record:
64 MiB of empty messages would otherwise be gigabytes of Python objects. A level that leads to none is scanned once.
Unknown fields, those of older OTLP versions included, are passed over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from llm_observatory.codec.reference import metric
from llm_observatory.codec.reference.wire import Malformed, fields, tag
from llm_observatory.errors import InvalidPayload

_RESOURCE_MESSAGES = tag(1)  # in the request
_RESOURCE, _SCOPE_MESSAGES = tag(1), tag(2)  # in a ResourceSpans, ResourceMetrics, ResourceLogs
_SCOPE, _RECORDS = tag(1), tag(2)  # in a ScopeSpans, ScopeMetrics, ScopeLogs
_SCHEMA_URL = tag(3)  # in both

PAUSE_FIELDS = 65_536
"""Fields scanned at one level before the caller may pause: about 15 ms."""

CONTAINER, RECORD = range(2)
"""What a field of the outer levels may be."""


class _Shape(NamedTuple):
    """The outer levels of a signal: whether they end in Metrics, and how many messages and fields there are to a record.

    The numbers are the most that a client sends: each record in a resource of its own, with all that describes it.
    """

    in_metrics: bool = False
    containers: int = 2
    fields: int = 8


_SHAPES = {"traces": _Shape(), "logs": _Shape(), "metrics": _Shape(in_metrics=True, containers=3, fields=16)}


class Envelope(NamedTuple):
    """One Scope* message that holds records: who speaks, and where its records lie in the payload."""

    resource_index: int
    scope_index: int
    resource: bytes
    resource_schema_url: bytes
    scope: bytes
    scope_schema_url: bytes
    start: int
    end: int


class _Level(NamedTuple):
    """What describes a Resource* or Scope* message: the merged Resource or Scope, the schema URL, whether it leads on."""

    message: bytes
    schema_url: bytes
    leads_on: bool


def envelopes(payload: bytes) -> Iterator[Envelope | int | None]:
    """Every Scope* message with records, in order. Raises `Malformed` where the framing is broken.

    So that the caller can pause, there comes the position behind each message that leads to no record, and None
    whenever PAUSE_FIELDS fields were scanned without one.
    """
    resource_index = -1
    for outer, resource_start, resource_end in fields(payload, 0, len(payload)):
        if outer != _RESOURCE_MESSAGES:
            continue
        resource_index += 1
        if resource_start == resource_end:
            yield resource_end
            continue
        resource = yield from _describe(payload, resource_start, resource_end, 1)
        if not resource.leads_on:
            yield resource_end
            continue
        scope_index = -1
        for middle, start, end in fields(payload, resource_start, resource_end):
            if middle != _SCOPE_MESSAGES:
                continue
            scope_index += 1
            if start == end:
                yield end
                continue
            scope = yield from _describe(payload, start, end, 0)
            if not scope.leads_on:
                yield end
                continue
            yield Envelope(
                resource_index,
                scope_index,
                resource.message,
                resource.schema_url,
                scope.message,
                scope.schema_url,
                start,
                end,
            )


def records(payload: bytes, envelope: Envelope) -> Iterator[tuple[int, int]]:
    """Start and end of every record of one Scope* message."""
    for inner, start, end in fields(payload, envelope.start, envelope.end):
        if inner == _RECORDS:
            yield start, end


def _describe(payload: bytes, start: int, end: int, child_min: int) -> Generator[None, None, _Level]:
    """Scan one level. It leads on if it has a child (a Scope* message, a record) of at least `child_min` bytes."""
    message = bytearray()  # joined as it comes: millions of short pieces must not be millions of objects
    schema_url = b""
    leads_on = False
    pause = PAUSE_FIELDS
    for field, value_start, value_end in fields(payload, start, end):
        if field == _SCOPE_MESSAGES:  # or _RECORDS: the same number
            if value_end - value_start >= child_min:
                leads_on = True
        elif field == _RESOURCE:  # or _SCOPE
            message += payload[value_start:value_end]
        elif field == _SCHEMA_URL:
            schema_url = payload[value_start:value_end]
        pause -= 1
        if not pause:
            pause = PAUSE_FIELDS
            yield
    return _Level(bytes(message), schema_url, leads_on)


def count(signal: str, payload: bytes, limit: int) -> int:
    """How many records the request holds; more than `limit` as soon as that is certain.

    The work is bounded as well: more messages around the records than any client sends (two to a record, three to a data
    point), or millions of unknown fields there give `limit + 1`, since walking 64 MiB of them would take ten seconds.
    """
    shape = _SHAPES[signal]
    found = containers = 0
    for steps, kind in enumerate(_steps(payload, in_metrics=shape.in_metrics)):
        if kind == RECORD:
            found += 1
        elif kind == CONTAINER:
            containers += 1
        if found > limit or containers > shape.containers * limit or steps > shape.fields * limit + 1000:
            return limit + 1
    return found


def is_light(signal: str, payload: bytes, max_fields: int) -> bool:
    """Whether the outer levels hold at most `max_fields` fields, as far as they can be read."""
    steps = _steps(payload, in_metrics=_SHAPES[signal].in_metrics)
    try:
        return all(number < max_fields for number, _ in enumerate(steps))
    except Malformed:
        return True


def _steps(payload: bytes, *, in_metrics: bool) -> Iterator[int | None]:
    """What each field of the outer levels is, in order; None for what is neither container nor record."""
    for outer, resource_start, resource_end in fields(payload, 0, len(payload)):
        if outer != _RESOURCE_MESSAGES:
            yield None
            continue
        yield CONTAINER
        if resource_start == resource_end:
            continue
        for middle, scope_start, scope_end in fields(payload, resource_start, resource_end):
            if middle != _SCOPE_MESSAGES:
                yield None
                continue
            yield CONTAINER
            if scope_start == scope_end:
                continue
            for inner, start, end in fields(payload, scope_start, scope_end):
                if inner != _RECORDS:
                    yield None
                elif in_metrics:
                    yield CONTAINER
                    yield from _metric_steps(payload, start, end)
                else:
                    yield RECORD


def _metric_steps(payload: bytes, start: int, end: int) -> Iterator[int | None]:
    """The same for the fields of a Metric and of its data."""
    found = yield from metric.read(payload, start, end, pause=1)
    for field, _, _ in metric.data_fields(payload, found):
        yield RECORD if field == metric.POINT else None


def invalid(reason: ValueError) -> InvalidPayload:
    """What the sender of a broken request is told.

    To be raised outside of the `except` block: as its cause or context `reason` would keep the frames that held the payload.
    """
    return InvalidPayload(f"the body is not an OTLP export request: {reason}")
