"""The settings themselves: each with its name, type, unit, default, limit and what it is for; how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from llm_observatory.quantity import parse_duration, parse_size, show_duration, show_size

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

BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may stand behind Bearer in a header (RFC 6750, 2.1)."""

T = TypeVar("T")


def _none_if_off(value: object) -> object:
    return None if str(value).lower() == "off" else value


def _begins_with(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        return value

    return check


def _token(value: SecretStr) -> SecretStr:
    if not BEARER_TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be one word of A-Z a-z 0-9 . _ ~ + / -, with any number of = behind it")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _parse_names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _origin(value: str) -> str:
    _, scheme, host = value.rpartition("://")
    if value not in ("*", "null") and ("/" in host or not scheme):
        raise ValueError("must be origins, such as https://app.example.com, without a path, or *")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(le=timedelta(days=36_500))]
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ConnectionTime = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=0.1 * SECOND, le=24 * DAY)]
"""grpcio takes milliseconds up to 2^31."""
OFF = BeforeValidator(_none_if_off)
OrOff = Annotated[T | None, OFF]
"""The word `off` is None, and None is shown as it."""
Size = Annotated[int, BeforeValidator(parse_size)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_begins_with("postgresql://", "postgres://"))]
RedisUrl = Annotated[SecretStr, AfterValidator(_begins_with("redis://", "rediss://", "unix://"))]
Token = Annotated[SecretStr, AfterValidator(_token)]
Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], BeforeValidator(_parse_names)]
"""Separated by commas."""
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_parse_names)]
UrlPath = Annotated[str, Field(pattern=r"^/[!$-;=@-Z_a-z~]*$")]
SocketPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/@+-]{1,102}$")]
"""Absolute, in characters that are the same in a gRPC target, and no longer than macOS allows."""

SslMode = Annotated[Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], BeforeValidator(_lower)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
SelfTelemetry = Annotated[Literal["off", "traces", "metrics", "all"], BeforeValidator(_lower)]
Codec = Annotated[Literal["auto", "native", "reference"], BeforeValidator(_lower)]
ContentCapture = Annotated[Literal["full", "truncated", "off"], BeforeValidator(_lower)]


class Conflict(NamedTuple):
    """What is wrong between settings that are each right by themselves."""

    names: AbstractSet[str]
    message: str


class Settings(BaseModel):
    """The settings in force. Field names are the environment's names in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    database_url: PostgresUrl | None = Field(
        None, description="PostgreSQL to use; without it and DB_HOST the embedded one runs"
    )
    db_read_url: PostgresUrl | None = Field(None, description="where queries go; as DATABASE_URL by default")
    db_direct_url: PostgresUrl | None = Field(None, description="past a transaction pooler, for session locks and migrations")
    db_host: str | None = Field(None, description="host or socket directory, when DATABASE_URL is not set")
    db_port: int = Field(5432, ge=1, le=65535, description="with DB_HOST")
    db_name: str = Field("llm_observatory", description="with DB_HOST, and the embedded database's name")
    db_user: str = Field("postgres", description="with DB_HOST")
    db_password: SecretStr | None = Field(None, description="with DB_HOST")
    db_ssl_mode: SslMode = Field("prefer", description="with DB_HOST; libpq's sslmode")
    db_app_name: str = Field("llm-observatory-storage", description="application_name of every connection")

    db_pool_max_connections: int = Field(20, ge=1, le=1000, description="read pool")
    db_pool_min_connections: int = Field(5, ge=0, le=1000, description="read pool")
    db_pool_connect_timeout: Duration = Field(10 * SECOND, ge=0.1 * SECOND, le=300 * SECOND, description="to get a connection")
    db_pool_idle_timeout: Duration = Field(
        300 * SECOND, ge=SECOND, description="an idle connection above the minimum is closed"
    )
    db_pool_max_lifetime: Duration = Field(1800 * SECOND, ge=SECOND, description="a connection is replaced after")
    db_retry_max_attempts: int = Field(3, ge=1, le=100, description="tries of one write after transient errors")
    db_retry_initial_delay_ms: int = Field(100, ge=1, le=60_000, description="before the second try")
    db_retry_max_delay_ms: int = Field(5000, ge=1, le=600_000, description="the longest wait between tries")
    db_retry_backoff_multiplier: float = Field(2.0, ge=1.0, le=10.0, description="growth of the wait")

    redis_url: RedisUrl | None = Field(None, description="optional query cache; off without it")
    redis_pool_size: int = Field(50, ge=1, le=10_000, description="connections to Redis")
    redis_timeout_secs: float = Field(5.0, gt=0, le=60, description="for one Redis command")

    chunk_interval: Duration = Field(DAY, ge=3600 * SECOND, description="time span of one partition or chunk")
    compress_after: Duration = Field(7 * DAY, ge=3600 * SECOND, description="age at which TimescaleDB compresses a chunk")
    retention: Duration = Field(90 * DAY, ge=7200 * SECOND, description="facts older than this are dropped by whole partitions")
    content_retention: Duration = Field(
        90 * DAY, ge=7200 * SECOND, description="the same for what was said (llm_content); never longer than RETENTION"
    )
    rollup_retention: Duration = Field(
        730 * DAY, ge=7200 * SECOND, description="the same for sums by day; those by hour are kept two days longer than facts"
    )
    content_capture: ContentCapture = Field(
        "full", description="what was said in spans and logs: full, truncated to CONTENT_PREVIEW_BYTES, or off (none is stored)"
    )
    content_max_bytes: Size = Field(1024**2, ge=1, le=64 * 1024**2, description="of one item of content, the rest is cut")
    content_preview_bytes: Size = Field(1024, ge=1, le=1024**2, description="the same with CONTENT_CAPTURE=truncated")
    copy_direct_compress: bool = Field(default=False, description="TimescaleDB 2.28.1+: COPY into compressed chunks")
    ledger_retention: Duration = Field(21_600 * SECOND, ge=60 * SECOND, description="how long a retried request is recognised")
    accept_max_age: OrOff[Duration] = Field(
        None, description="older records are rejected; retention - one chunk by default, off allows all"
    )
    accept_max_ahead: Duration = Field(DAY, description="records further in the future are rejected")

    listen_host: str = Field("127.0.0.1", description="address of every port")
    otlp_grpc_port: Port = Field(4317, description="OTLP over gRPC")
    otlp_http_port: Port = Field(4318, description="OTLP over HTTP")
    otlp_grpc_socket: SocketPath | None = Field(None, description="a unix socket for OTLP over gRPC, beside the port")
    otlp_http_socket: SocketPath | None = Field(None, description="the same for OTLP over HTTP")
    query_port: Port = Field(8080, description="gRPC query service")
    query_timeout: Duration = Field(
        30 * SECOND, ge=0.1 * SECOND, le=3600 * SECOND, description="for one query, unless its client has less patience"
    )
    tls_cert_file: Path | None = Field(None, description="certificate chain (PEM): OTLP and query ports speak TLS")
    tls_key_file: Path | None = Field(None, description="its private key (PEM), without a passphrase")
    tls_client_ca_file: Path | None = Field(None, description="who signs the certificates that clients must show (PEM)")
    tokens_file: Path | None = Field(None, description="who may send and ask: lines of tenant, rights and token")
    query_token: Token | None = Field(None, description="the token that `query` and `tail` show")
    query_ca_file: Path | None = Field(None, description="whom they trust over TLS (PEM); else TLS_CERT_FILE")
    otlp_grpc_max_concurrent_streams: int = Field(1000, ge=1, le=1_000_000, description="calls at once on one connection")
    otlp_grpc_keepalive_time: ConnectionTime = Field(7200 * SECOND, description="a client that was silent so long is pinged")
    otlp_grpc_keepalive_timeout: ConnectionTime = Field(
        20 * SECOND, description="and its connection closed when it does not answer within"
    )
    otlp_grpc_keepalive_min_time: ConnectionTime = Field(
        10 * SECOND, description="clients that ping more often are sent away (too_many_pings)"
    )
    otlp_grpc_keepalive_permit_without_stream: bool = Field(
        default=True, description="pings of connections without a call, theirs and ours"
    )
    otlp_grpc_max_connection_idle: OrOff[ConnectionTime] = Field(None, description="a connection without a call ends after")
    otlp_grpc_max_connection_age: OrOff[ConnectionTime] = Field(
        None, description="any connection ends after, so that load spreads; 5min by default with --share-port"
    )
    otlp_grpc_max_connection_age_grace: ConnectionTime = Field(30 * SECOND, description="its calls have so long to end then")
    otlp_http_traces_path: UrlPath = Field("/v1/traces", description="where spans are received over HTTP")
    otlp_http_metrics_path: UrlPath = Field("/v1/metrics", description="the same for metrics")
    otlp_http_logs_path: UrlPath = Field("/v1/logs", description="the same for log records")
    otlp_http_cors_allowed_origins: Origins = Field(
        (), description="web origins that may send, * for any text of a host, or all; none: browsers may not"
    )
    otlp_http_cors_allowed_headers: Names = Field((), description="request headers beside those of every exporter; * for all")
    otlp_http_cors_max_age: Duration = Field(7200 * SECOND, description="how long a browser remembers that it may")
    otlp_http_header_timeout: Duration = Field(10 * SECOND, ge=0.1 * SECOND, description="for the head of an HTTP request")
    otlp_http_idle_timeout: Duration = Field(60 * SECOND, ge=0.1 * SECOND, description="of an HTTP connection")
    otlp_http_max_connection_age: OrOff[ConnectionTime] = Field(
        None, description="as OTLP_GRPC_MAX_CONNECTION_AGE: the first answer after it closes an HTTP connection"
    )
    health_check_port: Port = Field(9090, description="health and metrics over HTTP")
    read_slots: int = Field(4, ge=1, le=64, description="request bodies read at the same time")
    otlp_read_timeout: Duration = Field(
        5 * SECOND, ge=0.1 * SECOND, le=300 * SECOND, description="for the body of one request, over gRPC and HTTP"
    )
    max_items_per_request: int = Field(200_000, ge=1, le=10_000_000, description="records in one request")
    otlp_max_request_bytes: Size = Field(
        64 * 1024**2, ge=1024, le=1024**3, description="one request, before and after decompression"
    )
    batch_size: int = Field(10_000, ge=1, le=1_000_000, description="rows one transaction collects before it is sent")
    flush_interval_ms: int = Field(0, ge=0, le=1000, description="linger before a commit; 0 commits at once")
    insert_max_fields: int = Field(
        0, ge=0, le=10_000, description="groups of up to so many fields a table go by INSERT, not COPY"
    )
    ingest_committers: int = Field(2, ge=1, le=16, description="connections that commit, a lane")
    ingest_max_inflight_bytes: Size = Field(64 * 1024**2, ge=1024**2, description="admitted and not yet committed")

    shutdown_grace: Duration = Field(20 * SECOND, ge=2 * SECOND, le=600 * SECOND, description="from SIGTERM to exit")
    log_level: LogLevel = Field("info", description="lowest level written")
    metrics_enabled: bool = Field(default=True, description="serve /metrics")
    self_telemetry: SelfTelemetry = Field(
        "off", description="what is exported about this process by OTLP: traces, metrics, all"
    )
    grpc_reflection: bool = Field(default=False, description="describe the gRPC services to tools such as grpcurl")
    observatory_codec: Codec = Field("auto", description="native if built, else reference")
    backup_dir: Path = Field(Path("/var/lib/postgresql/backups/daily"), description="folder of dumps (`backup dump`)")
    llm_observatory_data_dir: Path | None = Field(None, description="folder of the embedded PostgreSQL; the user's data folder")

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

    def conflicts(self) -> Iterator[Conflict]:
        """What is wrong between settings that are each right by themselves."""
        if self.db_pool_min_connections > self.db_pool_max_connections:
            yield Conflict(
                {"db_pool_min_connections", "db_pool_max_connections"},
                "DB_POOL_MIN_CONNECTIONS is above DB_POOL_MAX_CONNECTIONS",
            )
        if self.db_retry_initial_delay_ms > self.db_retry_max_delay_ms:
            yield Conflict(
                {"db_retry_initial_delay_ms", "db_retry_max_delay_ms"},
                "DB_RETRY_INITIAL_DELAY_MS is above DB_RETRY_MAX_DELAY_MS",
            )
        if DAY % self.chunk_interval and self.chunk_interval % DAY:
            yield Conflict({"chunk_interval"}, "CHUNK_INTERVAL must divide a day or be whole days")
        if self.retention < 2 * self.chunk_interval:
            yield Conflict({"retention", "chunk_interval"}, "RETENTION must be at least two CHUNK_INTERVALs")
        if self.accept_max_age is not None and self.accept_max_age > self.retention:
            yield Conflict(
                {"accept_max_age", "retention"}, "ACCEPT_MAX_AGE is beyond RETENTION: what it lets in would be dropped at once"
            )
        if self.content_retention > self.retention:
            yield Conflict(
                {"content_retention", "retention"},
                "CONTENT_RETENTION is beyond RETENTION: content without its records is of no use",
            )
        if self.rollup_retention < self.retention:
            yield Conflict(
                {"rollup_retention", "retention"},
                "ROLLUP_RETENTION is below RETENTION: sums by day would go before the records they sum up",
            )
        if self.embedded and (self.db_read_url or self.db_direct_url):
            yield Conflict(
                {"database_url", "db_host", "db_read_url", "db_direct_url"},
                "DB_READ_URL and DB_DIRECT_URL need DATABASE_URL or DB_HOST",
            )
        yield from self._tls_conflicts()
        yield from self._place_conflicts()

    def _tls_conflicts(self) -> Iterator[Conflict]:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            yield Conflict(
                {"tls_cert_file", "tls_key_file"}, "TLS_CERT_FILE and TLS_KEY_FILE go together: one of them is not set"
            )
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            yield Conflict({"tls_client_ca_file", "tls_cert_file"}, "TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE")

    def _place_conflicts(self) -> Iterator[Conflict]:
        paths = ("otlp_http_traces_path", "otlp_http_metrics_path", "otlp_http_logs_path")
        if len({getattr(self, name) for name in paths}) < len(paths):
            yield Conflict(set(paths), "OTLP_HTTP_TRACES_PATH, OTLP_HTTP_METRICS_PATH and OTLP_HTTP_LOGS_PATH must differ")
        if self.otlp_grpc_socket is not None and self.otlp_grpc_socket == self.otlp_http_socket:
            yield Conflict({"otlp_grpc_socket", "otlp_http_socket"}, "OTLP_GRPC_SOCKET and OTLP_HTTP_SOCKET are the same")
        ports: dict[int, str] = {}
        for name in ("otlp_grpc_port", "otlp_http_port", "query_port", "health_check_port"):
            port = getattr(self, name)
            if port and port in ports:
                yield Conflict({name, ports[port]}, f"{name.upper()} and {ports[port].upper()} are both {port}")
            ports[port] = name


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
