"""What clients were told, what askers got, and what the process needs for it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import about, series
from dashboards.queries import PromQL
from dashboards.storage_overview.rates import RATE, quantiles
from dashboards.thresholds import rising

_SIGNALS = {"spans": "spans", "metric_points": "data points", "log_records": "log records"}


def clients() -> list[Panel]:
    """Who sent records."""
    return [
        series(
            about(
                "Acknowledged",
                "Records that were committed before their client was told so, a second, by transport.",
                "short",
                *_records("accepted", ""),
                span=6,
            ),
            stacked=True,
        ),
        series(
            about(
                "Refused and failed",
                "refused: the client was told that they are not stored. failed: lost to a failure inside.",
                "short",
                *_records("refused", " refused"),
                *_records("failed", " failed"),
                span=6,
            )
        ),
        series(
            about(
                "Requests by outcome",
                "Export requests: success, refused (the client was told why, or left), failure.",
                "reqps",
                PromQL(f"sum by (outcome) (rate(otelcol_receiver_requests{RATE}))", "{{outcome}}"),
                span=6,
            ),
            stacked=True,
        ),
        series(
            about(
                "Requests refused, by reason",
                "overloaded for long: add capacity. The other reasons are in docs/metrics.md.",
                "reqps",
                PromQL(f"sum by (signal, reason) (rate(ingest_refused_requests_total{RATE}))", "{{signal}} {{reason}}"),
                PromQL(f"sum(rate(ingest_refused_requests_total{RATE})) or vector(0)", "all"),
                span=6,
            )
        ),
    ]


def _records(outcome: str, said: str) -> list[PromQL]:
    """Of each signal, by transport."""
    return [
        PromQL(f"sum by (transport) (rate(otelcol_receiver_{outcome}_{noun}{RATE}))", f"{words}{said} {{{{transport}}}}")
        for noun, words in _SIGNALS.items()
    ]


def process() -> list[Panel]:
    """Answers to questions, and the process itself."""
    return [
        series(
            about(
                "Query latency",
                "Of the methods of the chosen repositories. Warning from 200 ms, bad from 1 s.",
                "s",
                *quantiles("storage_query_duration_seconds", 'repository=~"$repository"'),
                span=6,
            ),
            steps=rising(0.2, 1),
        ),
        series(
            about(
                "Lag of the event loop",
                "How late a timer is woken. p99 should stay below 50 ms.",
                "s",
                *quantiles("event_loop_lag_seconds"),
                span=6,
            ),
            steps=rising(0.05, 0.25),
        ),
        series(
            about(
                "Memory",
                "Resident memory of each process of the service.",
                "bytes",
                PromQL("process_resident_memory_bytes and on (instance, job) storage_database_up", "{{instance}}"),
                span=6,
            )
        ),
        series(
            about(
                "CPU",
                "Cores in use by each process of the service.",
                "short",
                PromQL(f"rate(process_cpu_seconds_total{RATE}) and on (instance, job) storage_database_up", "{{instance}}"),
                span=6,
            )
        ),
    ]
