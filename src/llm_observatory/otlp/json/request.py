"""An export request in JSON as protobuf."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_observatory.errors import InvalidPayload
from llm_observatory.otlp.json.levels import Item, Misplaced, request_item

_ITEMS: dict[str, Item] = {
    "traces": request_item(ExportTraceServiceRequest.DESCRIPTOR),
    "metrics": request_item(ExportMetricsServiceRequest.DESCRIPTOR),
    "logs": request_item(ExportLogsServiceRequest.DESCRIPTOR),
}

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def to_protobuf(signal: str, body: bytes) -> bytes:
    """The protobuf bytes of the Export*ServiceRequest that `body` is in OTLP/JSON.

    Raises InvalidPayload when it is none as a whole.
    """
    value, fault = _parsed(body)
    if fault is None and type(value) is not dict:
        fault = "it is not an object"
    if fault is None:
        try:
            return _ITEMS[signal](value)
        except Misplaced as misplaced:
            fault = str(misplaced)
    # Outside of the `except` blocks: as cause or context the frames that hold the body would live on.
    raise InvalidPayload(f"the body is not an OTLP/JSON export request: {fault}")


def _parsed(body: bytes) -> tuple[Any, str | None]:
    """The JSON value, or what is wrong."""
    # Bytes that are not UTF-8 become surrogates, which make a string invalid again when it is written: one record's fault.
    text = body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    try:
        try:
            return _DECODER.decode(text), None
        except json.JSONDecodeError as error:
            return None, f"{error.msg} at line {error.lineno}, column {error.colno}"
        except ValueError:  # an integer of more digits than Python reads
            return _PATIENT_DECODER.decode(text), None
    except RecursionError:
        return None, "it nests too deeply"


def _integer(digits: str) -> int | float:
    """An integer; one that is longer than Python reads (4,300 digits) is an infinity."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_DECODER = json.JSONDecoder()
_PATIENT_DECODER = json.JSONDecoder(parse_int=_integer)
