"""Every Prometheus instrument of the service, declared once.

Names and labels are a contract with dashboards, alerts and the manual: `writer_type` = trace, metric, log, copy, and of lanes
(buffers, flushes) also late; `method` = copy, insert; `status` = success, error; `state` = active, idle, max; `buffer_type` =
rows, bytes.
The `otelcol_receiver_*` counters keep the Collector's names, unsuffixed, so that its dashboards work.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import UnknownMetricFamily
from prometheus_client.registry import Collector

# A second series for each, with the time it was made: of no use to anybody here.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

# The process itself: memory, CPU, file descriptors; the interpreter and its garbage collector.
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BYTES = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864)
_ROWS = (1, 10, 32, 100, 512, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000)


class UnsuffixedCounter(Collector):
    """A counter exported without the `_total` suffix, as the Collector exports its own (`otelcol_receiver_…`)."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...]) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._values: dict[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def inc(self, amount: float, *labels: str) -> None:
        """Add `amount` to the series with these label values, in declaration order."""
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def collect(self) -> list[UnknownMetricFamily]:
        """The family as Prometheus scrapes it: sample name equal to the metric name.

        Of unknown type: the exposition of a counter would be announced under the name with `_total`.
        """
        family = UnknownMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, value in sorted(self._values.items()):
            family.add_sample(self._name, dict(zip(self._labels, labels, strict=True)), value)
        return [family]


WRITES = Counter(
    "storage_writes_total", "Transactions that wrote records.", ("writer_type", "method", "status"), registry=REGISTRY
)
WRITE_DURATION = Histogram(
    "storage_write_duration_seconds",
    "Seconds from BEGIN to COMMIT of one write transaction.",
    ("writer_type", "method"),
    buckets=_LATENCY_SECONDS,
    registry=REGISTRY,
)
ITEMS_WRITTEN = Counter(
    "storage_items_written_total", "Records committed (spans, points, log records).", ("writer_type",), registry=REGISTRY
)
BATCH_SIZE = Histogram(
    "storage_batch_size", "Records in one write transaction.", ("writer_type",), buckets=_ROWS, registry=REGISTRY
)
QUERY_DURATION = Histogram(
    "storage_query_duration_seconds",
    "Seconds a repository method took.",
    ("repository", "method"),
    buckets=_LATENCY_SECONDS,
    registry=REGISTRY,
)
QUERY_RESULTS = Histogram(
    "storage_query_results", "Rows a repository method returned.", ("repository", "method"), buckets=_ROWS, registry=REGISTRY
)
QUERY_REFUSED = Counter(
    "query_refused_total", "Calls of the query service that ended with an error.", ("method", "code"), registry=REGISTRY
)
QUERY_CACHE_HITS = Counter("query_cache_hits_total", "Questions answered from the cache.", ("method",), registry=REGISTRY)
QUERY_CACHE_MISSES = Counter(
    "query_cache_misses_total", "Questions whose answer was not in the cache.", ("method",), registry=REGISTRY
)
QUERY_CACHE_ERRORS = Counter(
    "query_cache_errors_total",
    "What the cache failed with: slow (no answer in time), failed, rubbish (what it gave was not ours).",
    ("kind",),
    registry=REGISTRY,
)
POOL_CONNECTIONS = Gauge("storage_pool_connections", "Connections of the read pool by state.", ("state",), registry=REGISTRY)
CONNECTION_ACQUIRE = Histogram(
    "storage_connection_acquire_duration_seconds",
    "Seconds waited for a connection of the read pool.",
    buckets=_LATENCY_SECONDS,
    registry=REGISTRY,
)
ERRORS = Counter("storage_errors_total", "Errors of PostgreSQL by kind.", ("error_type",), registry=REGISTRY)
RETRIES = Counter("storage_retries_total", "Write transactions tried again after a transient error.", registry=REGISTRY)
BUFFER_SIZE = Gauge(
    "storage_buffer_size", "What waits for a commit, by lane.", ("writer_type", "buffer_type"), registry=REGISTRY
)
FLUSHES = Counter(
    "storage_flushes_total",
    "Groups handed to a committer; error when a request of the group failed.",
    ("writer_type", "status"),
    registry=REGISTRY,
)
DATABASE_UP = Gauge("storage_database_up", "1 when the last probe of the database succeeded, else 0.", registry=REGISTRY)

REJECTED = Counter(
    "otlp_records_rejected_total", "Records refused by themselves, by rule.", ("signal", "rule"), registry=REGISTRY
)
REPAIRED = Counter(
    "otlp_values_repaired_total", "Values changed so that they could be stored, by rule.", ("signal", "rule"), registry=REGISTRY
)
ODD = Counter(
    "otlp_records_odd_total",
    "What no specification allows and was stored as it came, by rule.",
    ("signal", "rule"),
    registry=REGISTRY,
)
DUPLICATE_REQUESTS = Counter(
    "ingest_duplicate_requests_total", "Requests answered from an earlier copy of themselves.", ("signal",), registry=REGISTRY
)
DEAD_LETTERS = Counter(
    "ingest_dead_letters_total", "Requests the database refused, kept in dead_letters.", ("signal",), registry=REGISTRY
)
INFLIGHT_BYTES = Gauge("ingest_inflight_bytes", "Bytes admitted and not yet committed or refused.", registry=REGISTRY)
INFLIGHT_LIMIT_BYTES = Gauge(
    "ingest_inflight_limit_bytes", "What ingest_inflight_bytes is kept below: INGEST_MAX_INFLIGHT_BYTES.", registry=REGISTRY
)
REQUEST_BYTES = Histogram(
    "otlp_request_bytes",
    "Size of a request after decompression, as protobuf or JSON.",
    ("signal", "transport", "encoding"),
    buckets=_BYTES,
    registry=REGISTRY,
)
HTTP_BODY_BYTES = Histogram(
    "otlp_http_body_bytes",
    "Size of a body on the wire, by how it was compressed.",
    ("signal", "encoding", "compression"),
    buckets=_BYTES,
    registry=REGISTRY,
)
HTTP_CONNECTIONS = Gauge("otlp_http_connections", "Connections to the HTTP port.", registry=REGISTRY)
REFUSED_REQUESTS = Counter(
    "ingest_refused_requests_total", "Requests answered with an error status.", ("signal", "reason"), registry=REGISTRY
)
LOOP_LAG = Histogram(
    "event_loop_lag_seconds",
    "How late the event loop woke a timer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
    registry=REGISTRY,
)
CODEC_INFO = Gauge(
    "codec_info",
    "1 for the codec in use, native or reference.",
    ("implementation", "version"),
    registry=REGISTRY,
)
MAINTENANCE_RUNS = Counter(
    "storage_maintenance_runs_total", "Runs of a maintenance step.", ("step", "status"), registry=REGISTRY
)
ROLLUP_PENDING_HOURS = Gauge(
    "storage_rollup_pending_hours",
    "Hours whose rollup tables are out of date; 0 where rollups are continuous aggregates.",
    registry=REGISTRY,
)

RECEIVER_ACCEPTED = {
    noun: UnsuffixedCounter(f"otelcol_receiver_accepted_{noun}", f"{noun} committed.", ("receiver", "transport"))
    for noun in ("spans", "metric_points", "log_records")
}
RECEIVER_REFUSED = {
    noun: UnsuffixedCounter(f"otelcol_receiver_refused_{noun}", f"{noun} refused.", ("receiver", "transport"))
    for noun in ("spans", "metric_points", "log_records")
}
RECEIVER_FAILED = {
    noun: UnsuffixedCounter(f"otelcol_receiver_failed_{noun}", f"{noun} failed inside.", ("receiver", "transport"))
    for noun in ("spans", "metric_points", "log_records")
}
RECEIVER_REQUESTS = UnsuffixedCounter(
    "otelcol_receiver_requests", "Export requests by what became of them.", ("receiver", "transport", "outcome")
)
