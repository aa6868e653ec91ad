"""A running service looks at its database, shows what it saw, and doctor finds both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from llm_observatory import metrics
from llm_observatory.app.reference import metrics as metrics_reference
from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES
from tests.plugins.load import Client, log_request, metric_request, trace_request
from tests.plugins.service import Service, wait_for


def update(service: Service) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{service.health_port}/admin/update_metrics", method="POST")
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert json.loads(reply.read())["status"] == "updated"


def doctor(service: Service) -> tuple[int, dict[str, dict[str, object]]]:
    """Exit code, and lines by their check."""
    ran = subprocess.run(
        [sys.executable, "-m", "llm_observatory", "doctor", "--json"],
        check=False, cwd=service.folder, env=service.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return ran.returncode, {line["check"]: line for line in json.loads(ran.stdout)["checks"]}


def test_it_looks_by_itself_and_when_asked(shared_service: Service) -> None:
    wait_for(lambda: shared_service.metric("storage_database_size_bytes") > 0, 20, "the first look")
    looks = shared_service.metric('storage_observations_total{status="success"}')
    shared_service.query("INSERT INTO dead_letters VALUES ('default', 'traces', '\\x01', now(), 'refused', '\\x') RETURNING 1")
    update(shared_service)
    assert shared_service.metric("storage_dead_letters") == 1
    assert shared_service.metric('storage_observations_total{status="success"}') > looks
    code, lines = doctor(shared_service)
    # Dead letters and the missing backup warn; a full disk of this machine would fail.
    assert code == (1 if "fail" in {line["status"] for line in lines.values()} else 3)
    assert lines["dead letters"]["status"] == "warn"
    assert lines["service"]["status"] == "ok"
    assert lines["database"]["value"] is not None
    assert lines["partitions"]["status"] == "ok" if "partitions" in lines else lines["chunks"]["status"] == "ok"
    assert lines["backups"]["status"] == "warn", "it is minutes old"


def test_every_label_of_a_service_at_work_is_one_of_its_closed_set(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    for signal, (_, payload) in ((TRACES, trace_request()), (LOGS, log_request()), (METRICS, metric_request())):
        client.export(payload, signal=signal)
        client.export(payload, signal=signal)
    client.close()
    for path in ("/v1/traces", "/nothing"):
        request = urllib.request.Request(f"{shared_service.http_endpoint}{path}", data=b"{", method="POST")
        request.add_header("content-type", "application/json")
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as refused:
            refused.close()
    update(shared_service)
    declared = {metric.name: metric for metric in metrics.declared()}
    page = shared_service.get("/metrics")[1].decode()
    seen = set()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            name = re.sub(r"_(bucket|sum|count)$", "", sample.name) if family.type == "histogram" else sample.name
            if name.startswith(("process_", "python_")):
                continue
            for label in declared[name].labels:
                values = metrics_reference.values(name, label)
                assert values is None or sample.labels[label] in values, (name, label, sample.labels[label])
            seen.add(name)
    assert {"storage_table_size_bytes", "ingest_refused_requests_total", "ingest_duplicate_requests_total"} <= seen
