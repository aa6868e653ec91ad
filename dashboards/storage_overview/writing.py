"""Is what arrives written, and how fast."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import about, dial, number, series
from dashboards.queries import PromQL
from dashboards.storage_overview.rates import OVER_TIME_RANGE, RATE, WRITER, quantiles
from dashboards.thresholds import BAD, any_is, falling, rising


def now() -> list[Panel]:
    """A number each."""
    return [*_stored(), *_strained()]


def _stored() -> list[Panel]:
    return [
        number(
            about(
                "Database",
                "Whether the last probe of the database succeeded, in every process.",
                "none",
                PromQL("min(storage_database_up)", "database"),
                span=4,
                height=5,
            ),
            words={"1": ("up", "green"), "0": ("DOWN", "red")},
        ),
        number(
            about(
                "Records written",
                "Spans, data points and log records committed a second.",
                "short",
                PromQL(f"sum(rate(storage_items_written_total{{{WRITER}}}{OVER_TIME_RANGE}))", "a second"),
                span=4,
                height=5,
            ),
        ),
        number(
            about(
                "Write success",
                "Of write transactions those that were committed. Clients were told of the others, and come back.",
                "percentunit",
                PromQL(
                    f'sum(rate(storage_writes_total{{status="success"}}{OVER_TIME_RANGE}))'
                    f" / sum(rate(storage_writes_total{OVER_TIME_RANGE}))",
                    "success",
                ),
                span=4,
                height=5,
            ),
            steps=falling(0.99, 0.95),
        ),
    ]


def _strained() -> list[Panel]:
    return [
        number(
            about(
                "Write latency p95",
                "From BEGIN to COMMIT. Aim: below 100 ms.",
                "s",
                *quantiles("storage_write_duration_seconds", WRITER, OVER_TIME_RANGE)[1:2],
                span=4,
                height=5,
            ),
            steps=rising(0.5, 1),
        ),
        dial(
            about(
                "Read pool in use",
                "Connections of the read pool that are busy, of those it may have; of the busiest process.",
                "percentunit",
                PromQL(
                    'max(storage_pool_connections{state="active"} / ignoring (state) storage_pool_connections{state="max"})',
                    "in use",
                ),
                span=4,
                height=5,
            ),
            most=1,
            steps=rising(0.8, 0.9),
        ),
        number(
            about(
                "Dead letters",
                "Requests that PostgreSQL refused for good and that are kept in dead_letters: somebody's data to look at.",
                "short",
                PromQL("max(storage_dead_letters)", "requests"),
                span=4,
                height=5,
            ),
            steps=any_is(BAD),
        ),
    ]


def writing() -> list[Panel]:
    """Transactions and records, by writer."""
    return [
        series(
            about(
                "Write throughput",
                "Transactions committed a second, by writer.",
                "wps",
                PromQL(
                    f'sum by (writer_type) (rate(storage_writes_total{{status="success",{WRITER}}}{RATE}))', "{{writer_type}}"
                ),
            )
        ),
        series(
            about(
                "Write latency",
                "From BEGIN to COMMIT of one transaction, of all chosen writers. Warning from 500 ms, bad from 1 s.",
                "s",
                *quantiles("storage_write_duration_seconds", WRITER),
            ),
            steps=rising(0.5, 1),
        ),
        series(
            about(
                "Records written by type",
                "Spans (trace), data points (metric) and log records (log) committed a second.",
                "short",
                PromQL(f"sum by (writer_type) (rate(storage_items_written_total{{{WRITER}}}{RATE}))", "{{writer_type}}"),
            ),
            stacked=True,
        ),
    ]


def methods() -> list[Panel]:
    """COPY against INSERT."""
    by_method = f"sum by (method) (rate(storage_writes_total{{{WRITER}}}{RATE}))"
    p95 = f"histogram_quantile(0.95, sum by (le, method) (rate(storage_write_duration_seconds_bucket{{{WRITER}}}{RATE})))"
    return [
        series(
            about(
                "Transactions by method",
                "COPY, and INSERT where INSERT_MAX_FIELDS allows it (it is 0 by default: all is COPY).",
                "wps",
                PromQL(by_method, "{{method}}"),
            )
        ),
        series(
            about("Latency p95 by method", "What each of the two takes, from BEGIN to COMMIT.", "s", PromQL(p95, "{{method}}"))
        ),
        series(
            about(
                "Records in a transaction",
                "How well group commit gathers: the median and p95 of records a transaction.",
                "short",
                *quantiles("storage_batch_size", WRITER)[:2],
            )
        ),
    ]
