"""What a client that speaks JSON reads."""

from __future__ import annotations

import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no stubs

from llm_observatory.codec.answer import RESPONSES
from llm_observatory.otlp.json import answer_to_json, status_to_json


@pytest.mark.parametrize("signal", RESPONSES)
def test_full_success_is_an_empty_object(signal: str) -> None:
    assert answer_to_json(signal, b"") == b"{}"


@pytest.mark.parametrize(
    "signal, name", [("traces", "rejectedSpans"), ("metrics", "rejectedDataPoints"), ("logs", "rejectedLogRecords")]
)
def test_a_partial_success(signal: str, name: str) -> None:
    response_type, rejected = RESPONSES[signal]
    response = response_type()
    setattr(response.partial_success, rejected, 2**53 + 1)
    response.partial_success.error_message = 'é "…"'
    expected = f'{{"partialSuccess":{{"{name}":"9007199254740993","errorMessage":"é \\"…\\""}}}}'
    assert answer_to_json(signal, response.SerializeToString()) == expected.encode()


def test_a_status_that_can_be_retried() -> None:
    retry = RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    status = Status(code=14, message="no room")
    status.details.add().Pack(retry)
    details = b'[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}]'
    assert status_to_json(status) == b'{"code":14,"message":"no room","details":' + details + b"}"


def test_a_status_that_names_a_field() -> None:
    status = Status(code=3, message="no")
    status.details.add().Pack(BadRequest(field_violations=[BadRequest.FieldViolation(field="a", description="b")]))
    details = b'[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"a","description":"b"}]}]'
    assert status_to_json(status) == b'{"code":3,"message":"no","details":' + details + b"}"


def test_a_status_without_anything() -> None:
    assert status_to_json(Status()) == b"{}"
