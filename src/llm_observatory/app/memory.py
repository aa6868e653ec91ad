"""How much memory the process takes at most, if clients do their worst."""

from __future__ import annotations

from llm_observatory.settings import Settings

BASE_BYTES = 120 * 1024**2
"""The process at rest with all libraries loaded, rounded up (measured once on Python 3.11: 101 MiB resident)."""

PER_REQUEST_BYTE = 3.2
"""A request of the largest size while it is read: grpcio's buffers, the message, its copy for us."""


def hostile_ceiling_bytes(settings: Settings) -> int:
    """Base + READ_SLOTS x 3.2 x OTLP_MAX_REQUEST_BYTES."""
    return BASE_BYTES + int(settings.read_slots * PER_REQUEST_BYTE * settings.otlp_max_request_bytes)
