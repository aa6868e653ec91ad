"""A request that is known to be good: sent and rolled back to tell bad data from a database that refuses everything."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from llm_observatory import codec
from llm_observatory.pipeline.signal import TRACES
from llm_observatory.storage.write import WriteRequest

PROBE_TENANT = "probe"


def probe_request(now: int) -> WriteRequest:
    """One span with attributes of every kind, an event and a link; `now` in microseconds since the Unix epoch."""
    start = now * 1000
    attributes = [
        KeyValue(key="gen_ai.operation.name", value=AnyValue(string_value="chat")),
        KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=1)),
        KeyValue(key="gen_ai.request.temperature", value=AnyValue(double_value=0.5)),
        KeyValue(
            key="gen_ai.response.finish_reasons", value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="stop")]))
        ),
        KeyValue(key="probe", value=AnyValue(bytes_value=b"\x00\x01")),
    ]
    span = Span(
        trace_id=b"\x01" * 16,
        span_id=b"\x01" * 8,
        name="probe",
        start_time_unix_nano=start,
        end_time_unix_nano=start + 1,
        attributes=attributes,
        events=[Span.Event(time_unix_nano=start, name="probe")],
        links=[Span.Link(trace_id=b"\x02" * 16, span_id=b"\x02" * 8)],
    )
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="probe"))])
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=[span])])]
    )
    payload = request.SerializeToString()
    digest = codec.digest(TRACES.name, PROBE_TENANT, payload)
    encoded = codec.encode(TRACES.name, PROBE_TENANT, payload, digest, now, codec.Terms(None, 0, 1024))
    return WriteRequest(PROBE_TENANT, TRACES.name, digest, b"", now, encoded)
