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

    Raises InvalidPayload when it is none as a whole: not JSON, no object, of the wrong shape around the records, or nested
    deeper than Python's parser reads (about 950 arrays and objects under Python 3.11, less the frames of the caller). The
    message names place and fault and quotes nothing of the body.

    CPU: 24 us a span of 390 bytes (790 as JSON), of which 5 are the parser's; encoding it takes 28. Worst are records of one
    or two bytes: 25 s for 64 MiB. Memory at the peak, beside the body and in bytes per byte of it: 8 for spans; at most 75, for
    numbers of one digit or empty objects in one record. The result is at most 5 times the body, usually half of it.
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
