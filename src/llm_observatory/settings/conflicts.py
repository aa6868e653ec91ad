"""What is wrong between settings that are each right by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from llm_observatory.settings.declared import Settings
from llm_observatory.settings.kinds import DAY


class Conflict(NamedTuple):
    """Which settings, and what is wrong with them."""

    names: AbstractSet[str]
    message: str


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """All there are."""
    if settings.db_pool_min_connections > settings.db_pool_max_connections:
        yield Conflict(
            {"db_pool_min_connections", "db_pool_max_connections"},
            "DB_POOL_MIN_CONNECTIONS is above DB_POOL_MAX_CONNECTIONS",
        )
    if settings.db_retry_initial_delay_ms > settings.db_retry_max_delay_ms:
        yield Conflict(
            {"db_retry_initial_delay_ms", "db_retry_max_delay_ms"},
            "DB_RETRY_INITIAL_DELAY_MS is above DB_RETRY_MAX_DELAY_MS",
        )
    if DAY % settings.chunk_interval and settings.chunk_interval % DAY:
        yield Conflict({"chunk_interval"}, "CHUNK_INTERVAL must divide a day or be whole days")
    if settings.retention < 2 * settings.chunk_interval:
        yield Conflict({"retention", "chunk_interval"}, "RETENTION must be at least two CHUNK_INTERVALs")
    if settings.accept_max_age is not None and settings.accept_max_age > settings.retention:
        yield Conflict(
            {"accept_max_age", "retention"}, "ACCEPT_MAX_AGE is beyond RETENTION: what it lets in would be dropped at once"
        )
    if settings.content_retention > settings.retention:
        yield Conflict(
            {"content_retention", "retention"},
            "CONTENT_RETENTION is beyond RETENTION: content without its records is of no use",
        )
    if settings.rollup_retention < settings.retention:
        yield Conflict(
            {"rollup_retention", "retention"},
            "ROLLUP_RETENTION is below RETENTION: sums by day would go before the records they sum up",
        )
    if settings.embedded and (settings.db_read_url or settings.db_direct_url):
        yield Conflict(
            {"database_url", "db_host", "db_read_url", "db_direct_url"},
            "DB_READ_URL and DB_DIRECT_URL need DATABASE_URL or DB_HOST",
        )
    yield from _tls_conflicts(settings)
    yield from _place_conflicts(settings)


def _tls_conflicts(settings: Settings) -> Iterator[Conflict]:
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        yield Conflict({"tls_cert_file", "tls_key_file"}, "TLS_CERT_FILE and TLS_KEY_FILE go together: one of them is not set")
    if settings.tls_client_ca_file is not None and settings.tls_cert_file is None:
        yield Conflict({"tls_client_ca_file", "tls_cert_file"}, "TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE")


def _place_conflicts(settings: Settings) -> Iterator[Conflict]:
    paths = ("otlp_http_traces_path", "otlp_http_metrics_path", "otlp_http_logs_path")
    if len({getattr(settings, name) for name in paths}) < len(paths):
        yield Conflict(set(paths), "OTLP_HTTP_TRACES_PATH, OTLP_HTTP_METRICS_PATH and OTLP_HTTP_LOGS_PATH must differ")
    if settings.otlp_grpc_socket is not None and settings.otlp_grpc_socket == settings.otlp_http_socket:
        yield Conflict({"otlp_grpc_socket", "otlp_http_socket"}, "OTLP_GRPC_SOCKET and OTLP_HTTP_SOCKET are the same")
    ports: dict[int, str] = {}
    for name in ("otlp_grpc_port", "otlp_http_port", "query_port", "health_check_port"):
        port = getattr(settings, name)
        if port and port in ports:
            yield Conflict({name, ports[port]}, f"{name.upper()} and {ports[port].upper()} are both {port}")
        ports[port] = name
