"""The metrics' names and labels are a contract with dashboards, alerts and the manual."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from llm_observatory import metrics

STORAGE = {
    "storage_writes_total": {"writer_type", "method", "status"},
    "storage_write_duration_seconds": {"writer_type", "method"},
    "storage_items_written_total": {"writer_type"},
    "storage_batch_size": {"writer_type"},
    "storage_query_duration_seconds": {"repository", "method"},
    "storage_query_results": {"repository", "method"},
    "storage_pool_connections": {"state"},
    "storage_connection_acquire_duration_seconds": set(),
    "storage_errors_total": {"error_type"},
    "storage_retries_total": set(),
    "storage_buffer_size": {"writer_type", "buffer_type"},
    "storage_flushes_total": {"writer_type", "status"},
    "storage_database_up": set(),
}
"""Design §8, to the letter."""

OURS_BESIDE = {
    "storage_maintenance_runs_total": {"step", "status"},
    "storage_rollup_pending_hours": set[str](),
    "storage_usage_pending_traces": set[str](),
}


def instruments() -> dict[str, set[str]]:
    """Name and labels of every prometheus_client instrument declared in the module."""
    found = {}
    for value in vars(metrics).values():
        name, labels = getattr(value, "_name", None), getattr(value, "_labelnames", None)
        if name is not None and labels is not None:
            found[name + ("_total" if value._type == "counter" else "")] = set(labels)
    return found


def test_storage_metrics_are_exactly_those_of_the_contract() -> None:
    found = {name: labels for name, labels in instruments().items() if name.startswith("storage_")}
    assert found == STORAGE | OURS_BESIDE


@pytest.mark.parametrize("outcome", ["accepted", "refused", "failed"])
@pytest.mark.parametrize("noun", ["spans", "metric_points", "log_records"])
def test_receiver_metrics_have_the_collectors_names(outcome: str, noun: str) -> None:
    counter = {"accepted": metrics.RECEIVER_ACCEPTED, "refused": metrics.RECEIVER_REFUSED, "failed": metrics.RECEIVER_FAILED}
    name = f"otelcol_receiver_{outcome}_{noun}"
    before = _sample(name)
    counter[outcome][noun].inc(3, "otlp", "grpc")
    assert _sample(name) == before + 3


def test_the_page_is_what_a_strict_parser_reads() -> None:
    page = generate_latest(metrics.REGISTRY).decode()
    announced = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(announced) == len(set(announced))
    assert not [name for name in announced if name.startswith("otelcol_") and name.endswith("_total")]
    assert "_created" not in page


def test_the_process_is_measured_too() -> None:
    page = generate_latest(metrics.REGISTRY).decode()
    assert "process_resident_memory_bytes " in page
    assert "python_info{" in page


def test_every_metric_is_explained() -> None:
    for family in metrics.REGISTRY.collect():
        assert len(family.documentation) > 10, family.name


def _sample(name: str) -> float:
    page = generate_latest(metrics.REGISTRY).decode()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name and sample.labels == {"receiver": "otlp", "transport": "grpc"}:
                return sample.value
    return 0.0
