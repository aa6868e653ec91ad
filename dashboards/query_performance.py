"""Query Performance: what questions cost, what they give, and how PostgreSQL finds it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import variables
from dashboards.dashboard import Section
from dashboards.dashboard import dashboard as made_of
from dashboards.panels import about, bars, buckets, dial, listing, ranking, series
from dashboards.queries import PromQL
from dashboards.statements import slow, statement
from dashboards.thresholds import falling, rising

_OF = 'repository=~"$repository"'
_RATE = "[$__rate_interval]"


def dashboard() -> Dashboard:
    """The dashboard."""
    return made_of(
        "query-performance",
        "Query Performance",
        "Latency, throughput and results of the query service, its cache, and how PostgreSQL reads: indexes and scans.",
        shows="6h",
        variables=[variables.prometheus(), variables.postgres(), variables.time_range(), variables.repository()],
        sections=[
            Section("Latency and throughput", _latency()),
            Section("Results", _results()),
            Section("Cache and refusals", _cache()),
            Section("How PostgreSQL reads", _reads()),
        ],
    )


def _latency() -> list[Panel]:
    def quantile(part: float, by: str, window: str) -> str:
        return f"histogram_quantile({part}, sum by (le, {by}) (rate(storage_query_duration_seconds_bucket{{{_OF}}}{window})))"

    return [
        series(
            about(
                "Query latency by repository",
                "p95 of its methods. Aim: below 50 ms; warning from 200 ms, bad from 1 s.",
                "s",
                PromQL(quantile(0.95, "repository", _RATE), "{{repository}}"),
                span=12,
            ),
            steps=rising(0.2, 1),
        ),
        series(
            about(
                "Median by repository",
                "Half of the calls of its methods took less.",
                "s",
                PromQL(quantile(0.5, "repository", _RATE), "{{repository}}"),
                span=12,
            )
        ),
        series(
            about(
                "Query throughput by method",
                "Calls of repository methods a second.",
                "ops",
                PromQL(
                    f"sum by (repository, method) (rate(storage_query_duration_seconds_count{{{_OF}}}{_RATE}))",
                    "{{repository}} {{method}}",
                ),
                span=12,
                height=9,
            ),
            stacked=True,
        ),
        ranking(
            about(
                "Latency p95 by method",
                "Over the chosen time. Warning from 200 ms, bad from 1 s.",
                "s",
                PromQL(quantile(0.95, "repository, method", "[$time_range]"), "{{repository}} {{method}}"),
                span=12,
                height=9,
            ),
            steps=rising(0.2, 1),
        ),
    ]


def _results() -> list[Panel]:
    median = f"histogram_quantile(0.5, sum by (le, repository, method) (rate(storage_query_results_bucket{{{_OF}}}{_RATE})))"
    return [
        buckets(
            about(
                "Result counts",
                "How many calls a second gave how many rows (up to so many).",
                "none",
                PromQL(f"sum by (le) (rate(storage_query_results_bucket{{{_OF}}}{_RATE}))", "{{le}}"),
                span=12,
            )
        ),
        series(
            about(
                "Rows of a typical call",
                "The median of each method.",
                "short",
                PromQL(median, "{{repository}} {{method}}"),
                span=12,
            )
        ),
    ]


def _cache() -> list[Panel]:
    hits, misses = "sum(increase(query_cache_hits_total[$time_range]))", "sum(increase(query_cache_misses_total[$time_range]))"
    wait = f"histogram_quantile({{}}, sum by (le) (rate(storage_connection_acquire_duration_seconds_bucket{_RATE})))"
    return [
        dial(
            about(
                "Answers from the cache",
                "Of the questions that may be answered from it. Empty without REDIS_URL.",
                "percentunit",
                PromQL(f"({hits} or vector(0)) / ({misses} + ({hits} or vector(0)))", "hits"),
                span=4,
            ),
            most=1,
            steps=falling(0.3, 0.1),
        ),
        series(
            about(
                "Questions to the cache",
                "Answered from it, and not, by method; and what it failed with. Empty without REDIS_URL.",
                "reqps",
                PromQL(f"sum by (method) (rate(query_cache_hits_total{_RATE}))", "{{method}} hit"),
                PromQL(f"sum by (method) (rate(query_cache_misses_total{_RATE}))", "{{method}} miss"),
                PromQL(f"sum by (kind) (rate(query_cache_errors_total{_RATE}))", "error: {{kind}}"),
                span=8,
            ),
            stacked=True,
        ),
        series(
            about(
                "Refused queries",
                "Calls of the query service that ended with an error, by method and gRPC status.",
                "reqps",
                PromQL(f"sum by (method, code) (rate(query_refused_total{_RATE}))", "{{method}} {{code}}"),
                PromQL(f"sum(rate(query_refused_total{_RATE})) or vector(0)", "all"),
                span=6,
            )
        ),
        series(
            about(
                "Wait for a connection",
                "Of the read pool. Aim: p95 below 10 ms; warning from 50 ms, bad from 100 ms.",
                "s",
                PromQL(wait.format(0.5), "p50"),
                PromQL(wait.format(0.95), "p95"),
                span=6,
            ),
            steps=rising(0.05, 0.1),
        ),
    ]


def _reads() -> list[Panel]:
    return [
        slow(span=24, height=9),
        bars(
            about(
                "Sequential and index scans",
                "By table with all its partitions or chunks, since PostgreSQL's statistics were reset. "
                "Small tables are read sequentially, and rightly so.",
                "short",
                statement("scans", tree=True),
                span=10,
                height=11,
            ),
            category="table",
            stacked=True,
        ),
        listing(
            about(
                "Rows that scans read",
                "Many rows a sequential scan of a large table: an index is missing, or a bound on time.",
                "short",
                statement("rows_by_scan", tree=True),
                span=14,
                height=11,
            ),
            units={"by index": "percentunit"},
        ),
        listing(
            about(
                "Index usage",
                "Of each index with its parts on partitions, the least used first. Unique ones are needed even unused.",
                "short",
                statement("index_usage", tree=True),
                span=24,
                height=10,
            ),
            units={"size": "bytes"},
        ),
    ]
