"""A service that exports what it knows about itself to itself: it arrives, and one export is not the cause of the next."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from tests.plugins.load import Client, trace_request
from tests.plugins.service import Service, wait_for

OURS = """
SELECT span_name, trace_id, parent_span_id FROM llm_traces WHERE service_name = 'llm-observatory-storage' AND span_name LIKE %s
"""
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

    subprocess.run(
        [sys.executable, "-m", "llm_observatory", "query", "services", "--endpoint", service.query_endpoint],
        cwd=service.folder, env=service.environment, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
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
        lambda: service.metric('storage_writes_total{method="copy",status="success",writer_type="metric"}') > writes + 5,
        30,
        "more exports",
    )
    assert len(service.query(OURS, "write transaction")) == 3
    assert service.terminate() == 0
