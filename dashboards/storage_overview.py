"""Storage Overview: is what arrives written, how fast, and what is in the way."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import variables
from dashboards.dashboard import Section
from dashboards.dashboard import dashboard as made_of
from dashboards.panels import about, dial, number, series
from dashboards.queries import PromQL
from dashboards.thresholds import BAD, any_is, falling, rising
from llm_observatory.settings import Settings

_WRITER = 'writer_type=~"$writer_type"'
_RATE = "[$__rate_interval]"
_SIGNALS = {"spans": "spans", "metric_points": "data points", "log_records": "log records"}


def dashboard() -> Dashboard:
    """The dashboard."""
    defaults = Settings.model_fields
    return made_of(
        "storage-overview",
        "Storage Overview",
        "Writes, buffers, errors, what clients were told, and queries of the LLM Observatory storage layer.",
        shows="1h",
        variables=[
            variables.prometheus(),
            variables.time_range(),
            variables.writer_type(),
            variables.repository(),
            variables.constant("batch_size", "BATCH_SIZE", str(defaults["batch_size"].default)),
        ],
        sections=[
            Section("Now", _now()),
            Section("Writing", _writing()),
            Section("COPY and INSERT", _methods()),
            Section("Buffers and flushes", _buffers()),
            Section("Errors", _errors()),
            Section("What clients were told", _clients()),
            Section("Reading, and the process", _process()),
        ],
    )


def _quantiles(metric: str, labels: str = "", window: str = _RATE, *, by: str = "") -> list[PromQL]:
    """p50, p95 and p99 of a histogram."""
    rate = f"sum by ({', '.join(filter(None, ('le', by)))}) (rate({metric}_bucket{{{labels}}}{window}))"
    return [PromQL(f"histogram_quantile({part / 100}, {rate})", f"p{part}") for part in (50, 95, 99)]


def _now() -> list[Panel]:
    window = "[$time_range]"
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
                PromQL(f"sum(rate(storage_items_written_total{{{_WRITER}}}{window}))", "a second"),
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
                    f'sum(rate(storage_writes_total{{status="success"}}{window})) / sum(rate(storage_writes_total{window}))',
                    "success",
                ),
                span=4,
                height=5,
            ),
            steps=falling(0.99, 0.95),
        ),
        number(
            about(
                "Write latency p95",
                "From BEGIN to COMMIT. Aim: below 100 ms.",
                "s",
                *_quantiles("storage_write_duration_seconds", _WRITER, window)[1:2],
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


def _writing() -> list[Panel]:
    return [
        series(
            about(
                "Write throughput",
                "Transactions committed a second, by writer.",
                "wps",
                PromQL(
                    f'sum by (writer_type) (rate(storage_writes_total{{status="success",{_WRITER}}}{_RATE}))', "{{writer_type}}"
                ),
            )
        ),
        series(
            about(
                "Write latency",
                "From BEGIN to COMMIT of one transaction, of all chosen writers. Warning from 500 ms, bad from 1 s.",
                "s",
                *_quantiles("storage_write_duration_seconds", _WRITER),
            ),
            steps=rising(0.5, 1),
        ),
        series(
            about(
                "Records written by type",
                "Spans (trace), data points (metric) and log records (log) committed a second.",
                "short",
                PromQL(f"sum by (writer_type) (rate(storage_items_written_total{{{_WRITER}}}{_RATE}))", "{{writer_type}}"),
            ),
            stacked=True,
        ),
    ]


def _methods() -> list[Panel]:
    by_method = f"sum by (method) (rate(storage_writes_total{{{_WRITER}}}{_RATE}))"
    p95 = f"histogram_quantile(0.95, sum by (le, method) (rate(storage_write_duration_seconds_bucket{{{_WRITER}}}{_RATE})))"
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
                *_quantiles("storage_batch_size", _WRITER)[:2],
            )
        ),
    ]


def _buffers() -> list[Panel]:
    lane = 'sum by (writer_type) (storage_buffer_size{{buffer_type="{}",' + _WRITER + "}})"
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
                PromQL(f'max(storage_buffer_size{{buffer_type="rows",{_WRITER}}}) / $batch_size', "rows of the fullest lane"),
                span=6,
            ),
            steps=rising(0.7, 0.9),
        ),
        series(
            about(
                "Flushes",
                "Groups handed to a committer, by lane and how it went. error: a request of the group failed.",
                "ops",
                PromQL(
                    f"sum by (writer_type, status) (rate(storage_flushes_total{{{_WRITER}}}{_RATE}))",
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
        series(
            about(
                "Retries",
                "Write transactions that were tried again after a transient error. An alert begins at 5 a second.",
                "ops",
                PromQL(f"sum(rate(storage_retries_total{_RATE}))", "retries"),
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
                PromQL(f"sum by (signal) (rate(ingest_duplicate_requests_total{_RATE}))", "{{signal}}"),
                PromQL(f"sum(rate(ingest_duplicate_requests_total{_RATE})) or vector(0)", "all"),
                span=9,
                height=6,
            )
        ),
    ]


def _errors() -> list[Panel]:
    return [
        series(
            about(
                "Errors of PostgreSQL",
                "By kind, a second. Aim: below 0.01; warning from 0.1, bad from 1.",
                "ops",
                PromQL(f"sum by (error_type) (rate(storage_errors_total{_RATE}))", "{{error_type}}"),
                PromQL(f"sum(rate(storage_errors_total{_RATE})) or vector(0)", "all"),
            ),
            steps=rising(0.1, 1),
        ),
        series(
            about(
                "Records rejected",
                "Records refused by themselves, by rule: a sender is wrong, and says so to nobody but us.",
                "short",
                PromQL(f"sum by (signal, rule) (rate(otlp_records_rejected_total{_RATE}))", "{{signal}} {{rule}}"),
                PromQL(f"sum(rate(otlp_records_rejected_total{_RATE})) or vector(0)", "all"),
            )
        ),
        series(
            about(
                "New dead letters",
                "Requests that went to dead_letters, by signal.",
                "short",
                PromQL(f"sum by (signal) (increase(ingest_dead_letters_total{_RATE}))", "{{signal}}"),
                PromQL(f"sum(increase(ingest_dead_letters_total{_RATE})) or vector(0)", "all"),
            )
        ),
    ]


def _clients() -> list[Panel]:
    accepted = [
        PromQL(f"sum by (transport) (rate(otelcol_receiver_accepted_{noun}{_RATE}))", f"{words} {{{{transport}}}}")
        for noun, words in _SIGNALS.items()
    ]
    refused = [
        PromQL(f"sum by (transport) (rate(otelcol_receiver_{outcome}_{noun}{_RATE}))", f"{words} {outcome} {{{{transport}}}}")
        for outcome in ("refused", "failed")
        for noun, words in _SIGNALS.items()
    ]
    return [
        series(
            about(
                "Acknowledged",
                "Records that were committed before their client was told so, a second, by transport.",
                "short",
                *accepted,
                span=6,
            ),
            stacked=True,
        ),
        series(
            about(
                "Refused and failed",
                "refused: the client was told that they are not stored. failed: lost to a failure inside.",
                "short",
                *refused,
                span=6,
            )
        ),
        series(
            about(
                "Requests by outcome",
                "Export requests: success, refused (the client was told why, or left), failure.",
                "reqps",
                PromQL(f"sum by (outcome) (rate(otelcol_receiver_requests{_RATE}))", "{{outcome}}"),
                span=6,
            ),
            stacked=True,
        ),
        series(
            about(
                "Requests refused, by reason",
                "overloaded for long: add capacity. The other reasons are in docs/metrics.md.",
                "reqps",
                PromQL(f"sum by (signal, reason) (rate(ingest_refused_requests_total{_RATE}))", "{{signal}} {{reason}}"),
                PromQL(f"sum(rate(ingest_refused_requests_total{_RATE})) or vector(0)", "all"),
                span=6,
            )
        ),
    ]


def _process() -> list[Panel]:
    return [
        series(
            about(
                "Query latency",
                "Of the methods of the chosen repositories. Warning from 200 ms, bad from 1 s.",
                "s",
                *_quantiles("storage_query_duration_seconds", 'repository=~"$repository"'),
                span=6,
            ),
            steps=rising(0.2, 1),
        ),
        series(
            about(
                "Lag of the event loop",
                "How late a timer is woken. p99 should stay below 50 ms.",
                "s",
                *_quantiles("event_loop_lag_seconds"),
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
                PromQL(f"rate(process_cpu_seconds_total{_RATE}) and on (instance, job) storage_database_up", "{{instance}}"),
                span=6,
            )
        ),
    ]
