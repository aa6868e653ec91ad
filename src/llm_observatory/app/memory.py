"""How much memory the process takes at most, if clients do their worst."""

from __future__ import annotations

from llm_observatory.otlp.read_slots import most_held
from llm_observatory.pipeline.admission import reserved_bytes
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.settings import Settings

BASE_BYTES = 120 * 1024**2
"""The process at rest with all libraries loaded, rounded up (measured once on Python 3.11: 101 MiB resident)."""

PER_BYTE_READ = 3.2
"""A request of the largest size in a read slot: grpcio's buffers, the message, its copy for us."""

PER_BYTE_ADMITTED = 2
"""What is admitted: its bytes, and its rows until they are committed. Twelve clients that sent 60 MiB each took 1,000 MiB."""


def hostile_ceiling_bytes(settings: Settings) -> int:
    """Base + (READ_SLOTS + 2) x 3.2 x OTLP_MAX_REQUEST_BYTES + 2 x what may be admitted.

    That is the reserves of all signals, and the shared part of INGEST_MAX_INFLIGHT_BYTES or one request larger than it.
    """
    reading = most_held(settings.read_slots, len(SIGNALS)) * PER_BYTE_READ * settings.otlp_max_request_bytes
    limit = settings.ingest_max_inflight_bytes
    reserved = reserved_bytes(limit, len(SIGNALS))
    admitted = PER_BYTE_ADMITTED * (reserved + max(settings.otlp_max_request_bytes, limit - reserved))
    return BASE_BYTES + int(reading + admitted)
