"""The way through an export request: Resource* → Scope* → record, on the wire itself.

The field numbers of the three signals coincide here. Fields may come in any order and more than once: messages of a
singular field merge, which on the wire is to join their bytes, and of strings the last one counts. Each level is
scanned twice (first what describes it, then what it holds), so that nothing is kept per scope or record: 64 MiB of empty
messages would otherwise be gigabytes of Python objects. Unknown fields, those of older OTLP versions included, are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llm_observatory.codec.reference.wire import fields, tag
from llm_observatory.errors import InvalidPayload

_RESOURCE_MESSAGES = tag(1)  # in the request
_RESOURCE, _SCOPE_MESSAGES = tag(1), tag(2)  # in a ResourceSpans, ResourceMetrics, ResourceLogs
_SCOPE, _RECORDS = tag(1), tag(2)  # in a ScopeSpans, ScopeMetrics, ScopeLogs
_SCHEMA_URL = tag(3)  # in both


@dataclass(frozen=True, slots=True)
class Envelope:
    """One Scope* message: who speaks, and where its records lie in the payload."""

    resource_index: int
    scope_index: int
    resource: bytes
    resource_schema_url: bytes
    scope: bytes
    scope_schema_url: bytes
    start: int
    end: int


def envelopes(payload: bytes) -> Iterator[Envelope]:
    """Every Scope* message of the request in order. Raises `Malformed` where the framing is broken."""
    resource_index = -1
    for outer, resource_start, resource_end in fields(payload, 0, len(payload)):
        if outer != _RESOURCE_MESSAGES:
            continue
        resource_index += 1
        resource, resource_url = _described(payload, resource_start, resource_end, _RESOURCE)
        scope_index = -1
        for middle, start, end in fields(payload, resource_start, resource_end):
            if middle == _SCOPE_MESSAGES:
                scope_index += 1
                scope, scope_url = _described(payload, start, end, _SCOPE)
                yield Envelope(resource_index, scope_index, resource, resource_url, scope, scope_url, start, end)


def records(payload: bytes, envelope: Envelope) -> Iterator[tuple[int, int]]:
    """Start and end of every record of one Scope* message."""
    for inner, start, end in fields(payload, envelope.start, envelope.end):
        if inner == _RECORDS:
            yield start, end


def _described(payload: bytes, start: int, end: int, message_tag: int) -> tuple[bytes, bytes]:
    """The merged Resource or Scope of a level, and its schema URL."""
    parts: list[bytes] = []
    schema_url = b""
    for field, value_start, value_end in fields(payload, start, end):
        if field == message_tag:
            parts.append(payload[value_start:value_end])
        elif field == _SCHEMA_URL:
            schema_url = payload[value_start:value_end]
    return b"".join(parts), schema_url


def count(payload: bytes, limit: int) -> int:
    """How many records the request holds; more than `limit` as soon as that is certain.

    The work is bounded as well: millions of empty messages or unknown fields around the records give `limit + 1`, since
    no client sends more of them than records, and walking 64 MiB of them would take half a minute.
    """
    found = 0
    for steps, is_record in enumerate(_steps(payload)):
        found += is_record
        if found > limit or steps > 8 * limit + 1000:
            return limit + 1
    return found


def _steps(payload: bytes) -> Iterator[bool]:
    """One item for every field of the outer levels: whether it is a record."""
    for outer, resource_start, resource_end in fields(payload, 0, len(payload)):
        yield False
        if outer == _RESOURCE_MESSAGES:
            for middle, scope_start, scope_end in fields(payload, resource_start, resource_end):
                yield False
                if middle == _SCOPE_MESSAGES:
                    for inner, _, _ in fields(payload, scope_start, scope_end):
                        yield inner == _RECORDS


def invalid(reason: ValueError) -> InvalidPayload:
    """What the sender of a broken request is told."""
    return InvalidPayload(f"the body is not an OTLP export request: {reason}")
