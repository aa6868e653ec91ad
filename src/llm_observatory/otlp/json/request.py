"""An export request in JSON as protobuf."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_observatory.errors import InvalidPayload
from llm_observatory.otlp.json.levels import Item, Misplaced, request_item
from llm_observatory.otlp.json.reading import Cursor, NotJson

_ITEMS: dict[str, Item] = {
    "traces": request_item(ExportTraceServiceRequest.DESCRIPTOR),
    "metrics": request_item(ExportMetricsServiceRequest.DESCRIPTOR),
    "logs": request_item(ExportLogsServiceRequest.DESCRIPTOR),
}

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def to_protobuf(signal: str, body: bytes) -> bytes:
    """The protobuf bytes of the Export*ServiceRequest that `body` is in OTLP/JSON.

    Raises InvalidPayload when it is none as a whole: not JSON, no object, or of the wrong shape around the records. The
    message names place and fault and quotes nothing of the body.
    """
    # Bytes that are not UTF-8 become surrogates, which make a string invalid again when it is written: one record's fault.
    cursor = Cursor(body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape"))
    try:
        if cursor.peek() == "{":
            written = _ITEMS[signal](cursor)
            cursor.end()
            return bytes(written)
        cursor.value()
        fault = "it is not an object"
    except (Misplaced, NotJson) as misplaced:
        fault = str(misplaced)
    # Outside of the `except` block: as cause or context the frames that hold the body would live on.
    raise InvalidPayload(f"the body is not an OTLP/JSON export request: {fault}")
