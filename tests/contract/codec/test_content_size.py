"""Content as large as a request may be: cut early, within the memory of its size, and never more rows than are held at once."""

from __future__ import annotations

import tracemalloc

import pytest

from llm_observatory.codec import EncodedRequest
from llm_observatory.tables.rules import CONTENT_ROWS_MAX_BYTES, ROW_MAX_BYTES
from tests.plugins.codecs import Lower
from tests.unit.codec import logs, spans
from tests.unit.codec.spans import field

MIB = 1024**2
LARGE = 60 * MIB


def measured(payload: bytes, max_bytes: int, signal: str = "traces") -> tuple[EncodedRequest, int]:
    """The request encoded, and what Python held at most meanwhile beside the payload (upb's own memory is not seen)."""
    terms = spans.TERMS._replace(content_max_bytes=max_bytes)
    tracemalloc.start()
    try:
        return spans.encode(payload, terms=terms, signal=signal), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def wire(items: dict[str, bytes]) -> bytes:
    """A request of one span with these strings, made without a message of that size."""
    attributes = b"".join(field(9, field(1, key.encode()) + field(2, field(1, value))) for key, value in items.items())
    return field(1, field(2, field(2, spans.span().SerializeToString() + attributes)))


@pytest.mark.parametrize("max_bytes, copies", [(0, 3), (1024, 3), (MIB, 3), (64 * MIB, 4)])
def test_a_body_of_60_mib(max_bytes: int, copies: int) -> None:
    """Copies at a time: the record, its string, that as bytes; kept whole, also the field, the row or the chunk."""
    encoded, peak = measured(wire({"gen_ai.input.messages": b"x" * LARGE}), max_bytes)
    assert encoded.accepted == 1
    rows = spans.read_table(encoded, "llm_content")
    assert [(len(row["body"]), row["original_length"]) for row in rows] == (
        [(min(LARGE, max_bytes), LARGE)] if max_bytes else []
    )
    (row,) = spans.read_table(encoded, "llm_traces")
    assert row["attributes"] == {}
    assert encoded.size < min(LARGE, max_bytes) + 4096
    assert peak < (copies + 0.2) * LARGE


@pytest.mark.parametrize("max_bytes", [0, MIB])
def test_the_body_of_a_message_event_of_60_mib(max_bytes: int) -> None:
    event = logs.record(..., event_name="gen_ai.choice").SerializeToString()
    payload = field(1, field(2, field(2, event + field(5, field(1, b"x" * LARGE)))))
    encoded, peak = measured(payload, max_bytes, "logs")
    assert encoded.accepted == 1
    rows = spans.read_table(encoded, "llm_content")
    assert [(len(row["body"]), row["original_length"]) for row in rows] == ([(MIB, LARGE)] if max_bytes else [])
    assert encoded.size < max_bytes + 4096
    assert peak < 3.2 * LARGE


def test_a_family_of_60_mib_of_line_feeds_is_cut_too() -> None:
    encoded, peak = measured(wire({f"llm.input_messages.{number}": b"\n" * MIB for number in range(60)}), MIB)
    ((body, length),) = [(row["body"], row["original_length"]) for row in spans.read_table(encoded, "llm_content")]
    assert len(body) == MIB
    assert 2 * LARGE < length < 2 * LARGE + 4096
    assert peak < 5 * 2 * LARGE


def test_what_would_be_too_large_as_json_is_refused_before() -> None:
    """Content is measured as part of its span: as JSON it would be six times as long."""
    encoded, peak = measured(wire({"llm.input_messages.0": b"\x01" * (ROW_MAX_BYTES // 6 + 1)}), MIB)
    assert encoded.rejected_by_rule == {"row_too_large": 1}
    assert peak < ROW_MAX_BYTES


def test_empty_items_of_a_hostile_client_take_no_more_than_they_may(limits: Lower) -> None:
    """Twenty bytes on the wire are a row of a thousand, with the longest names."""
    limit = CONTENT_ROWS_MAX_BYTES // 16
    limits(content_rows_max_bytes=limit)
    event = field(11, field(3, field(1, b"ai.prompt") + field(2, b"")))
    record = field(2, spans.span().SerializeToString() + event * 1000)
    service = spans.attributes({"service.name": "é" * 300})[0].SerializeToString()
    payload = field(1, field(1, field(1, service)) + field(2, record * 100))
    encoded = spans.encode(payload)
    assert encoded.rejected_by_rule["too_much_content"] > 50
    (size,) = [table.size for table in encoded.tables if table.name == "llm_content"]
    # The last span that is let in may go beyond it.
    assert 0.8 * limit < size < limit + 1000 * 700
