"""From traffic to acknowledged telemetry: the SDK's providers of one dialect, with its stock processors."""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from demo import DemoError, traffic
from demo.dialects import Dialect
from demo.watch import Sent, Tally, WatchedLogExporter, WatchedMetricExporter, WatchedSpanExporter

CONNECT_TIMEOUT_SECONDS = 2


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


def _tracer_provider(resource: Resource, endpoint: str, tally: Tally) -> TracerProvider:
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(WatchedSpanExporter(endpoint, tally)))
    return provider


def _meter_provider(resource: Resource, endpoint: str, tally: Tally) -> MeterProvider:
    """The reader exports once a minute and at shutdown. Exemplars are on by default: measurements inside a sampled span."""
    return MeterProvider([PeriodicExportingMetricReader(WatchedMetricExporter(endpoint, tally))], resource)


def _logger_provider(resource: Resource, endpoint: str, tally: Tally) -> LoggerProvider:
    provider = LoggerProvider(resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(WatchedLogExporter(endpoint, tally)))
    return provider


@contextmanager
def _logging_to(provider: LoggerProvider) -> Iterator[None]:
    """Send the application's ordinary log lines to `provider`."""
    with warnings.catch_warnings():
        # Its successor is in a package of its own, and one line of a log is not worth a dependency.
        warnings.filterwarnings("ignore", message="`LoggingHandler`", category=DeprecationWarning)
        handler = LoggingHandler(logger_provider=provider)
    traffic.LOGGER.addHandler(handler)
    traffic.LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        traffic.LOGGER.removeHandler(handler)
        traffic.LOGGER.setLevel(logging.NOTSET)


def _run(dialect: Dialect, base_url: str, endpoint: str, sent: Sent) -> None:
    resource = Resource.create({"service.name": dialect.service_name, "deployment.environment.name": "demo"})
    with ExitStack() as stack:
        providers: dict[str, Any] = {"tracer_provider": _tracer_provider(resource, endpoint, sent.spans)}
        if dialect.emits.points:
            providers["meter_provider"] = _meter_provider(resource, endpoint, sent.points)
        if dialect.emits.logs:
            providers["logger_provider"] = _logger_provider(resource, endpoint, sent.logs)
            stack.enter_context(_logging_to(providers["logger_provider"]))
        for provider in providers.values():
            stack.callback(provider.shutdown)
        instrumentor = dialect.instrumentor()
        instrumentor.instrument(**providers)
        stack.callback(instrumentor.uninstrument)
        traffic.run(base_url, providers["tracer_provider"].get_tracer("demo"))


def run_dialect(dialect: Dialect, base_url: str, endpoint: str) -> Sent:
    """Run the traffic once under `dialect` and export its telemetry. Raises DemoError unless all was acknowledged."""
    sent = Sent()
    _run(dialect, base_url, endpoint, sent)
    signals = (
        ("spans", sent.spans, dialect.emits.spans),
        ("log records", sent.logs, dialect.emits.logs),
        ("data points", sent.points, dialect.emits.points),
    )
    if any(tally.failed or len(tally.acknowledged) != emitted for _, tally, emitted in signals):
        counts = ", ".join(f"{len(tally.acknowledged)} of {emitted} {items}" for items, tally, emitted in signals if emitted)
        message = f"{dialect.name}: {counts} were acknowledged. The service's log says why the rest was not."
        raise DemoError(message)
    return sent
