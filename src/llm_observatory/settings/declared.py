"""The settings themselves: each with its name, type, unit, default, limit and what it is for; how they are shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from llm_observatory.quantity import parse_duration, show_duration, show_size
from llm_observatory.settings.kinds import (
    DAY,
    OFF,
    SECOND,
    Codec,
    ConnectionTime,
    ContentCapture,
    Duration,
    LogLevel,
    Names,
    Origins,
    OrOff,
    Port,
    PostgresUrl,
    RedisUrl,
    SelfTelemetry,
    Size,
    SocketPath,
    SslMode,
    Token,
    UrlPath,
)  # fmt: skip

SECRETS = frozenset({"database_url", "db_read_url", "db_direct_url", "db_password", "query_token", "redis_url"})
"""Settings whose value is never shown. A test holds this against the types."""

LIVE = frozenset({
    "accept_max_age", "accept_max_ahead", "chunk_interval", "compress_after", "content_capture", "content_max_bytes",
    "content_preview_bytes", "content_retention", "copy_direct_compress", "ledger_retention", "log_level", "retention",
    "rollup_retention",
})  # fmt: skip
"""What SIGHUP changes in a running process; the rest takes a restart."""

MASK = "********"

SHARED_PORT_AGE = timedelta(minutes=5)
"""Where processes share a port, only connections that end are spread anew."""


class Settings(BaseModel):
    """The settings in force. Field names are the environment's names in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    database_url: PostgresUrl | None = Field(
        None,
        description="PostgreSQL to use, `postgresql://user:password@host:port/name?sslmode=…`; without it and DB_HOST the "
        "embedded one runs",
    )
    db_read_url: PostgresUrl | None = Field(None, description="where queries go; the same server without it")
    db_direct_url: PostgresUrl | None = Field(
        None, description="past a transaction pooler (PgBouncer), for session locks and migrations"
    )
    db_host: str | None = Field(
        None,
        description="host or socket directory, when DATABASE_URL is not set; the six from DB_PORT to DB_SSL_MODE go with it",
    )
    db_port: int = Field(5432, ge=1, le=65535, description="port")
    db_name: str = Field("llm_observatory", description="database; also the name of the embedded one")
    db_user: str = Field("postgres", description="user")
    db_password: SecretStr | None = Field(None, description="password")
    db_ssl_mode: SslMode = Field(
        "prefer", description="`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`, as in libpq"
    )
    db_app_name: str = Field("llm-observatory-storage", description="`application_name` of every connection")

    db_pool_max_connections: int = Field(20, ge=1, le=1000, description="most connections of the read pool")
    db_pool_min_connections: int = Field(5, ge=0, le=1000, description="connections that are kept open")
    db_pool_connect_timeout: Duration = Field(
        10 * SECOND, ge=0.1 * SECOND, le=300 * SECOND, description="longest wait for a connection"
    )
    db_pool_idle_timeout: Duration = Field(
        300 * SECOND, ge=SECOND, description="an idle connection above the minimum is closed after this"
    )
    db_pool_max_lifetime: Duration = Field(1800 * SECOND, ge=SECOND, description="a connection is replaced after this")
    db_retry_max_attempts: int = Field(
        3,
        ge=1,
        le=100,
        description="tries of one write that the database answered with a transient error; while it cannot be reached "
        "none is counted. The hold ends them either way",
    )
    db_retry_initial_delay_ms: int = Field(100, ge=1, le=60_000, description="wait before the second try")
    db_retry_max_delay_ms: int = Field(5000, ge=1, le=600_000, description="longest wait between tries")
    db_retry_backoff_multiplier: float = Field(2.0, ge=1.0, le=10.0, description="growth of the wait")

    redis_url: RedisUrl | None = Field(
        None,
        description="query cache, `redis://…`; off without it. When it is away or slow, queries take the time they would "
        "without it",
    )
    redis_pool_size: int = Field(50, ge=1, le=10_000, description="connections to Redis")
    redis_timeout_secs: float = Field(5.0, gt=0, le=60, description="for one Redis command, in seconds")

    chunk_interval: Duration = Field(
        DAY, ge=3600 * SECOND, description="time span of one partition or chunk; divides a day or is whole days"
    )
    compress_after: Duration = Field(
        7 * DAY,
        ge=3600 * SECOND,
        description="age at which data counts as late and has a lane of its own; TimescaleDB compresses at this age",
    )
    retention: Duration = Field(
        90 * DAY, ge=7200 * SECOND, description="partitions or chunks older than this are dropped; at least two CHUNK_INTERVAL"
    )
    content_retention: Duration = Field(
        90 * DAY,
        ge=7200 * SECOND,
        description="the same for what was said (`llm_content`); by default RETENTION, 90 days at most; never longer than "
        "RETENTION",
    )
    rollup_retention: Duration = Field(
        730 * DAY,
        ge=7200 * SECOND,
        description="the same for sums by day; sums by hour are kept for RETENTION and two days, and this is never shorter",
    )
    content_capture: ContentCapture = Field(
        "full",
        description="what was said is stored: `full`, `truncated` to CONTENT_PREVIEW_BYTES, or `off`: not at all. It "
        "holds from the change on, not for what is stored",
    )
    content_max_bytes: Size = Field(
        1024**2, ge=1, le=64 * 1024**2, description="an item of content that is longer is cut; at most 64 MiB"
    )
    content_preview_bytes: Size = Field(1024, ge=1, le=1024**2, description="the same with `CONTENT_CAPTURE=truncated`")
    copy_direct_compress: bool = Field(
        default=False,
        description="TimescaleDB 2.28.1+, community licence: commits with 100 rows and more a source and day go into the "
        "columnstore at once, see engines.md. Without effect elsewhere",
    )
    ledger_retention: Duration = Field(21_600 * SECOND, ge=60 * SECOND, description="how long a retried request is recognised")
    accept_max_age: OrOff[Duration] = Field(
        None,
        description="older records are rejected one by one; by default RETENTION less CHUNK_INTERVAL; `off` accepts any age, "
        "and what is older than RETENTION is dropped by the next round of maintenance and is in no rollup. "
        "Use `off` for imports only: one small request with spans of thousands of different days makes "
        "thousands of partitions",
    )
    accept_max_ahead: Duration = Field(DAY, description="records further in the future are rejected")

    listen_host: str = Field("127.0.0.1", description="address of every port")
    otlp_grpc_port: Port = Field(4317, description="OTLP over gRPC, and `grpc.health.v1`")
    otlp_http_port: Port = Field(4318, description="OTLP over HTTP")
    otlp_grpc_socket: SocketPath | None = Field(
        None, description="path of a unix socket for OTLP over gRPC, beside the port: clients say `unix:/run/otlp/grpc.sock`"
    )
    otlp_http_socket: SocketPath | None = Field(None, description="the same for OTLP over HTTP")
    query_port: Port = Field(8080, description="queries over gRPC, with `grpc.health.v1` for each service")
    health_check_port: Port = Field(9090, description="`/health`, `/health/live`, `/health/ready`, `/metrics`")

    tls_cert_file: Path | None = Field(
        None,
        description="certificate chain, PEM, leaf first: the ports of OTLP and of queries speak TLS 1.2 and 1.3, and "
        "nothing else. Unix sockets and HEALTH_CHECK_PORT do not",
    )
    tls_key_file: Path | None = Field(
        None, description="the private key of TLS_CERT_FILE, PEM, without a passphrase, readable by the service's account alone"
    )
    tls_client_ca_file: Path | None = Field(None, description="clients must show a certificate that one of these, PEM, signed")
    tokens_file: Path | None = Field(
        None, description="who may send and who may ask; without it everybody who reaches the ports, as the tenant `default`"
    )
    query_token: Token | None = Field(None, description="the token that `llm-observatory query` and `tail` show")
    query_ca_file: Path | None = Field(
        None,
        description="whom `query` and `tail` trust over TLS, PEM; else TLS_CERT_FILE. Without either they speak TLS where "
        "`--endpoint` begins with `https://`, and trust as gRPC does",
    )

    otlp_grpc_max_concurrent_streams: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="calls at once on one connection; clients keep the rest back. A call that comes while others end may "
        "be refused (UNAVAILABLE)",
    )
    otlp_grpc_keepalive_time: ConnectionTime = Field(
        7200 * SECOND,
        description="a client that was silent so long is pinged; below the timeout of NAT and load balancers it keeps "
        "them from forgetting",
    )
    otlp_grpc_keepalive_timeout: ConnectionTime = Field(
        20 * SECOND, description="a connection is closed when a ping of ours has no answer within"
    )
    otlp_grpc_keepalive_min_time: ConnectionTime = Field(
        10 * SECOND,
        description="clients that ping more often are sent away (`too_many_pings`). The Collector has 5min, on which SDKs "
        "with shorter ones lose their connections",
    )
    otlp_grpc_keepalive_permit_without_stream: bool = Field(
        default=True,
        description="pings where there is no call, of clients and of ours; `false` sends clients away that do so more "
        "than every 2h",
    )
    otlp_grpc_max_connection_idle: OrOff[ConnectionTime] = Field(
        None, description="a connection without a call is ended after this"
    )
    otlp_grpc_max_connection_age: OrOff[ConnectionTime] = Field(
        None,
        description="any connection is ended after this, ±10 %: clients connect anew, and a load balancer can send them "
        "elsewhere. With `--share-port` 5min by default",
    )
    otlp_grpc_max_connection_age_grace: ConnectionTime = Field(
        30 * SECOND, description="calls on it have so long to end, then they are cut off (UNAVAILABLE)"
    )

    otlp_http_traces_path: UrlPath = Field("/v1/traces", description="where spans are received; the three must differ")
    otlp_http_metrics_path: UrlPath = Field("/v1/metrics", description="the same for metrics")
    otlp_http_logs_path: UrlPath = Field("/v1/logs", description="the same for log records")
    otlp_http_header_timeout: Duration = Field(
        10 * SECOND,
        ge=0.1 * SECOND,
        description="from the first byte of a request to the end of its headers, and for a TLS handshake; then the "
        "connection is closed",
    )
    otlp_http_idle_timeout: Duration = Field(
        60 * SECOND,
        ge=0.1 * SECOND,
        description="a connection without a request is closed after this, one that never sent any, too; so is one whose "
        "client takes no answers",
    )
    otlp_http_max_connection_age: OrOff[ConnectionTime] = Field(
        None, description="the first answer after this, ±10 %, says `Connection: close`. With `--share-port` 5min by default"
    )
    otlp_http_cors_allowed_origins: Origins = Field(
        (),
        description="web origins that may send, such as `https://app.example.com`; `*` stands for any text of a host, "
        "alone for every origin. Without any, browsers may not send",
    )
    otlp_http_cors_allowed_headers: Names = Field(
        (),
        description="request headers they may use beside `Content-Type`, `Content-Encoding` and `X-Requested-With`; `*` "
        "for all",
    )
    otlp_http_cors_max_age: Duration = Field(7200 * SECOND, description="how long a browser remembers that it may send")

    read_slots: int = Field(
        4,
        ge=1,
        le=64,
        description="request bodies that are read at the same time, one a connection and signal, and one more for a "
        "signal that has none; bounds memory",
    )
    otlp_read_timeout: Duration = Field(
        5 * SECOND,
        ge=0.1 * SECOND,
        le=300 * SECOND,
        description="for the body of one request, over gRPC and HTTP, from when it is asked for; then UNAVAILABLE (503). "
        "While others wait for its slot a body has a second",
    )
    max_items_per_request: int = Field(
        200_000, ge=1, le=10_000_000, description="records in one request; more is RESOURCE_EXHAUSTED (413)"
    )
    otlp_max_request_bytes: Size = Field(
        64 * 1024**2,
        ge=1024,
        le=1024**3,
        description="one request, before and after decompression, as JSON and as protobuf; more is RESOURCE_EXHAUSTED (413)",
    )
    batch_size: int = Field(10_000, ge=1, le=1_000_000, description="rows one transaction collects")
    flush_interval_ms: int = Field(
        0, ge=0, le=1000, description="linger before a commit; 0: at once where no committer of the lane is busy"
    )
    insert_max_fields: int = Field(
        0,
        ge=0,
        le=10_000,
        description="groups with up to so many fields (rows times columns) a table go by INSERT instead of COPY",
    )
    query_timeout: Duration = Field(
        30 * SECOND,
        ge=0.1 * SECOND,
        le=3600 * SECOND,
        description="for one query, unless the deadline of its client is earlier; then DEADLINE_EXCEEDED, and its "
        "statement is cancelled in the database. Five seconds later the database ends it by itself "
        "(`statement_timeout`)",
    )
    ingest_committers: int = Field(2, ge=1, le=16, description="connections that commit, a lane")
    ingest_max_inflight_bytes: Size = Field(
        64 * 1024**2,
        ge=1024**2,
        description="bytes admitted and not yet committed; beyond it requests wait, then hear UNAVAILABLE",
    )

    shutdown_grace: Duration = Field(
        20 * SECOND, ge=2 * SECOND, le=600 * SECOND, description="from SIGTERM to exit; keep it below the orchestrator's own"
    )
    log_level: LogLevel = Field("info", description="lowest level written: `debug`, `info`, `warning` or `error`")
    metrics_enabled: bool = Field(default=True, description="serve `/metrics`")
    self_telemetry: SelfTelemetry = Field(
        "off",
        description="what this process exports about itself by OTLP: `traces`, `metrics` or `all`; the destination: "
        "docs/metrics.md",
    )
    grpc_reflection: bool = Field(default=False, description="describe the gRPC services to tools that ask, such as grpcurl")
    observatory_codec: Codec = Field(
        "auto",
        description="`native`, `reference`, or `auto`: native if it is installed and runs this version of the table spec, "
        "else reference, which is some forty times slower; which one runs is in the log, `/health` and "
        "`codec_info`",
    )
    backup_dir: Path = Field(Path("/var/lib/postgresql/backups/daily"), description="folder of dumps")
    llm_observatory_data_dir: Path | None = Field(
        None,
        description="folder of the embedded PostgreSQL; by default `/var/lib/llm-observatory` for root, else the user's "
        "data folder: `~/.local/share/llm-observatory` (Linux), `~/Library/Application "
        "Support/llm-observatory` (macOS)",
    )

    @property
    def embedded(self) -> bool:
        """Whether the embedded PostgreSQL is used."""
        return self.database_url is None and self.db_host is None

    @property
    def kept_content_bytes(self) -> int:
        """How many bytes of an item of content are stored."""
        kept = {"full": self.content_max_bytes, "truncated": min(self.content_preview_bytes, self.content_max_bytes), "off": 0}
        return kept[self.content_capture]

    def sharing_ports(self) -> Self:
        """As they are where other processes listen on the same ports, for what is not set."""
        ages = dict.fromkeys(("otlp_grpc_max_connection_age", "otlp_http_max_connection_age"), SHARED_PORT_AGE)
        return self.model_copy(update={name: age for name, age in ages.items() if name not in self.model_fields_set})

    @model_validator(mode="before")
    @classmethod
    def _follow_retention(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            retention = parse_duration(values.get("retention", 90 * DAY))
            interval = parse_duration(values.get("chunk_interval", DAY))
        except ValueError:
            return values  # the faulty field itself is reported
        return {
            "accept_max_age": max(retention - interval, timedelta(hours=1)),
            "content_retention": max(min(retention, 90 * DAY), timedelta(hours=2)),
            "rollup_retention": max(min(retention, 36_500 * DAY), 730 * DAY),
            **values,
        }


def shown(settings: Settings, name: str) -> str:
    """The value of one setting as it would be written; a secret is masked, blank is none."""
    value = getattr(settings, name)
    if name in SECRETS and value is not None:
        return MASK
    match value:
        case None:
            return "off" if OFF in Settings.model_fields[name].metadata else ""
        case timedelta():
            return show_duration(value)
        case tuple():
            return ", ".join(value)
        case bool():
            return str(value).lower()
        case _:
            return show_size(value) if name.endswith("_bytes") else str(value)


def masked(settings: Settings) -> dict[str, str]:
    """Every setting as text under its environment name, secrets masked, for `check` and the log."""
    return {name.upper(): shown(settings, name) for name in Settings.model_fields}
