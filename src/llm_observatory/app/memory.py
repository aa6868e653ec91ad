"""How much memory the process takes at most, if clients do their worst."""

from __future__ import annotations

from llm_observatory.otlp.http_json import peak_bytes
from llm_observatory.otlp.read_slots import most_held
from llm_observatory.pipeline.admission import reserved_bytes
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import UNIX_SEND_BYTES
from llm_observatory.tables.rules import ESCAPED_MAX, ROW_MAX_BYTES

BASE_BYTES = 120 * 1024**2
"""The process at rest with all libraries loaded, rounded up (measured once on Python 3.11: 101 MiB resident)."""

REMEMBERED_BYTES = 33 * 1024**2
"""Series that the native codec remembers (`native/src/known.rs`): 32 MiB and a table of 256 KiB, rounded up. It is allocated as
series come again; counted with the reference codec too, for what the process takes at most should not depend on what is
installed."""

PER_BYTE_READ = 3.2
"""A request of the largest size in a read slot: grpcio's buffers, the message, its copy for us. Over HTTP it is 2, the pieces
and the whole: 100 requests of 60 MiB at once took 486 MiB, 50 of them compressed 484, 50 bombs of 2 GiB 262. JSON is beside
it."""

PER_BYTE_ADMITTED = 2
"""What is admitted: its bytes, and its rows until they are committed. Twelve clients that sent 60 MiB each took 1,000 MiB."""

PER_BYTE_ENCODED = 6
"""A record in the making, of which there is one at a time: its bytes, upb's, its strings at four bytes a character."""

ROWS_IN_THE_MAKING = 3
"""What it becomes, at the same time: JSON, field and row of a resource."""

PER_COMMITTER_BYTES = 2 * UNIX_SEND_BYTES
"""What may lie in a unix socket to the server. It is the kernel's, and a container's limit counts it; over TCP it is less."""


def hostile_ceiling_bytes(settings: Settings) -> int:
    """Base + series + sockets + (slots x 3.2 + 15) x OTLP_MAX_REQUEST_BYTES + 2 x what may be admitted + the largest record.

    The slots are READ_SLOTS and one more for each signal but one. The 15 are JSON, of which one large request is read at a
    time and as much waits. What may be admitted is the reserves of all signals, and the shared part of
    INGEST_MAX_INFLIGHT_BYTES or one request larger than it. A record in the making is as large as a request, and its row no
    larger than ROW_MAX_BYTES. Every signal has INGEST_COMMITTERS, and so have late records.
    """
    slots = most_held(settings.read_slots, len(SIGNALS))
    reading = slots * PER_BYTE_READ * settings.otlp_max_request_bytes + peak_bytes(settings.otlp_max_request_bytes)
    limit = settings.ingest_max_inflight_bytes
    reserved = reserved_bytes(limit, len(SIGNALS))
    admitted = PER_BYTE_ADMITTED * (reserved + max(settings.otlp_max_request_bytes, limit - reserved))
    largest = settings.otlp_max_request_bytes
    encoding = PER_BYTE_ENCODED * largest + ROWS_IN_THE_MAKING * min(ESCAPED_MAX * largest, ROW_MAX_BYTES)
    sockets = (len(SIGNALS) + 1) * settings.ingest_committers * PER_COMMITTER_BYTES
    return BASE_BYTES + REMEMBERED_BYTES + int(reading + admitted + encoding) + sockets
