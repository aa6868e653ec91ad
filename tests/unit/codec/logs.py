"""Log records in few words, and their rows."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.codec import EncodedRequest, Terms
from tests.unit.codec import spans


def record(body: Any = "hello", items: dict[str, Any] | None = None, **members: Any) -> LogRecord:
    """A valid record with this body and these attributes and members; a body of `...` is none at all."""
    given: dict[str, Any] = {"time_unix_nano": spans.START, "severity_number": 9, "severity_text": "INFO"}
    if body is not ...:
        given["body"] = spans.any_value(body)
    return LogRecord(**(given | members), attributes=spans.attributes(items or {}))


def request(*records: LogRecord) -> bytes:
    """A payload with one resource and one scope."""
    message = ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=Resource(attributes=spans.attributes({"service.name": "shop"})),
                scope_logs=[ScopeLogs(scope=InstrumentationScope(name="agent", version="1.2"), log_records=records)],
            )
        ]
    )
    return message.SerializeToString()


def encode(payload: bytes, terms: Terms = spans.TERMS) -> EncodedRequest:
    """Through the doorway as tenant `default`."""
    return spans.encode(payload, terms=terms, signal="logs")


def rows(payload: bytes) -> list[dict[str, Any]]:
    """All rows of a payload, of which nothing may be rejected."""
    encoded = encode(payload)
    assert encoded.rejected_by_rule == {}
    return spans.read_table(encoded, "llm_logs")


def row(body: Any = "hello", items: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """The row of one record."""
    (only,) = rows(request(record(body, items, **members)))
    return only
