"""What waits before it is written, what is tried again, and what fails."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import about, number, series
from dashboards.queries import PromQL
from dashboards.storage_overview.rates import RATE, WRITER
from dashboards.thresholds import falling, rising


def buffers() -> list[Panel]:
    """Of each lane."""
    return [*_waiting(), *_flushes(), *_again()]


def _waiting() -> list[Panel]:
    lane = 'sum by (writer_type) (storage_buffer_size{{buffer_type="{}",' + WRITER + "}})"
    return [
        series(
            about(
                "Rows that wait",
                "Rows in each lane that wait for a committer. late: rows older than COMPRESS_AFTER.",
                "short",
                PromQL(lane.format("rows"), "{{writer_type}}"),
                span=6,
            ),
            stacked=True,
        ),
        series(
            about(
                "Bytes that wait",
                "The same as bytes of COPY.",
                "bytes",
                PromQL(lane.format("bytes"), "{{writer_type}}"),
                span=6,
            ),
            stacked=True,
        ),
        series(
            about(
                "Buffers against their limits",
                "The fullest process. Bytes admitted and not yet committed, of INGEST_MAX_INFLIGHT_BYTES: at 100 % clients are "
                "refused. Rows that wait in the fullest lane, of BATCH_SIZE: above 100 % one transaction does not empty it. "
                "Set BATCH_SIZE at the top as the service has it.",
                "percentunit",
                PromQL("max(ingest_inflight_bytes / ingest_inflight_limit_bytes)", "bytes in flight"),
                PromQL(f'max(storage_buffer_size{{buffer_type="rows",{WRITER}}}) / $batch_size', "rows of the fullest lane"),
                span=6,
            ),
            steps=rising(0.7, 0.9),
        ),
    ]


def _flushes() -> list[Panel]:
    return [
        series(
            about(
                "Flushes",
                "Groups handed to a committer, by lane and how it went. error: a request of the group failed.",
                "ops",
                PromQL(
                    f"sum by (writer_type, status) (rate(storage_flushes_total{{{WRITER}}}{RATE}))",
                    "{{writer_type}} {{status}}",
                ),
                span=6,
            ),
            stacked=True,
        ),
        number(
            about(
                "Flush success",
                "Of the groups handed to a committer those of which every request was stored.",
                "percentunit",
                PromQL(
                    'sum(increase(storage_flushes_total{status="success"}[$time_range]))'
                    " / sum(increase(storage_flushes_total[$time_range]))",
                    "success",
                ),
                span=6,
                height=6,
            ),
            steps=falling(0.99, 0.95),
        ),
    ]


def _again() -> list[Panel]:
    return [
        series(
            about(
                "Retries",
                "Write transactions that were tried again after a transient error. An alert begins at 5 a second.",
                "ops",
                PromQL(f"sum(rate(storage_retries_total{RATE}))", "retries"),
                span=9,
                height=6,
            ),
            steps=rising(1, 5),
        ),
        series(
            about(
                "Repeated requests",
                "Requests answered from an earlier copy of themselves: clients that came back. They are stored once.",
                "reqps",
                PromQL(f"sum by (signal) (rate(ingest_duplicate_requests_total{RATE}))", "{{signal}}"),
                PromQL(f"sum(rate(ingest_duplicate_requests_total{RATE})) or vector(0)", "all"),
                span=9,
                height=6,
            )
        ),
    ]


def errors() -> list[Panel]:
    """Of PostgreSQL, and of what clients send."""
    return [
        series(
            about(
                "Errors of PostgreSQL",
                "By kind, a second. Aim: below 0.01; warning from 0.1, bad from 1.",
                "ops",
                PromQL(f"sum by (error_type) (rate(storage_errors_total{RATE}))", "{{error_type}}"),
                PromQL(f"sum(rate(storage_errors_total{RATE})) or vector(0)", "all"),
            ),
            steps=rising(0.1, 1),
        ),
        series(
            about(
                "Records rejected",
                "Records refused by themselves, by rule: a sender is wrong, and says so to nobody but us.",
                "short",
                PromQL(f"sum by (signal, rule) (rate(otlp_records_rejected_total{RATE}))", "{{signal}} {{rule}}"),
                PromQL(f"sum(rate(otlp_records_rejected_total{RATE})) or vector(0)", "all"),
            )
        ),
        series(
            about(
                "New dead letters",
                "Requests that went to dead_letters, by signal.",
                "short",
                PromQL(f"sum by (signal) (increase(ingest_dead_letters_total{RATE}))", "{{signal}}"),
                PromQL(f"sum(increase(ingest_dead_letters_total{RATE})) or vector(0)", "all"),
            )
        ),
    ]
