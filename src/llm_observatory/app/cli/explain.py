"""What the settings in force mean for whoever sends: what values alone do not say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address

from llm_observatory.quantity import show_duration, show_size
from llm_observatory.settings import SHARED_PORT_AGE, Settings


def explained(settings: Settings) -> Iterator[str]:
    """Sentences, each with the names of its settings."""
    yield from _places(settings)
    yield from _limits(settings)
    yield from _connections(settings)
    yield _browsers(settings)
    yield from _queries(settings)


def _places(settings: Settings) -> Iterator[str]:
    host = settings.listen_host
    yield f"OTLP over gRPC on {host}:{settings.otlp_grpc_port}, over HTTP on {host}:{settings.otlp_http_port}"
    paths = (settings.otlp_http_traces_path, settings.otlp_http_metrics_path, settings.otlp_http_logs_path)
    yield f"over HTTP: POST of protobuf or JSON to {', '.join(paths)}; any other path is 404 (OTLP_HTTP_*_PATH)"
    if _is_loopback(host):
        yield "only this machine can send (LISTEN_HOST)"
    else:
        yield f"{_who(settings)} can send, {_how(settings)} (LISTEN_HOST)"
    for name, socket in (("OTLP_GRPC_SOCKET", settings.otlp_grpc_socket), ("OTLP_HTTP_SOCKET", settings.otlp_http_socket)):
        if socket is not None:
            yield f"owner and group of {socket} can send over it, with every folder on the way open to them ({name})"


def _who(settings: Settings) -> str:
    whoever = "whoever reaches these ports"
    if settings.tls_client_ca_file is not None:
        whoever += " with a certificate of TLS_CLIENT_CA_FILE"
    if settings.tokens_file is not None:
        whoever += f"{' and' if settings.tls_client_ca_file is not None else ' with'} a token of TOKENS_FILE"
    return whoever


def _how(settings: Settings) -> str:
    return "in the clear: there is no TLS" if settings.tls_cert_file is None else "over TLS"


def _limits(settings: Settings) -> Iterator[str]:
    yield (
        f"a request beyond {show_size(settings.otlp_max_request_bytes)}, compressed or not, or with more than "
        f"{settings.max_items_per_request} records is RESOURCE_EXHAUSTED, over HTTP 413; its client gives it up "
        "(OTLP_MAX_REQUEST_BYTES, MAX_ITEMS_PER_REQUEST)"
    )
    yield (
        f"a body that takes longer than {show_duration(settings.otlp_read_timeout)} is UNAVAILABLE, over HTTP 503; "
        "its client comes back (OTLP_READ_TIMEOUT)"
    )
    age = settings.accept_max_age
    older = "of any age are taken" if age is None else f"older than {show_duration(age)} are rejected one by one"
    yield f"records {older} (ACCEPT_MAX_AGE)"
    yield f"records more than {show_duration(settings.accept_max_ahead)} ahead are rejected one by one (ACCEPT_MAX_AHEAD)"


def _queries(settings: Settings) -> Iterator[str]:
    longest = show_duration(settings.query_timeout)
    yield f"queries over gRPC on {settings.listen_host}:{settings.query_port}, none longer than {longest} (QUERY_TIMEOUT)"


def _connections(settings: Settings) -> Iterator[str]:
    yield (
        f"over gRPC a client may ping every {show_duration(settings.otlp_grpc_keepalive_min_time)}"
        f"{'' if settings.otlp_grpc_keepalive_permit_without_stream else ' while it has a call'}, or is sent away "
        "(OTLP_GRPC_KEEPALIVE_MIN_TIME, OTLP_GRPC_KEEPALIVE_PERMIT_WITHOUT_STREAM)"
    )
    names = ("OTLP_GRPC_MAX_CONNECTION_AGE", "OTLP_HTTP_MAX_CONNECTION_AGE")
    ages = (settings.otlp_grpc_max_connection_age, settings.otlp_http_max_connection_age)
    for transport, name, age in zip(("gRPC", "HTTP"), names, ages, strict=True):
        yield f"over {transport} {_age(settings, name, age)} ({name})"


def _age(settings: Settings, name: str, age: timedelta | None) -> str:
    if age is not None:
        return f"a connection ends after {show_duration(age)}, so that load balancers can spread the clients anew"
    if name.lower() in settings.model_fields_set:
        return "no connection ends because of its age"
    return f"no connection ends because of its age, but after {show_duration(SHARED_PORT_AGE)} with --share-port"


def _browsers(settings: Settings) -> str:
    origins = settings.otlp_http_cors_allowed_origins
    if not origins:
        return "browsers may not send: OTLP_HTTP_CORS_ALLOWED_ORIGINS is empty"
    whose = "any page" if "*" in origins else f"pages of {', '.join(origins)}"
    return f"browsers may send from {whose} (OTLP_HTTP_CORS_ALLOWED_ORIGINS)"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
