"""Rows of spans and what stands beside them, and what an answer makes of them."""

from __future__ import annotations

import asyncio

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory import codec
from llm_observatory.api.v1.trace_query_service_pb2 import GetTraceResponse
from llm_observatory.codec.reference.decode.framing import field
from llm_observatory.query.records import MESSAGE_BYTES, FoundRows, Record, place, spans
from llm_observatory.tables import LLM_TRACES

BESIDE_THE_LOOP = 50
"""Spans. More are decoded in a thread: 50 take about 5 ms."""


async def messages(found: FoundRows) -> list[GetTraceResponse]:
    """Spans in their order, each message below MESSAGE_BYTES unless one span alone is larger."""
    if len(found) <= BESIDE_THE_LOOP:
        return _messages(found)
    return await asyncio.to_thread(_messages, found)


def record(found: FoundRows) -> Record[Span]:
    """The span of one row."""
    try:
        [made] = spans(*found)
    except DecodeError:
        [made] = spans(*_shallow(found))
    return made


def _messages(found: FoundRows) -> list[GetTraceResponse]:
    traces = codec.decode("traces", found.rows, found.dimensions, found.content)
    try:
        answer = GetTraceResponse.FromString(field(_TRACES, traces))
    except DecodeError:
        if len(found) == 1:
            return _messages(_shallow(found))
    else:
        if len(traces) <= MESSAGE_BYTES or len(found) == 1:
            return [answer]
    half = len(found) // 2
    return [message for rows in (found.rows[:half], found.rows[half:]) for message in _messages(FoundRows(rows, *found[1:]))]


def _shallow(found: FoundRows) -> FoundRows:
    """Without all that nests. A record may be 100 messages deep, and in an answer it stands four deep: beyond what is read."""
    rows = [[_EMPTY.get(place, value) for place, value in enumerate(row)] for row in found.rows]
    return FoundRows(rows, {}, ())


_TRACES = GetTraceResponse.TRACES_FIELD_NUMBER
_EMPTY: dict[int, bytes | None] = {
    place(LLM_TRACES, "span.attributes"): b"\x01{}",
    place(LLM_TRACES, "span.events"): None,
    place(LLM_TRACES, "span.links"): None,
}
