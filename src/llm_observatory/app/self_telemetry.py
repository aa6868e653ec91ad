"""What the service exports about itself by OTLP, with SELF_TELEMETRY: spans of write transactions and queries, its metrics.

Where to, how often and with which headers say the variables that every SDK of OpenTelemetry has (`OTEL_EXPORTER_OTLP_ENDPOINT`
and so on), which the SDK reads from the environment. Its exporter sends in threads of its own; what it cannot deliver is
dropped, and nothing of the service waits for it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog

from llm_observatory import __version__, spans
from llm_observatory.errors import ConfigError
from llm_observatory.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger(__name__)

NAME = "llm-observatory-storage"
"""`service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES says another."""
METRIC_INTERVAL_MS = 60_000
FLUSH_SECONDS = 2.0
"""For what is left at the end."""

T = TypeVar("T")


@asynccontextmanager
async def self_telemetry(settings: Settings, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
    """Export while the block runs; see `demand`."""
    if settings.self_telemetry == "off":
        yield
        return
    resource = _resource()
    provider = _trace(resource) if settings.self_telemetry in ("traces", "all") else None
    sending = None
    if settings.self_telemetry in ("metrics", "all"):
        sending = tasks.create_task(_send_metrics(resource), name="self-telemetry")
    log.info("exporting what is known of this process", what=settings.self_telemetry)
    try:
        yield
    finally:
        spans.Tracing.tracer = None
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending])
        if provider is not None:
            await _flush(provider)


def demand(settings: Settings) -> None:
    """Raise ConfigError where the extra is not installed, or cannot do what is asked."""
    if settings.self_telemetry == "off":
        return
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    if protocol != "http/protobuf":
        raise ConfigError([f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}: SELF_TELEMETRY exports http/protobuf only"])
    _metric_interval()
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: PLC0415
        import opentelemetry.sdk.trace  # noqa: F401, PLC0415
    except ImportError:
        raise ConfigError(["SELF_TELEMETRY needs more packages: pip install 'llm-observatory[self-telemetry]'"]) from None


def _metric_interval() -> float:
    """Seconds. Raises ConfigError."""
    given = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "") or str(METRIC_INTERVAL_MS)
    if not given.isascii() or not given.isdigit() or int(given) == 0:
        raise ConfigError([f"OTEL_METRIC_EXPORT_INTERVAL is {given}: it is a whole number of milliseconds above 0"])
    return int(given) / 1000


def _resource() -> Resource:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415

    ours = Resource.create({"service.name": NAME, "service.version": __version__, spans.OWN: True})
    return ours.merge(OTELResourceDetector().detect())


def _trace(resource: Resource) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    spans.Tracing.tracer = provider.get_tracer("llm_observatory", __version__)
    return provider


async def _send_metrics(resource: Resource) -> None:
    """For ever. The registry is read on the loop, whose other work changes it."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    from llm_observatory.app.exported_metrics import exported_metrics  # noqa: PLC0415 - of the same extra

    exporter = OTLPMetricExporter()
    seconds = _metric_interval()
    try:
        while True:
            await asyncio.sleep(seconds)
            try:
                data = exported_metrics(resource)
                await _in_a_thread(lambda data=data: exporter.export(data))  # type: ignore[misc]
            except Exception:
                # The task group would end the process, and what it is about to acknowledge.
                log.exception("the metrics of this process could not be exported")
    finally:
        exporter.shutdown(timeout_millis=0)


async def _flush(provider: TracerProvider) -> None:
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await _in_a_thread(provider.shutdown)
    except TimeoutError:
        log.warning("the last spans of this process could not be delivered in time")


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread that keeps neither the end of the loop nor that of the process waiting."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # None where that is T

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name="self-telemetry", daemon=True).start()
    return await done
