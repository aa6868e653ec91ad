"""Clients that nobody here wrote: the OpenTelemetry SDK, every value found in SQL; grpc.health.v1."""

from __future__ import annotations

from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, StatusCode
from psycopg.rows import dict_row

from tests.plugins.load import Client, trace_request
from tests.plugins.service import Service

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_python_sdk_and_every_value_in_sql(shared_service: Service, compression: grpc.Compression) -> None:
    exporter = OTLPSpanExporter(endpoint=f"http://{shared_service.endpoint}", insecure=True, compression=compression)
    resource = Resource({"service.name": "billing", "deployment.environment.name": "staging", "host.cores": 8})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("my.scope", "2.1", schema_url="https://example.com/schema", attributes={"scope.key": True})
    with tracer.start_as_current_span("request", kind=SpanKind.SERVER) as parent:
        child = tracer.start_span(
            "chat gpt-5",
            kind=SpanKind.CLIENT,
            links=[Link(parent.get_span_context(), {"why": "test"})],
            attributes={
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3, "gen_ai.request.temperature": 0.25,
                "gen_ai.response.finish_reasons": ["stop"], "app.bool": True, "app.int": 2**53 + 1, "app.float": 1.0,
                "app.list": ["a", "b"],
            },
        )  # fmt: skip
        child.add_event("first token", {"at": 5})
        child.set_status(StatusCode.ERROR, "it broke")
        child.end()
    assert provider.force_flush()
    provider.shutdown()

    rows = spans_of(shared_service, parent.get_span_context().trace_id)
    assert [row["span_name"] for row in rows] == ["request", "chat gpt-5"]
    server, call = rows
    expected = {
        "tenant": "default", "service_name": "billing", "environment": "staging", "span_kind": 3, "is_entry": False,
        "operation": "chat", "provider": "openai", "request_model": "gpt-5", "input_tokens": 12, "output_tokens": 3,
        "temperature": 0.25, "finish_reasons": ["stop"], "usage_role": "call", "status_code": 2,
        "status_message": "it broke", "parent_span_id": server["span_id"], "dropped_links_count": 0,
    }  # fmt: skip
    assert {name: call[name] for name in expected} == expected
    assert call["attributes"] == {"app.bool": True, "app.int": 2**53 + 1, "app.float": 1.0, "app.list": ["a", "b"]}
    assert call["events"][0]["name"] == "first token"
    assert call["events"][0]["attributes"] == {"at": 5}
    assert call["links"][0]["attributes"] == {"why": "test"}
    assert server["is_entry"] is True
    assert server["parent_span_id"] is None
    assert 0 < call["duration_ns"] < 60e9
    assert call["duration_ms"] == pytest.approx(call["duration_ns"] / 1e6)

    [source] = rows_as_dicts(shared_service, "SELECT * FROM telemetry_sources WHERE source_id = %s", str(call["source_id"]))
    assert source["resource"]["host.cores"] == 8
    assert source["scope_name"] == "my.scope"
    assert source["scope_version"] == "2.1"
    assert source["scope_attributes"] == {"scope.key": True}
    assert source["scope_schema_url"] == "https://example.com/schema"


def spans_of(service: Service, trace_id: int) -> list[dict[str, Any]]:
    """Rows of one trace by start time."""
    sql = "SELECT * FROM llm_traces WHERE trace_id = %s ORDER BY timestamp, timestamp_nanos"
    return rows_as_dicts(service, sql, f"{trace_id:032x}")


def rows_as_dicts(service: Service, sql: str, *parameters: object) -> list[dict[str, Any]]:
    """Rows with their column names."""
    with psycopg.connect(service.dsn(), row_factory=dict_row) as connection:
        return connection.execute(sql.encode(), parameters).fetchall()


def test_health_per_service(shared_service: Service) -> None:
    with grpc.insecure_channel(shared_service.endpoint) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "opentelemetry.proto.collector.trace.v1.TraceService"):
            reply = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_the_collectors_metric_names_count_what_was_accepted(shared_service: Service) -> None:
    sample = 'otelcol_receiver_accepted_spans{receiver="otlp",transport="grpc"}'
    before = shared_service.metric(sample)
    _, payload = trace_request(7)
    client = Client(shared_service.endpoint)
    client.export(payload)
    client.export(payload)
    assert shared_service.metric(sample) == before + 7
