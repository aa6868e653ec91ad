"""Spans of our own work: nothing without a tracer, and with one what helps, and no value that a client sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from llm_observatory import spans
from tests.plugins.load import trace_request


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans.Tracing, "tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def test_without_a_tracer_all_of_them_are_the_same_nothing() -> None:
    assert spans.span("one") is spans.span("two", "SERVER", {"a": 1})


def test_a_block_within_a_block_is_its_child(exported: InMemorySpanExporter) -> None:
    with spans.span("outer", "SERVER", {"rpc.method": "x"}), spans.span("inner"):
        pass
    inner, outer = exported.get_finished_spans()
    assert (outer.name, outer.kind, dict(outer.attributes or {})) == ("outer", SpanKind.SERVER, {"rpc.method": "x"})
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert inner.status.status_code == StatusCode.UNSET


def test_what_fails_tells_its_kind_and_no_more(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError), spans.span("write"):
        raise ValueError("Key (user_id)=(alice) already exists")
    (span,) = exported.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert span.attributes == {"error.type": "ValueError"}
    assert "alice" not in span.to_json()


def test_what_is_about_ourselves_is_known_by_its_resource() -> None:
    _, payload = trace_request()
    assert not spans.is_own(payload)
    assert spans.is_own(spans.OWN.encode().join([payload[:100], payload[100:]]))
