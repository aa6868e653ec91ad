"""Database Health: is PostgreSQL well, what do its connections, caches and disks do, and is it kept safe."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import variables
from dashboards.dashboard import Section
from dashboards.dashboard import dashboard as made_of
from dashboards.panels import about, bars, buckets, dial, listing, number, ranking, rows_of_heat, series, shares
from dashboards.queries import PromQL
from dashboards.statements import slow, statement
from dashboards.thresholds import BAD, any_is, falling, rising

_DAY = 86_400
_UP = {"1": ("up", "green"), "0": ("DOWN", "red")}
_WRITES = 'storage_write_duration_seconds_bucket{writer_type=~"$writer_type"}[$__rate_interval]'
_QUERIES = 'storage_query_duration_seconds_bucket{repository=~"$repository"}[$__rate_interval]'


def dashboard() -> Dashboard:
    """The dashboard."""
    return made_of(
        "database-health",
        "Database Health",
        "Health, connections, latency, errors, caches, sizes, backups of the database of the LLM Observatory storage layer.",
        shows="6h",
        variables=[
            variables.prometheus(),
            variables.postgres(),
            variables.time_range(),
            variables.writer_type(),
            variables.repository(),
        ],
        sections=[
            Section("Health", _states() + _ages()),
            Section("Connections", _connections()),
            Section("Latency", _latency()),
            Section("Errors and slow statements", _errors()),
            Section("Cache, size and growth", _cache() + _growth() + _tables()),
            Section("Kept up and kept safe", _kept_up() + _kept_safe()),
        ],
    )


def _states() -> list[Panel]:
    return [
        number(
            about(
                "Database",
                "Whether the last probe succeeded, in every process of the service.",
                "none",
                PromQL("min(storage_database_up)", "database"),
                span=4,
                height=5,
            ),
            words=_UP,
        ),
        number(
            about(
                "Maintenance",
                "on: records are refused, clients come back.",
                "none",
                PromQL("max(storage_maintenance_mode)", "maintenance"),
                span=4,
                height=5,
            ),
            words={"0": ("off", "green"), "1": ("ON", "orange")},
        ),
        number(
            about(
                "Errors",
                "Errors of PostgreSQL a second. Aim: below 0.01; warning from 0.1, bad from 1.",
                "ops",
                PromQL("sum(rate(storage_errors_total[$time_range])) or vector(0)", "errors"),
                span=4,
                height=5,
            ),
            steps=rising(0.1, 1),
        ),
        number(
            about(
                "Dead letters",
                "Rows of dead_letters: requests that PostgreSQL refused for good.",
                "short",
                PromQL("max(storage_dead_letters)", "requests"),
                span=4,
                height=5,
            ),
            steps=any_is(BAD),
        ),
    ]


def _ages() -> list[Panel]:
    return [
        number(
            about(
                "Age of transaction ids",
                "The oldest id that is not frozen. At 200 million autovacuum begins by itself, at two "
                "thousand million PostgreSQL stops.",
                "short",
                PromQL("max(storage_transactions_id_age)", "age"),
                span=4,
                height=5,
            ),
            steps=rising(500_000_000, 1_000_000_000),
        ),
        number(
            about(
                "Replication lag",
                "For how long each standby has not replayed what was written. Empty without one.",
                "s",
                PromQL("max by (replica) (storage_replication_lag_seconds)", "{{replica}}"),
                span=4,
                height=5,
            ),
            steps=rising(30, 300),
        ),
    ]


def _connections() -> list[Panel]:
    p95 = "histogram_quantile(0.95, sum by (le) (rate(storage_connection_acquire_duration_seconds_bucket[$__rate_interval])))"
    return [
        series(
            about(
                "Connections of the read pool",
                "Busy, idle, and how many there may be; committers have their own.",
                "short",
                PromQL("sum by (state) (storage_pool_connections)", "{{state}}"),
                span=6,
            )
        ),
        shares(
            about(
                "Read pool now",
                "Its connections, busy and idle.",
                "short",
                PromQL('sum by (state) (storage_pool_connections{state=~"active|idle"})', "{{state}}"),
                span=5,
            )
        ),
        series(
            about(
                "Wait for a connection, p95",
                "Aim: below 10 ms; warning from 50 ms, bad from 100 ms.",
                "s",
                PromQL(p95, "p95"),
                span=5,
            ),
            steps=rising(0.05, 0.1),
        ),
        listing(
            about(
                "Sessions",
                "Who is connected to the database, of pg_stat_activity. A login without pg_monitor sees little of others.",
                "short",
                statement("sessions"),
                span=8,
            ),
            units={"oldest transaction": "s"},
        ),
    ]


def _latency() -> list[Panel]:
    return [
        buckets(
            about(
                "Query latency",
                "How many queries a second took how long, of the chosen repositories.",
                "s",
                PromQL(f"sum by (le) (rate({_QUERIES}))", "{{le}}"),
                span=12,
            )
        ),
        buckets(
            about(
                "Write latency",
                "How many transactions a second took how long, of the chosen writers.",
                "s",
                PromQL(f"sum by (le) (rate({_WRITES}))", "{{le}}"),
                span=12,
            )
        ),
        rows_of_heat(
            about(
                "Query latency p95 by repository and method",
                "The darker, the slower.",
                "s",
                PromQL(
                    f"histogram_quantile(0.95, sum by (le, repository, method) (rate({_QUERIES})))", "{{repository}} {{method}}"
                ),
                span=12,
            )
        ),
        rows_of_heat(
            about(
                "Write latency p95 by writer and method",
                "The darker, the slower.",
                "s",
                PromQL(
                    f"histogram_quantile(0.95, sum by (le, writer_type, method) (rate({_WRITES})))",
                    "{{writer_type}} {{method}}",
                ),
                span=12,
            )
        ),
    ]


def _errors() -> list[Panel]:
    return [
        shares(
            about(
                "Errors by kind",
                "Errors of PostgreSQL over the chosen time; docs/metrics.md says what each is. Empty: there were none.",
                "short",
                PromQL("sum by (error_type) (increase(storage_errors_total[$time_range]))", "{{error_type}}"),
                span=7,
                height=9,
            )
        ),
        slow(span=17, height=9),
    ]


def _cache() -> list[Panel]:
    return [
        dial(
            about(
                "Cache hits",
                "Of blocks that were asked for those in shared buffers. Aim: above 95 %; bad below 85 %.",
                "percentunit",
                PromQL("min(storage_cache_hit_ratio)", "hits"),
                span=5,
            ),
            most=1,
            steps=falling(0.95, 0.85),
        ),
        series(
            about(
                "Cache hits over time",
                "The same; falling: what is read does not fit into memory any more.",
                "percentunit",
                PromQL("min(storage_cache_hit_ratio)", "hits"),
                span=6,
            ),
            steps=falling(0.95, 0.85),
        ),
    ]


def _growth() -> list[Panel]:
    growth = f"max(deriv(storage_database_size_bytes[$time_range])) * {_DAY}"
    return [
        series(
            about(
                "Database size",
                "On disk, with indexes.",
                "bytes",
                PromQL("max(storage_database_size_bytes)", "database"),
                span=7,
            )
        ),
        number(
            about(
                "Growth",
                "What the database gains in a day, if it goes on as in the chosen time.",
                "bytes",
                PromQL(growth, "a day"),
                span=6,
            )
        ),
    ]


def _tables() -> list[Panel]:
    return [
        bars(
            about(
                "Table sizes",
                "The largest tables with all their partitions or chunks. On TimescaleDB compressed chunks are not in it: "
                "see the next panel.",
                "bytes",
                statement("table_sizes", tree=True),
                span=8,
                height=11,
            ),
            category="table",
            stacked=True,
        ),
        series(
            about(
                "Table sizes over time",
                "The same, compressed chunks included, as the service observes them.",
                "bytes",
                PromQL("topk(10, max by (table) (storage_table_size_bytes))", "{{table}}"),
                span=6,
                height=11,
            )
        ),
        listing(
            about(
                "Tables",
                "Rows, dead rows, cache hits, and when they were last vacuumed, over all partitions.",
                "short",
                statement("table_state", tree=True),
                span=10,
                height=11,
            ),
            units={"cache hits": "percentunit"},
        ),
    ]


def _kept_up() -> list[Panel]:
    return [
        series(
            about(
                "Rollup lag",
                "For how long the oldest bucket that should be in a rollup is missing; reading computes it meanwhile.",
                "s",
                PromQL("max by (rollup) (storage_rollup_lag_seconds)", "{{rollup}}"),
                span=6,
            ),
            steps=rising(1800, 7200),
        ),
        series(
            about(
                "Hours to sum up",
                "Hours whose rollup tables are out of date; 0 with continuous aggregates.",
                "short",
                PromQL("max(storage_rollup_pending_hours)", "hours"),
                span=6,
            )
        ),
        series(
            about(
                "Ledger",
                "Requests in ingest_ledger, which is kept for LEDGER_RETENTION.",
                "short",
                PromQL("max(storage_ledger_rows)", "requests"),
                span=6,
            )
        ),
        number(
            about(
                "Oldest ledger row",
                "Beyond LEDGER_RETENTION and an hour: pruning does not get on.",
                "s",
                PromQL("max(storage_ledger_oldest_age_seconds)", "age"),
                span=6,
            ),
            steps=rising(25_200, _DAY),
        ),
    ]


def _kept_safe() -> list[Panel]:
    return [
        ranking(
            about(
                "Age of the newest backup",
                "By kind. Empty: there is none.",
                "s",
                PromQL("time() - max by (kind) (storage_backup_last_success_timestamp_seconds)", "{{kind}}"),
                span=6,
                height=6,
            ),
            steps=rising(_DAY, 2 * _DAY),
        ),
        ranking(
            about(
                "Size of the newest backup",
                "By kind.",
                "bytes",
                PromQL("max by (kind) (storage_backup_size_bytes)", "{{kind}}"),
                span=6,
                height=6,
            )
        ),
        number(
            about(
                "WAL archiving",
                "off: in the worst case all since the newest backup is lost.",
                "none",
                PromQL("min(storage_wal_archive_enabled)", "archiving"),
                span=4,
                height=6,
            ),
            words={"1": ("on", "green"), "0": ("off", "orange")},
        ),
        series(
            about(
                "WAL that waits",
                "Files that wait to be archived, and tries that failed within the chosen time.",
                "short",
                PromQL("max(storage_wal_archive_waiting_files)", "waiting"),
                PromQL("max(delta(storage_wal_archive_failures[$time_range]))", "failed"),
                span=4,
                height=6,
            )
        ),
        number(
            about(
                "Certificates end in",
                "How long each certificate of TLS is still good. Empty without TLS.",
                "s",
                PromQL("min by (certificate) (storage_certificate_expiry_timestamp_seconds) - time()", "{{certificate}}"),
                span=4,
                height=6,
            ),
            steps=falling(30 * _DAY, 7 * _DAY),
        ),
    ]
