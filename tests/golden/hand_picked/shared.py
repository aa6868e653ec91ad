"""What the hand-picked cases share: values of every type, good neighbours, and bytes that no library writes."""

from __future__ import annotations

from math import inf, nan
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.plugins.hostile_wire import Style, write
from tests.plugins.otlp_messages import REQUESTS
from tests.unit.codec.logs import record
from tests.unit.codec.metrics import metric, point
from tests.unit.codec.spans import DAY_US, NOW, START, attributes, field, span

VALUES: dict[str, Any] = {
    "string": "é\U0001f642 \x22\\/\b\f\n\r\t\x01\x1f\x7f\u2028\uffff", "empty": "", "": "empty key",
    "true": True, "false": False,
    "ints": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)], "none": None, "bytes": b"\0\xff", "no bytes": b"",
    "doubles": [0.0, -0.0, 1.0, 0.1 + 0.2, 1e-5, 1e-7, 5e-324, 999999999999999.9, 1e15, 1e22, 1.7976931348623157e308],
    "special": [nan, inf, -inf], "list": [1, "a", None, [], {}], "map": {"b": {"$double": "1"}, "a": [{"": None}]},
    "$": 1, "$double": "NaN", "$$bytes": "", "long": "x" * 600,
}  # fmt: skip
"""Every type of value."""

GOOD = span(name="neighbour", span_id=b"\x09" * 8)
GOOD_RECORD = record("neighbour")
GOOD_METRIC = metric("gauge", point(), name="neighbour")
FAR_AHEAD, LONG_AGO = (NOW + 2 * DAY_US) * 1000, (NOW - 90 * DAY_US) * 1000
ZERO: dict[str, Any] = {"time_unix_nano": 0}
MESSAGES = '[{"role":"user","parts":[{"type":"text","content":"Where is my order?"}]}]'
FAMILY = {
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "hello",
    "kept": 1,
    "llm.input_messages.1.message.content": 12,
}
MARKED = {"logfire.json_schema": "{}", "prompt": "hello", "final_result": {"a": 1}, "tool_response": 3}
CHOICE = Span.Event(
    time_unix_nano=START, name="gen_ai.choice", attributes=attributes({"message": {"content": "yes"}, "index": 0})
)


def beside(data: bytes, resource: bytes = b"", scope: bytes = b"", schema_url: bytes = b"") -> bytes:
    """More of a payload, as bytes that no library writes: one record under a source of its own."""
    around = (field(1, scope) if scope else b"") + field(2, data) + (field(3, schema_url) if schema_url else b"")
    return field(1, (field(1, resource) if resource else b"") + field(2, around))


def styled(signal: str, payload: bytes, style: Style) -> bytes:
    """The same message, written in another way."""
    return write(REQUESTS[signal].FromString(payload), style)
