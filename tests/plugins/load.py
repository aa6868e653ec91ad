"""OTLP requests with known ids, a client that sends raw bytes, and a load that remembers what was acknowledged."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


def llm_span(trace_id: bytes, number: int, *, extra: int = 0) -> Span:
    """A span like that of a chat call, with `extra` bytes of an attribute nobody promoted."""
    start = time.time_ns()
    attributes = {
        "gen_ai.operation.name": AnyValue(string_value="chat"),
        "gen_ai.provider.name": AnyValue(string_value="openai"),
        "gen_ai.request.model": AnyValue(string_value="gpt-5-mini"),
        "gen_ai.response.model": AnyValue(string_value="gpt-5-mini-2026-08-07"),
        "gen_ai.usage.input_tokens": AnyValue(int_value=812),
        "gen_ai.usage.output_tokens": AnyValue(int_value=144),
        "gen_ai.request.temperature": AnyValue(double_value=0.2),
        "server.address": AnyValue(string_value="api.example.com"),
        "app.step": AnyValue(int_value=number),
    }
    if extra:
        attributes["app.extra"] = AnyValue(string_value="x" * extra)
    return Span(
        trace_id=trace_id,
        span_id=(number + 1).to_bytes(8, "big"),
        name="chat gpt-5-mini",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 1_500_000_123,
        attributes=[KeyValue(key=key, value=value) for key, value in attributes.items()],
    )


def request_of(*spans: Span, service_name: str = "checkout") -> ExportTraceServiceRequest:
    """A request of one resource and one scope."""
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=service_name))])
    scope = InstrumentationScope(name="openai", version="1.2.3")
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=scope, spans=spans)])]
    )


def trace_request(spans: int = 10, *, extra: int = 0) -> tuple[bytes, bytes]:
    """A fresh trace id and the bytes of a request with `spans` spans of it."""
    trace_id = uuid.uuid4().bytes
    return trace_id, request_of(*(llm_span(trace_id, n, extra=extra) for n in range(spans))).SerializeToString()


class Client:
    """Raw bytes to one address, over a connection of its own unless `shared` (grpc lets like channels share one)."""

    def __init__(self, endpoint: str, *, shared: bool = False) -> None:
        options = (*UNLIMITED, ("grpc.use_local_subchannel_pool", int(not shared)))
        self.channel = grpc.insecure_channel(endpoint, options=options)
        self._export = self.channel.unary_unary(EXPORT, None, None)

    def export(self, payload: bytes, timeout: float = 10) -> ExportTraceServiceResponse:
        """Send; grpc.RpcError as it comes."""
        return ExportTraceServiceResponse.FromString(self._export(payload, timeout=timeout))

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()


@dataclass
class Load:
    """Threads that send requests of `spans` spans until stopped, retrying each until it is acknowledged or given up."""

    endpoint: str
    threads: int = 4
    spans: int = 20
    acknowledged: list[bytes] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._running = [threading.Thread(target=self._run, daemon=True) for _ in range(self.threads)]

    def __enter__(self) -> Self:
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join(60)

    def _run(self) -> None:
        client = Client(self.endpoint)
        try:
            while not self._stop.is_set():
                trace_id, payload = trace_request(self.spans)
                self._send(client, trace_id, payload)
        finally:
            client.close()

    def _send(self, client: Client, trace_id: bytes, payload: bytes) -> None:
        for attempt in itertools.count():
            try:
                client.export(payload, timeout=5)
            except grpc.RpcError as error:
                status = error.code().name
                self.statuses[status] += 1
                if self._stop.is_set() and attempt >= 1:
                    return
                self._stop.wait(0.1)
            else:
                self.acknowledged.append(trace_id)
                self.statuses["OK"] += 1
                return
