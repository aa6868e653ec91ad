"""What `check` says of the settings in force: the value that is set, its name, and what a client sees."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llm_observatory.app.cli.explain import explained
from llm_observatory.settings import Settings

TLS = {"tls_cert_file": "/c", "tls_key_file": "/k"}


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, "OTLP over gRPC on 127.0.0.1:4317, over HTTP on 127.0.0.1:4318"),
        ({"otlp_http_logs_path": "/logs"}, "to /v1/traces, /v1/metrics, /logs; any other path is 404"),
        ({}, "only this machine can send"),
        ({"listen_host": "localhost"}, "only this machine can send"),
        ({"listen_host": "::"}, "whoever reaches these ports can send, in the clear: there is no TLS"),
        ({"listen_host": "::", "tokens_file": "/t"}, "these ports with a token of TOKENS_FILE can send, in the clear"),
        ({"listen_host": "::", **TLS}, "whoever reaches these ports can send, over TLS"),
        (
            {"listen_host": "::", **TLS, "tls_client_ca_file": "/ca", "tokens_file": "/t"},
            "with a certificate of TLS_CLIENT_CA_FILE and a token of TOKENS_FILE can send, over TLS",
        ),
        ({"listen_host": "observatory.internal"}, "whoever reaches these ports can send"),
        ({"otlp_grpc_socket": "/run/otlp.sock"}, "owner and group of /run/otlp.sock can send .*OTLP_GRPC_SOCKET"),
        ({"otlp_http_socket": "/run/otlp.sock"}, "owner and group of /run/otlp.sock can send .*OTLP_HTTP_SOCKET"),
        ({"otlp_max_request_bytes": "1MiB", "max_items_per_request": 7}, "beyond 1MiB, .* more than 7 records .* HTTP 413"),
        ({"otlp_read_timeout": "7s"}, "longer than 7s is UNAVAILABLE, over HTTP 503"),
        ({"retention": "10d"}, "records older than 9d are rejected"),
        ({"accept_max_age": "off"}, "records of any age are taken"),
        ({"accept_max_ahead": "2h"}, "more than 2h ahead"),
        ({"otlp_grpc_keepalive_min_time": "1min"}, "may ping every 1min, or is sent away"),
        ({"otlp_grpc_keepalive_permit_without_stream": False}, "may ping every 10s while it has a call, or"),
        ({}, "over gRPC no connection ends because of its age, but after 5min with --share-port"),
        ({"otlp_grpc_max_connection_age": "off"}, r"over gRPC no connection ends because of its age \("),
        ({"otlp_grpc_max_connection_age": "1h"}, "over gRPC a connection ends after 1h"),
        ({"otlp_http_max_connection_age": "2h"}, r"over HTTP a connection ends after 2h, .*\(OTLP_HTTP_MAX"),
        ({}, "browsers may not send: OTLP_HTTP_CORS_ALLOWED_ORIGINS is empty"),
        ({"otlp_http_cors_allowed_origins": "https://a, https://b"}, "browsers may send from pages of https://a, https://b"),
        ({"otlp_http_cors_allowed_origins": "*"}, "browsers may send from any page"),
    ],
)
def test_what_is_said(settings: dict[str, Any], said: str) -> None:
    sentences = list(explained(Settings(**settings)))
    assert [sentence for sentence in sentences if re.search(said, sentence)], sentences


def test_sockets_are_spoken_of_where_there_are_any() -> None:
    assert not [sentence for sentence in explained(Settings()) if "SOCKET" in sentence]


def test_every_name_in_it_is_a_setting() -> None:
    sockets = {"otlp_grpc_socket": "/run/a", "otlp_http_socket": "/run/b"}
    names = set(re.findall(r"\b(?:[A-Z]+_)+(?:\*_)?[A-Z]+\b", " ".join(explained(Settings(**sockets)))))
    ours = {name.upper() for name in Settings.model_fields}
    assert names - ours == {"RESOURCE_EXHAUSTED", "OTLP_HTTP_*_PATH"}
