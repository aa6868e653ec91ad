"""The channel arguments of the gRPC server.

grpcio ignores names that it does not know, so each is proven by a test of its effect, or of its name in the library.
"""

from __future__ import annotations

from datetime import timedelta

from llm_observatory.settings import Settings

LOOKAHEAD_BYTES = 32 * 1024
MAX_PENDING_CALLS = 100_000
MAX_PING_STRIKES = 2

Options = tuple[tuple[str, int], ...]


def server_options(max_request_bytes: int, *, share_port: bool) -> Options:
    """What any server of ours must have."""
    return (
        # Its default lets two processes share a port without a word.
        ("grpc.so_reuseport", int(share_port)),
        # What a client may send of a body that nobody reads yet. With the probe on, the window grows to megabytes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
        # Enforced by grpcio on the compressed and on the inflated message, the latter while it inflates.
        ("grpc.max_receive_message_length", max_request_bytes),
        # Above what we let wait: grpcio refuses with statuses that make clients drop, so every refusal must be ours.
        ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
    )


def connection_options(settings: Settings) -> Options:
    """How connections are kept and ended, as the settings `OTLP_GRPC_*` have it."""
    options: dict[str, int | timedelta | None] = {
        # A client with more parallel calls queues them on its side. Its next may come before grpcio has forgotten one that is
        # answered, and is then refused (REFUSED_STREAM): of 30 calls at a limit of 7 up to a third ended as UNAVAILABLE.
        "grpc.max_concurrent_streams": settings.otlp_grpc_max_concurrent_streams,
        "grpc.keepalive_time_ms": settings.otlp_grpc_keepalive_time,
        # keepalive_timeout_ms closes nothing (grpcio 1.85). By this a client that answers no ping is gone, else after 1 min.
        "grpc.http2.ping_timeout_ms": settings.otlp_grpc_keepalive_timeout,
        # For our own pings as for theirs.
        "grpc.keepalive_permit_without_calls": int(settings.otlp_grpc_keepalive_permit_without_stream),
        # grpcio's own 5 min close connections with too_many_pings.
        "grpc.http2.min_ping_interval_without_data_ms": settings.otlp_grpc_keepalive_min_time,
        "grpc.http2.max_ping_strikes": MAX_PING_STRIKES,
        "grpc.max_connection_idle_ms": settings.otlp_grpc_max_connection_idle,
        "grpc.max_connection_age_ms": settings.otlp_grpc_max_connection_age,
        "grpc.max_connection_age_grace_ms": settings.otlp_grpc_max_connection_age_grace,
    }
    return tuple((name, _number(value)) for name, value in options.items() if value is not None)


def _number(value: int | timedelta) -> int:
    return value // timedelta(milliseconds=1) if isinstance(value, timedelta) else value
