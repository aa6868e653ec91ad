"""A service that exports what it knows about itself to itself: it arrives, and one export is not the cause of the next."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
import pytest

from llm_observatory.api.v1.selection_pb2 import TimeRange
from llm_observatory.api.v1.trace_query_service_pb2 import ListServicesRequest
from llm_observatory.api.v1.trace_query_service_pb2_grpc import TraceQueryServiceStub
from tests.plugins.load import Client, trace_request
from tests.plugins.service import Service, wait_for

OURS = """
SELECT span_name, trace_id, parent_span_id FROM llm_traces WHERE service_name = 'llm-observatory-storage' AND span_name LIKE %s
"""
pytestmark = pytest.mark.timeout(120)

FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200"}


def test_it_arrives_and_ends(new_service: Callable[..., Service]) -> None:
    service = new_service(SELF_TELEMETRY="all", **FAST)
    service.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = service.http_endpoint
    service.start()
    client = Client(service.endpoint)
    for _ in range(3):
        client.export(trace_request()[1])
    client.close()
    wait_for(lambda: len(service.query(OURS, "write transaction")) == 3, 20, "a span for each transaction")

    now = time.time_ns()
    asked = ListServicesRequest(time_range=TimeRange(start_time_unix_nano=now - 3600 * 10**9, end_time_unix_nano=now))
    with grpc.insecure_channel(service.query_endpoint) as channel:
        TraceQueryServiceStub(channel).ListServices(asked, timeout=20)
    wait_for(lambda: len(service.query(OURS, "%ListServices")) == 1, 20, "a span for the query")
    wait_for(lambda: len(service.query(OURS, "trace_repository %")) == 1, 20, "and for what it asked the database")
    ((_, trace, parent),) = service.query(OURS, "%ListServices")
    ((_, trace_below, parent_below),) = service.query(OURS, "trace_repository %")
    assert (trace, parent) == (trace_below, None)
    assert parent_below is not None

    def measured(name: str) -> int:
        return len(service.query("SELECT FROM llm_metrics WHERE metric_name = %s", name))

    wait_for(lambda: measured("storage_write_duration_seconds") > 0, 20, "metrics arrive")
    # Exports of metrics and of spans go on; each is a transaction, and none of them is told about.
    writes = service.metric('storage_writes_total{method="copy",status="success",writer_type="metric"}')
    wait_for(
        lambda: service.metric('storage_writes_total{method="copy",status="success",writer_type="metric"}') > writes + 3,
        30,
        "more exports",
    )
    assert len(service.query(OURS, "write transaction")) == 3
    assert service.terminate() == 0
