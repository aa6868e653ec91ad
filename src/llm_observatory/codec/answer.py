"""The Export*ServiceResponse that a request deserves."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.tables.rules import ODDITIES, REJECTIONS

MESSAGE_MAX_BYTES = 1024
PATHS_IN_MESSAGE = 3
"""Per answer; a client prints the message on one line."""

RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
}
"""By signal: the response, and what its partial success calls the number of rejected records."""

WARNED_OF = "metric_without_data"
"""What a client is told although nothing was rejected: it left no record to reject."""


def message_for(encoded: EncodedRequest) -> str:
    """What the sender should know, at most MESSAGE_MAX_BYTES bytes of ASCII; empty when there is nothing to say."""
    text = "; ".join(filter(None, (warning_for(encoded), rejections_in(encoded))))
    return text if len(text) <= MESSAGE_MAX_BYTES else text[: MESSAGE_MAX_BYTES - 3] + "..."


def rejections_in(encoded: EncodedRequest) -> str:
    """What was rejected and why, most frequent rule first."""
    if not encoded.rejected_count:
        return ""
    rules = sorted(encoded.rejected_by_rule.items(), key=lambda item: (-item[1], item[0]))
    reasons = "; ".join(f"{times} x {rule} ({REJECTIONS[rule]})" for rule, times in rules)
    paths = ", ".join(f"{rejection.path} {rejection.rule}" for rejection in encoded.rejected[:PATHS_IN_MESSAGE])
    return f"{encoded.rejected_count} rejected: {reasons}. First: {paths}"


def warning_for(encoded: EncodedRequest) -> str:
    """What was neither stored nor rejected."""
    times = encoded.odd.get(WARNED_OF, 0)
    return f"{times} x {WARNED_OF} ({ODDITIES[WARNED_OF]})" if times else ""


def answer(signal: str, encoded: EncodedRequest) -> bytes:
    """The response's bytes. Full success is the empty message: `partial_success` stays unset (OTLP specification).

    A warning is a partial success with nothing rejected and a message.
    """
    message = message_for(encoded)
    if not message:
        return b""
    if signal not in RESPONSES:
        raise ValueError(f"no codec for the signal {signal!r}")
    response_type, rejected = RESPONSES[signal]
    response = response_type()
    response.partial_success.error_message = message
    setattr(response.partial_success, rejected, encoded.rejected_count)
    data: bytes = response.SerializeToString(deterministic=True)
    return data
