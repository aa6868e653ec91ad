"""Export requests as bytes, and the counters they move."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_observatory.metrics import UnsuffixedCounter


def trace_request(spans: int = 1, mark: str = "span", name_bytes: int = 0) -> bytes:
    """A request with so many spans; `mark` tells two of them apart."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for index in range(spans):
        scope.spans.add(
            trace_id=index.to_bytes(16, "big"),
            span_id=(index + 1).to_bytes(8, "big"),
            name=f"{mark}{'x' * name_bytes}",
            start_time_unix_nano=1,
            end_time_unix_nano=2,
        )
    return request.SerializeToString()


def padded_request(size: int) -> bytes:
    """A request with one span that is exactly `size` bytes long."""
    for name_bytes in range(size - 100, size):
        if len(request := trace_request(name_bytes=name_bytes)) == size:
            return request
    raise AssertionError(f"no request of {size} bytes")


def counted(counter: UnsuffixedCounter) -> float:
    """The counter's value for receiver "otlp" and transport "grpc"."""
    samples = counter.collect()[0].samples
    return sum(sample.value for sample in samples if sample.labels == {"receiver": "otlp", "transport": "grpc"})
