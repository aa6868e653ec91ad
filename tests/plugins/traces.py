"""Traces for tests of their query service, in few words."""

from __future__ import annotations

import random
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from llm_observatory.api.v1 import trace_query_service_pb2_grpc
from llm_observatory.api.v1.trace_query_service_pb2 import GetTraceRequest
from llm_observatory.query.server import Service
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.service import TraceQueryService, service
from llm_observatory.storage.read import Reader
from tests.plugins.otlp_messages import NOW, NS, Builder, Random
from tests.unit.codec.spans import attributes

MS, SECOND, HOUR = 1_000_000, 1_000_000_000, 3_600_000_000_000
T0 = NS // HOUR * HOUR - 2 * HOUR
"""A whole hour, two to three hours before NOW."""


def at_now(reader: Reader) -> Service:
    """The service, for which it is NOW."""
    made = service(reader)
    servicer = TraceQueryService(TraceRepository(reader), lambda: NOW * 1000)
    return Service(made.name, made.add, servicer)


def stub_of(channel: grpc.aio.Channel) -> Any:
    """A client."""
    return trace_query_service_pb2_grpc.TraceQueryServiceStub(channel)


def span(number: int, **given: Any) -> Span:
    """Span `number` of trace 1: it starts so many milliseconds after T0 and takes as many."""
    items = given.pop("items", {})
    members: dict[str, Any] = {
        "trace_id": trace_id(given.pop("trace", 1)),
        "span_id": (number + 1).to_bytes(8, "big"),
        "name": "chat",
        "kind": Span.SPAN_KIND_CLIENT,
        "start_time_unix_nano": T0 + number * MS,
    }
    members |= given
    took = members.pop("took", number * MS)
    members.setdefault("end_time_unix_nano", 0 if took is None else members["start_time_unix_nano"] + took)
    return Span(**members, attributes=attributes(items))


def trace_id(number: int) -> bytes:
    """16 bytes."""
    return number.to_bytes(16, "big")


def request(*spans: Span, service_name: str = "shop", resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """Spans of one service."""
    made = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    made.resource.attributes.extend(attributes({"service.name": service_name} | (resource or {})))
    return ExportTraceServiceRequest(resource_spans=[made])


def generated(seed: int) -> ExportTraceServiceRequest:
    """Any fields with anything in them that is stored as it came."""
    builder = Builder(Random(random.Random(seed)), strange=False, ids_from=seed * 10_000, ns=NS)
    made: ExportTraceServiceRequest = builder.fill(ExportTraceServiceRequest())
    return made


async def whole_trace(stub: Any, identity: bytes, **given: Any) -> list[TracesData]:
    """The messages of GetTrace."""
    return [answer.traces async for answer in stub.GetTrace(GetTraceRequest(trace_id=identity, **given))]


def spans_in(messages: list[TracesData]) -> list[Span]:
    """All spans in their order within each resource and scope."""
    return [
        found
        for message in messages
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for found in scope.spans
    ]
