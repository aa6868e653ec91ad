"""How much memory the process takes at most, if clients do their worst."""

from __future__ import annotations

from llm_observatory.settings import Settings

BASE_BYTES = 120 * 1024**2
"""The process at rest with all libraries loaded, rounded up (measured once on Python 3.11: 101 MiB resident)."""

PER_BYTE_READ = 3.2
"""A request of the largest size in a read slot: grpcio's buffers, the message, its copy for us."""

PER_BYTE_ADMITTED = 2
"""What is admitted: its bytes, and its rows until they are committed. Twelve clients that sent 60 MiB each took 1,000 MiB."""


def hostile_ceiling_bytes(settings: Settings) -> int:
    """Base + READ_SLOTS x 3.2 x OTLP_MAX_REQUEST_BYTES + 2 x what may be admitted, which is at least one request."""
    reading = settings.read_slots * PER_BYTE_READ * settings.otlp_max_request_bytes
    admitted = PER_BYTE_ADMITTED * max(settings.otlp_max_request_bytes, settings.ingest_max_inflight_bytes)
    return BASE_BYTES + int(reading + admitted)
