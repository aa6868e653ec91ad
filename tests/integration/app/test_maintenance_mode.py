"""Maintenance mode of a running service: refused in words that clients act on, answered all the same, and nothing is lost."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llm_observatory.api.v1 import log_query_service_pb2 as logs
from llm_observatory.api.v1 import log_query_service_pb2_grpc as logs_grpc
from llm_observatory.pipeline.signal import SIGNALS, TRACES
from tests.plugins.database import execute
from tests.plugins.load import Client, Load, retry_seconds, trace_request
from tests.plugins.service import Service, wait_for

NewService = Callable[..., Service]
REASON = "vacuum full of llm_traces"
SEEN_SECONDS = 30
"""It takes two; the machine may be busy with other things."""

pytestmark = pytest.mark.timeout(120)


def command(service: Service, *arguments: str, status: int = 0) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "llm_observatory", "maintenance", *arguments],
        cwd=service.folder, env=service.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == status, ran.stderr
    return ran.stdout


def switch_on(service: Service) -> None:
    command(service, "on", "--reason", REASON)
    wait_for(lambda: "maintenance" in service.health(), SEEN_SECONDS, "the process sees that maintenance is on")


@pytest.fixture
def under_maintenance(shared_service: Service) -> Iterator[Service]:
    shared_service.wait_ready()
    switch_on(shared_service)
    yield shared_service
    command(shared_service, "off")
    shared_service.wait_ready()


def refused(service: Service) -> float:
    return service.metric('ingest_refused_requests_total{reason="under_maintenance",signal="traces"}')


def grpc_health(endpoint: str, name: str) -> int:
    with grpc.insecure_channel(endpoint) as channel:
        return int(health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status)


def one_span() -> ReadableSpan:
    finished = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "checkout"}))
    provider.add_span_processor(SimpleSpanProcessor(finished))
    with provider.get_tracer("test").start_as_current_span(f"chat {uuid.uuid4()}"):
        pass
    (span,) = finished.get_finished_spans()
    return span


EXPORTERS: dict[str, Callable[[Service], Any]] = {
    "grpc": lambda service: GrpcExporter(endpoint=f"http://{service.endpoint}", insecure=True, timeout=60),
    "http": lambda service: HttpExporter(endpoint=f"{service.http_endpoint}/v1/traces", timeout=60),
}


@pytest.mark.parametrize("transport", EXPORTERS)
def test_a_stock_exporter_sends_again_until_records_are_taken_in(under_maintenance: Service, transport: str) -> None:
    span, before = one_span(), refused(under_maintenance)
    exporter = EXPORTERS[transport](under_maintenance)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(exporter.export, [span])
        wait_for(lambda: refused(under_maintenance) > before, 20, "the export is refused")
        assert not sent.done()
        command(under_maintenance, "off")
        assert sent.result(60) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert under_maintenance.query("SELECT count(*) FROM llm_traces WHERE span_name = %s", span.name) == [(1,)]


def test_grpc_is_refused_with_the_reason_before_a_body_is_there(under_maintenance: Service) -> None:
    done = threading.Event()

    def nothing_yet() -> Iterator[bytes]:
        done.wait(30)
        yield from ()

    with grpc.insecure_channel(under_maintenance.endpoint) as channel:
        for signal in SIGNALS:
            call = channel.stream_unary(f"/{signal.grpc_service}/Export", None, None)
            with pytest.raises(grpc.RpcError) as error:
                call(nothing_yet(), timeout=20)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert REASON in str(error.value.details())
            assert 0 < retry_seconds(error.value) <= 5
    done.set()


def test_http_is_refused_with_the_reason_before_the_body_is_there(under_maintenance: Service) -> None:
    head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", under_maintenance.http_port), 20) as connection:
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 503 ")
    assert "retry-after: 1\r\n" in answer.lower()
    assert REASON in answer


def test_health_says_so_and_questions_are_answered(under_maintenance: Service) -> None:
    status, body = under_maintenance.get("/health/ready")
    assert (status, json.loads(body)["reasons"]) == (503, [f"maintenance: {REASON}"])
    status, body = under_maintenance.get("/health")
    shown = json.loads(body)
    assert (status, shown["status"], shown["maintenance"]["reason"]) == (200, "degraded", REASON)
    assert under_maintenance.get("/health/live")[0] == 200
    assert shown["query"]["ready"] is True
    wait_for(
        lambda: grpc_health(under_maintenance.endpoint, TRACES.grpc_service) == health_pb2.HealthCheckResponse.NOT_SERVING,
        SEEN_SECONDS, "the OTLP services are NOT_SERVING",
    )  # fmt: skip
    serving = grpc_health(under_maintenance.query_endpoint, "llm_observatory.api.v1.LogQueryService")
    assert serving == health_pb2.HealthCheckResponse.SERVING
    with grpc.insecure_channel(under_maintenance.query_endpoint) as channel:
        logs_grpc.LogQueryServiceStub(channel).SearchLogs(logs.SearchLogsRequest(), timeout=20)


def test_what_is_acknowledged_while_it_is_switched_is_stored_once(shared_service: Service) -> None:
    shared_service.wait_ready()
    with Load(shared_service.endpoint) as load:
        wait_for(lambda: len(load.acknowledged) > 5, 20, "records are taken in")
        switch_on(shared_service)
        refusals = load.statuses["UNAVAILABLE"]
        wait_for(lambda: load.statuses["UNAVAILABLE"] > refusals + 5, 20, "records are refused")
        taken = len(load.acknowledged)
        command(shared_service, "off")
        wait_for(lambda: len(load.acknowledged) > taken + 5, 20, "records are taken in again")
    assert set(load.statuses) == {"OK", "UNAVAILABLE"}
    ids = [str(uuid.UUID(bytes=trace_id)) for trace_id in load.acknowledged]
    stored = shared_service.query(
        "SELECT trace_id::text, count(*) FROM llm_traces WHERE trace_id = ANY(%s::uuid[]) GROUP BY 1", ids
    )
    assert dict(stored) == dict.fromkeys(ids, load.spans)


def test_it_stays_on_over_a_restart_and_while_the_database_is_away(new_service: NewService, server: str, database: str) -> None:
    service = new_service(DATABASE_URL=database).start()
    assert json.loads(command(service, "status", "--json")) == {"on": False}
    switch_on(service)
    assert service.terminate() == 0
    service.start(wait=False)
    wait_for(lambda: b"maintenance" in service.get("/health")[1], 60, "the new process sees it too")
    assert service.get("/health/ready")[0] == 503
    name = database.rpartition("/")[2].partition("?")[0]
    execute(server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    execute(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    wait_for(lambda: service.health()["database"]["postgres"]["status"] == "unhealthy", 30, "the database is away")
    client = Client(service.endpoint)
    with pytest.raises(grpc.RpcError) as error:
        client.export(trace_request()[1])
    assert REASON in str(error.value.details())
    execute(server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    wait_for(lambda: service.health()["database"]["postgres"]["status"] == "healthy", 60, "the database is back")
    assert json.loads(command(service, "status", "--json"))["reason"] == REASON
    assert json.loads(command(service, "off", "--json")) == {"on": False, "was_on": True}
    service.wait_ready()
    client.export(trace_request()[1])
    client.close()


@pytest.mark.parametrize("reason", ["", "x" * 201, "bell \x07"])
def test_a_reason_that_clients_could_not_be_told(new_service: NewService, reason: str) -> None:
    command(new_service(), "on", "--reason", reason, status=2)
