"""The metrics' names and labels are a contract with dashboards, alerts and the manual."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from llm_observatory import metrics
from llm_observatory.app.reference import metrics as metrics_reference

MOST_SERIES = 3_000
"""Of a process, with every label at every value. Prometheus bears millions; what grows beyond this was not meant to."""

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
    "storage_ready": set(),
}
"""Design §8, to the letter."""

OBSERVED = {
    "storage_database_first_migration_timestamp_seconds": set(),
    "storage_database_size_bytes": set(),
    "storage_table_size_bytes": {"table"},
    "storage_backup_last_success_timestamp_seconds": {"kind"},
    "storage_backup_size_bytes": {"kind"},
    "storage_wal_archive_enabled": set(),
    "storage_wal_archive_last_success_timestamp_seconds": set(),
    "storage_wal_archive_failures": set(),
    "storage_wal_archive_waiting_files": set(),
    "storage_certificate_expiry_timestamp_seconds": {"certificate"},
    "storage_rollup_lag_seconds": {"rollup"},
    "storage_dead_letters": set(),
    "storage_ledger_rows": set(),
    "storage_ledger_oldest_age_seconds": set(),
    "storage_replication_lag_seconds": {"replica"},
    "storage_maintenance_mode": set(),
    "storage_cache_hit_ratio": set(),
    "storage_transactions_id_age": set(),
    "storage_observation_timestamp_seconds": set(),
    "storage_observations_total": {"status"},
}
"""What comes from looking at the database: alerts and dashboards are written against these names."""

OURS_BESIDE = {
    "storage_maintenance_runs_total": {"step", "status"},
    "storage_rollup_pending_hours": set[str](),
    "storage_usage_pending_traces": set[str](),
}


def test_storage_metrics_are_exactly_those_of_the_contract() -> None:
    found = {metric.name: set(metric.labels) for metric in metrics.declared() if metric.name.startswith("storage_")}
    assert found == STORAGE | OBSERVED | OURS_BESIDE


def test_every_label_has_a_closed_set_and_all_of_them_are_few_series() -> None:
    found = {metric.name: metrics_reference.series(metric) for metric in metrics.declared()}
    assert min(found.values()) >= 1
    assert sum(found.values()) < MOST_SERIES


def test_a_label_that_nobody_declared_is_told() -> None:
    with pytest.raises(KeyError):
        metrics_reference.values("storage_writes_total", "tenant")


def test_an_observed_gauge_has_the_series_of_its_last_observation() -> None:
    gauge = metrics.REPLICATION_LAG
    assert _page_of("storage_replication_lag_seconds") == []
    gauge.show_by({"a": 1, "b": 2.5})
    assert _page_of("storage_replication_lag_seconds") == ['{replica="a"} 1.0', '{replica="b"} 2.5']
    gauge.show_by({"b": 0})
    assert _page_of("storage_replication_lag_seconds") == ['{replica="b"} 0.0']
    gauge.show_by({})
    assert _page_of("storage_replication_lag_seconds") == []


def _page_of(name: str) -> list[str]:
    page = generate_latest(metrics.REGISTRY).decode()
    return [line.removeprefix(name) for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]


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
