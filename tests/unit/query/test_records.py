"""Rows of log records as OTLP again: each with its own content, and nobody else's is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory import codec, tables
from llm_observatory.codec.reference.decode.framing import field
from llm_observatory.codec.rows import Fields
from llm_observatory.query.records import FoundRows, logs
from tests.plugins.stored import dimensions_of, fields_of
from tests.unit.codec import spans
from tests.unit.codec.logs import encode, record, request

RECORDS = 50


def said(number: int) -> LogRecord:
    """Of every third record the body is content, of every other third an attribute."""
    items = {"gen_ai.input.messages": f"asked {number}"} if number % 3 == 1 else {}
    name = "gen_ai.user.message" if number % 3 == 0 else "app.start"
    return record(f"said {number}", items, time_unix_nano=spans.START + number // 2, event_name=name)


def test_each_record_has_its_own_content_which_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [said(number) for number in range(RECORDS)]
    encoded = encode(request(*sent))
    content = fields_of(encoded, tables.LLM_CONTENT)
    assert len(content) > RECORDS / 2
    found = FoundRows(fields_of(encoded, tables.LLM_LOGS), dimensions_of(encoded), content[::-1])
    read: list[Fields] = []
    decode = codec.decode

    def counting(
        signal: str, rows: Iterable[Fields], dimensions: Mapping[str, Mapping[bytes, Fields]], content: Iterable[Fields]
    ) -> bytes:
        read.extend(content)
        return decode(signal, rows, dimensions, content)

    monkeypatch.setattr(codec, "decode", counting)
    assert [one.record for one in logs(found)] == sent
    assert len(read) == len(content)


@pytest.mark.parametrize("event_name", ["", "gen_ai.user.message"], ids=["body", "content"])
def test_what_is_too_deep_for_an_answer_comes_without_it(event_name: str) -> None:
    value = AnyValue(string_value="innermost").SerializeToString()
    for _ in range(49):
        value = field(AnyValue.ARRAY_VALUE_FIELD_NUMBER, field(1, value))
    plain = LogRecord(time_unix_nano=spans.START, severity_text="INFO", event_name=event_name)
    deep = plain.SerializeToString() + field(LogRecord.BODY_FIELD_NUMBER, value)
    encoded = encode(field(1, field(2, field(2, deep))))
    assert encoded.accepted == 1
    found = FoundRows(fields_of(encoded, tables.LLM_LOGS), dimensions_of(encoded), fields_of(encoded, tables.LLM_CONTENT))
    assert [one.record for one in logs(found)] == [plain]


def test_the_size_is_that_of_the_fields_of_rows_and_content() -> None:
    assert FoundRows([[b"abc", None], [b"d", b""]], {}, [[None, b"ef"]]).byte_size == 6
