"""The Collector's name for a setting: options of its `otlpreceiver`, below `protocols` (v0.159).

What it has and we have not, with the reason: docs/otlp.md, "From the Collector's configuration".
"""

from __future__ import annotations

from collections.abc import Mapping

_SERVER = "grpc.keepalive.server_parameters"
_POLICY = "grpc.keepalive.enforcement_policy"

COLLECTOR_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "listen_host": ("grpc.endpoint", "http.endpoint"),
    "otlp_grpc_port": ("grpc.endpoint",),
    "otlp_http_port": ("http.endpoint",),
    "otlp_grpc_socket": ("grpc.transport",),
    "otlp_http_socket": ("http.transport",),
    "otlp_max_request_bytes": ("grpc.max_recv_msg_size_mib", "http.max_request_body_size"),
    "tls_cert_file": ("grpc.tls.cert_file", "http.tls.cert_file"),
    "tls_key_file": ("grpc.tls.key_file", "http.tls.key_file"),
    "tls_client_ca_file": ("grpc.tls.client_ca_file", "http.tls.client_ca_file"),
    "tokens_file": ("grpc.auth.authenticator", "http.auth.authenticator"),
    "otlp_grpc_max_concurrent_streams": ("grpc.max_concurrent_streams",),
    "otlp_grpc_keepalive_time": (f"{_SERVER}.time",),
    "otlp_grpc_keepalive_timeout": (f"{_SERVER}.timeout",),
    "otlp_grpc_max_connection_idle": (f"{_SERVER}.max_connection_idle",),
    "otlp_grpc_max_connection_age": (f"{_SERVER}.max_connection_age",),
    "otlp_grpc_max_connection_age_grace": (f"{_SERVER}.max_connection_age_grace",),
    "otlp_grpc_keepalive_min_time": (f"{_POLICY}.min_time",),
    "otlp_grpc_keepalive_permit_without_stream": (f"{_POLICY}.permit_without_stream",),
    "otlp_http_traces_path": ("http.traces_url_path",),
    "otlp_http_metrics_path": ("http.metrics_url_path",),
    "otlp_http_logs_path": ("http.logs_url_path",),
    "otlp_read_timeout": ("http.read_timeout",),
    "otlp_http_header_timeout": ("http.read_header_timeout",),
    "otlp_http_idle_timeout": ("http.idle_timeout", "http.keepalive.idle_timeout", "http.write_timeout"),
    "otlp_http_cors_allowed_origins": ("http.cors.allowed_origins",),
    "otlp_http_cors_allowed_headers": ("http.cors.allowed_headers",),
    "otlp_http_cors_max_age": ("http.cors.max_age",),
}
"""By the names of our fields."""
