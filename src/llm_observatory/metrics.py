"""Every Prometheus instrument of the service, declared once: name, labels, buckets and help.

Names and labels are a contract with dashboards, alerts and the manual; `docs/metrics-reference.md` is made of them, and of
`LABEL_VALUES` and `unit` at the end of this module. The `otelcol_receiver_*` counters keep the Collector's names, unsuffixed,
so that its dashboards work. What is seen by looking at the database is an `ObservedGauge`, set by `storage/observe`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
from prometheus_client.metrics_core import GaugeMetricFamily, UnknownMetricFamily
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

    def describe(self) -> list[UnknownMetricFamily]:
        """What it declares."""
        return [UnknownMetricFamily(self._name, self._documentation, labels=self._labels)]

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


class ObservedGauge(Collector):
    """A gauge whose series are those of the last observation: what was not seen is absent, which is not the same as zero."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._values: Mapping[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def show(self, value: float | None) -> None:
        """The value of a gauge without labels; None: nothing is known."""
        self._values = {} if value is None else {(): float(value)}

    def show_by(self, values: Mapping[str, float]) -> None:
        """The values of a gauge with one label, in place of all it had."""
        self._values = {(label,): float(value) for label, value in values.items()}

    def describe(self) -> list[GaugeMetricFamily]:
        """What it declares."""
        return [GaugeMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> list[GaugeMetricFamily]:
        """The family as Prometheus scrapes it."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, value in sorted(self._values.items()):
            family.add_metric(labels, value)
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
READY = Gauge(
    "storage_ready",
    "1 while records that come now are stored, or where the process takes none in, questions are answered; else 0.",
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
    "Size of a body on the wire, by how it was compressed; over gRPC the library does not tell it.",
    ("signal", "encoding", "compression"),
    buckets=_BYTES,
    registry=REGISTRY,
)
HTTP_CONNECTIONS = Gauge("otlp_http_connections", "Connections to the HTTP port of OTLP.", registry=REGISTRY)
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
    "Hours whose rollup tables are out of date; of usage corrections alone where rollups are continuous aggregates.",
    registry=REGISTRY,
)
USAGE_PENDING_TRACES = Gauge(
    "storage_usage_pending_traces",
    "Traces, by hour, of which spans have come that were not looked at together yet.",
    registry=REGISTRY,
)

OBSERVATIONS = Counter(
    "storage_observations_total",
    "Looks at the database; error when any of its readings failed.",
    ("status",),
    registry=REGISTRY,
)
OBSERVED_AT = ObservedGauge("storage_observation_timestamp_seconds", "When the database was last looked at with success.")
FIRST_MIGRATION = ObservedGauge("storage_database_first_migration_timestamp_seconds", "When the first migration was applied.")
DATABASE_SIZE = ObservedGauge("storage_database_size_bytes", "Size of the database on disk.")
TABLE_SIZE = ObservedGauge(
    "storage_table_size_bytes", "Size of a table with its indexes and TOAST, over all its partitions or chunks.", ("table",)
)
CACHE_HIT_RATIO = ObservedGauge(
    "storage_cache_hit_ratio",
    "Of blocks asked for those that were in shared buffers, since PostgreSQL's statistics were reset.",
)
TRANSACTIONS_ID_AGE = ObservedGauge(
    "storage_transactions_id_age", "Age of the oldest transaction id that is not frozen, of all databases of the server."
)
BACKUP_LAST_SUCCESS = ObservedGauge(
    "storage_backup_last_success_timestamp_seconds",
    "When the newest backup of a kind was finished; absent where there is none.",
    ("kind",),
)
BACKUP_SIZE = ObservedGauge(
    "storage_backup_size_bytes", "What the newest backup of a kind takes; absent where there is none.", ("kind",)
)
WAL_ARCHIVE_ENABLED = ObservedGauge(
    "storage_wal_archive_enabled", "1 where PostgreSQL archives its WAL (archive_mode), else 0."
)
WAL_ARCHIVE_LAST_SUCCESS = ObservedGauge(
    "storage_wal_archive_last_success_timestamp_seconds", "When a WAL file was last archived; absent where none was."
)
WAL_ARCHIVE_FAILURES = ObservedGauge(
    "storage_wal_archive_failures", "Failed tries to archive a WAL file since PostgreSQL's statistics were reset."
)
WAL_ARCHIVE_WAITING = ObservedGauge(
    "storage_wal_archive_waiting_files", "WAL files that wait to be archived; absent where the login may not look (pg_monitor)."
)
CERTIFICATE_EXPIRY = ObservedGauge(
    "storage_certificate_expiry_timestamp_seconds",
    "When a certificate of TLS ends; absent where there is none.",
    ("certificate",),
)
ROLLUP_LAG = ObservedGauge(
    "storage_rollup_lag_seconds",
    "For how long the oldest bucket that should be in a rollup is missing; 0 when none is.",
    ("rollup",),
)
DEAD_LETTER_ROWS = ObservedGauge("storage_dead_letters", "Requests in the table dead_letters.")
LEDGER_ROWS = ObservedGauge("storage_ledger_rows", "Requests in the table ingest_ledger, as PostgreSQL estimates it.")
LEDGER_OLDEST_AGE = ObservedGauge(
    "storage_ledger_oldest_age_seconds", "Age of the oldest row of ingest_ledger; absent when it is empty."
)
REPLICATION_LAG = ObservedGauge(
    "storage_replication_lag_seconds",
    "For how long a standby has not replayed what was written; absent where there is none, or the login may not look.",
    ("replica",),
)
MAINTENANCE_MODE = ObservedGauge("storage_maintenance_mode", "1 while records are refused for maintenance, else 0.")

RECEIVER_ACCEPTED = {
    noun: UnsuffixedCounter(f"otelcol_receiver_accepted_{noun}", f"{noun} committed.", ("receiver", "transport"))
    for noun in ("spans", "metric_points", "log_records")
}
RECEIVER_REFUSED = {
    noun: UnsuffixedCounter(
        f"otelcol_receiver_refused_{noun}", f"{noun} whose client was told that they are not stored.", ("receiver", "transport")
    )
    for noun in ("spans", "metric_points", "log_records")
}
RECEIVER_FAILED = {
    noun: UnsuffixedCounter(f"otelcol_receiver_failed_{noun}", f"{noun} lost to a failure inside.", ("receiver", "transport"))
    for noun in ("spans", "metric_points", "log_records")
}
RECEIVER_REQUESTS = UnsuffixedCounter(
    "otelcol_receiver_requests",
    "Export requests; refused: the client was told why, or left before its answer; failure: nobody foresaw it.",
    ("receiver", "transport", "outcome"),
)


@dataclass(frozen=True, slots=True)
class Declared:
    """An instrument as it is scraped. `buckets` of a histogram, without the last one, which holds everything."""

    name: str
    type: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]
    help: str

    @property
    def unit(self) -> str:
        """What the value counts or measures, in base units."""
        if self.name in _UNITS:
            return _UNITS[self.name]
        return next((unit for suffix, unit in _SUFFIXES.items() if self.name.endswith(suffix)), "1")


_SUFFIXES = {
    "_timestamp_seconds": "seconds since 1970",
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_ratio": "ratio, 0 to 1",
    "_age": "transactions",
    "_hours": "hours",
    "_rows": "rows",
    "_files": "files",
    "_connections": "connections",
}
_UNITS = {
    "storage_batch_size": "records",
    "storage_items_written_total": "records",
    "storage_query_results": "rows",
    "storage_buffer_size": "rows or bytes",
    "storage_dead_letters": "rows",
}


def declared() -> Iterator[Declared]:
    """Every instrument of this module, in order; the process and the interpreter are measured beside them."""
    groups = (RECEIVER_ACCEPTED, RECEIVER_REFUSED, RECEIVER_FAILED)
    unsuffixed = [RECEIVER_REQUESTS, *(counter for group in groups for counter in group.values())]
    for found in (*globals().values(), *(counter for counter in unsuffixed if counter is not RECEIVER_REQUESTS)):
        if isinstance(found, Counter | Gauge | Histogram | ObservedGauge | UnsuffixedCounter):
            (family,) = found.describe()
            name = family.name + ("_total" if isinstance(found, Counter) else "")
            kind = "counter" if isinstance(found, UnsuffixedCounter) else family.type
            buckets = tuple(found._upper_bounds[:-1]) if isinstance(found, Histogram) else ()  # noqa: SLF001
            labels = found._labels if isinstance(found, ObservedGauge | UnsuffixedCounter) else found._labelnames  # noqa: SLF001
            yield Declared(name, kind, tuple(labels), buckets, family.documentation)


_SIGNALS = ("traces", "metrics", "logs")
_LANES = ("trace", "metric", "log", "late")

LABEL_VALUES: dict[str, tuple[str, ...]] = {
    "writer_type": ("trace", "metric", "log"),
    "storage_buffer_size writer_type": _LANES,
    "storage_flushes_total writer_type": _LANES,
    "storage_writes_total method": ("copy", "insert"),
    "storage_write_duration_seconds method": ("copy", "insert"),
    "status": ("success", "error"),
    "state": ("active", "idle", "max"),
    "buffer_type": ("rows", "bytes"),
    "error_type": ("unavailable", "schema", "data", "missing_partition", "other"),
    "signal": _SIGNALS,
    "ingest_refused_requests_total signal": (*_SIGNALS, "none"),
    "reason": (
        "overloaded", "shutting_down", "slow_body", "storage_unavailable", "schema_mismatch", "data_rejected", "unexpected",
        "invalid_payload", "unreadable_body", "request_too_large", "not_found", "method_not_allowed", "unsupported_media_type",
        "header_too_large", "invalid_http", "unauthenticated", "permission_denied",
        "under_maintenance",
    ),
    "receiver": ("otlp",),
    "transport": ("grpc", "http"),
    "outcome": ("success", "refused", "failure"),
    "encoding": ("protobuf", "json"),
    "compression": ("none", "gzip", "deflate", "zstd"),
    "implementation": ("native", "reference"),
    "query_cache_errors_total kind": ("slow", "failed", "rubbish"),
    "kind": ("physical", "dump"),
    "certificate": ("database", "otlp"),
    "step": (
        "reconcile", "partitions", "rollups", "usage_corrections", "search_filters", "retention", "ledger", "log_feed",
        "dead_letters", "dimensions", "analyze",
    ),
}  # fmt: skip
"""What a label can be, by its name, or by metric and label where that differs. What other rooms name (tables, rules,
repositories, calls) `app/reference/metrics.py` asks them for."""
