"""The Export*ServiceResponse that a request deserves."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.tables.rules import REJECTIONS

MESSAGE_MAX_BYTES = 1024
PATHS_IN_MESSAGE = 3
"""Per answer; a client prints the message on one line."""


def message_for(encoded: EncodedRequest) -> str:
    """What was rejected and why, most frequent rule first; at most MESSAGE_MAX_BYTES bytes of ASCII."""
    rules = sorted(encoded.rejected_by_rule.items(), key=lambda item: (-item[1], item[0]))
    reasons = "; ".join(f"{times} x {rule} ({REJECTIONS[rule]})" for rule, times in rules)
    paths = ", ".join(f"{rejection.path} {rejection.rule}" for rejection in encoded.rejected[:PATHS_IN_MESSAGE])
    text = f"{encoded.rejected_count} rejected: {reasons}. First: {paths}"
    return text if len(text) <= MESSAGE_MAX_BYTES else text[: MESSAGE_MAX_BYTES - 3] + "..."


def answer(signal: str, encoded: EncodedRequest) -> bytes:
    """The response's bytes. Full success is the empty message: `partial_success` stays unset (OTLP specification)."""
    if not encoded.rejected_count:
        return b""
    if signal != "traces":
        raise ValueError(f"no codec for the signal {signal!r}")
    partial = ExportTracePartialSuccess(rejected_spans=encoded.rejected_count, error_message=message_for(encoded))
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString(deterministic=True)
