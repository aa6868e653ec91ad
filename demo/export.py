"""From traffic to acknowledged spans: one tracer provider a dialect, the stock batch processor, the stock gRPC exporter."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from demo import DemoError, traffic
from demo.dialects import Dialect

SpanKey = tuple[str, str]
"""Trace id and span id in hex."""

EXPORT_TIMEOUT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 2


class WatchedExporter(SpanExporter):
    """Passes everything on and remembers what was acknowledged: the batch processor keeps the results to itself."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self.acknowledged: list[SpanKey] = []
        self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export and take the result down."""
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.acknowledged += [key for span in spans if (key := span_key(span)) is not None]
        else:
            self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        """Close the channel."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held here."""
        return self._inner.force_flush(timeout_millis)


def span_key(span: ReadableSpan) -> SpanKey | None:
    """Trace id and span id as hex, None for a span without context."""
    context = span.get_span_context()
    return None if context is None else (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def check_listening(endpoint: str) -> None:
    """Raise DemoError unless something accepts connections at `endpoint` (host:port)."""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal():
        message = f"the endpoint must be HOST:PORT, not {endpoint!r}"
        raise DemoError(message)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_SECONDS).close()
    except OSError as error:
        message = f"no service listens on {endpoint} ({error}). Run `make run` in another terminal, then try again."
        raise DemoError(message) from error


def grpc_exporter(endpoint: str) -> SpanExporter:
    """The stock exporter, in plain text."""
    return OTLPSpanExporter(endpoint=f"http://{endpoint}", insecure=True, timeout=EXPORT_TIMEOUT_SECONDS)


def run_dialect(dialect: Dialect, base_url: str, exporter: WatchedExporter) -> None:
    """Run the traffic once under `dialect` and export its spans. Raises DemoError unless all were acknowledged."""
    resource = Resource.create({"service.name": dialect.service_name, "deployment.environment.name": "demo"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrumentor = dialect.instrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        traffic.run(base_url, provider.get_tracer("demo"))
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
    if exporter.failed or len(exporter.acknowledged) != traffic.SPANS_A_RUN:
        message = (
            f"{dialect.name}: {len(exporter.acknowledged)} of {traffic.SPANS_A_RUN} spans were acknowledged."
            " The service's log says why the rest was not."
        )
        raise DemoError(message)
