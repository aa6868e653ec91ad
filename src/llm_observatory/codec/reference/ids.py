"""Trace and span ids: what makes one valid (W3C Trace Context, OTLP)."""

from __future__ import annotations

ZERO_TRACE_ID = bytes(16)
ZERO_SPAN_ID = bytes(8)


def is_trace_id(value: bytes) -> bool:
    """16 bytes, not all zero."""
    return len(value) == len(ZERO_TRACE_ID) and value != ZERO_TRACE_ID


def is_span_id(value: bytes) -> bool:
    """8 bytes, not all zero."""
    return len(value) == len(ZERO_SPAN_ID) and value != ZERO_SPAN_ID
