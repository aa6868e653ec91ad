"""What a client that speaks JSON is answered."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # ships no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

from llm_observatory.codec.answer import RESPONSES

DETAILS = (error_details_pb2.RetryInfo, error_details_pb2.BadRequest)
"""What the details of a status are: only types of imported files can be written out."""


def answer_to_json(signal: str, answer: bytes) -> bytes:
    """An Export*ServiceResponse of that signal, from protobuf to OTLP/JSON. Full success is `{}`."""
    if not answer:
        return b"{}"
    response: Message = RESPONSES[signal][0]()
    response.ParseFromString(answer)
    return _json(response)


def status_to_json(status: Status) -> bytes:
    """The body of an error over HTTP. TypeError when a detail is of a type that is not imported."""
    return _json(status)


def _json(message: Message) -> bytes:
    found: dict[str, Any] = MessageToDict(message)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
