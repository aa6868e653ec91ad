"""The doorway: steps, digests, choice of implementation, rows taken apart, and the rows beside the spans."""

from __future__ import annotations

import sys
from collections.abc import Generator
from hashlib import blake2b
from typing import Any

import pytest

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, native
from llm_observatory.codec.reference import fields
from llm_observatory.codec.reference.encoder import STEP_BYTES
from llm_observatory.errors import ConfigError
from llm_observatory.tables.limits import CHUNK_BYTES
from tests.plugins import codecs
from tests.unit.codec import spans
from tests.unit.codec.spans import NOW, START

HOUR_NS = 3_600_000_000_000


def drain(steps: Generator[None, None, EncodedRequest]) -> tuple[int, EncodedRequest]:
    """How often it yielded, and what it returned."""
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return pauses, done.value
        pauses += 1


def many(count: int) -> bytes:
    return spans.request(*[spans.span({"k": "x" * 400, "n": number}) for number in range(count)])


@pytest.mark.reference_codec
def test_stepwise_gives_what_the_whole_gives() -> None:
    payload = many(3000)
    pauses, encoded = drain(codec.encode_stepwise("traces", "default", payload, bytes(16), NOW, spans.TERMS))
    assert encoded == spans.encode(payload)
    assert encoded.accepted == 3000
    assert pauses == len(payload) // STEP_BYTES


@pytest.mark.reference_codec
def test_requests_may_be_interleaved() -> None:
    one, other = many(1200), spans.request(*[spans.span({"gen_ai.request.model": "m"}, name="y" * 400)] * 1200)
    steps = [codec.encode_stepwise("traces", "default", payload, bytes(16), NOW, spans.TERMS) for payload in (one, other)]
    for step in steps:
        next(step)
    assert [drain(step)[1] for step in steps] == [spans.encode(one), spans.encode(other)]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert spans.encode(many(5)) == spans.encode(many(5))


def test_chunks_are_whole_rows_of_about_128_kib() -> None:
    (table, *_) = spans.encode(many(3000)).tables
    assert sum(len(list(spans.split_rows(chunk))) for chunk in table.chunks) == table.rows == 3000
    assert all(CHUNK_BYTES <= len(chunk) < 2 * CHUNK_BYTES for chunk in table.chunks[:-1])


def test_tables_come_in_writing_order() -> None:
    encoded = spans.encode(many(1))
    made = [table.name for table in encoded.tables]
    assert made == ["llm_traces", "trace_index", "ingest_touched"]
    order = [table.name for table in tables.TABLES]
    assert sorted(made, key=order.index) == made
    written = sum(len(chunk) for table in encoded.tables for chunk in table.chunks)
    assert encoded.size == written + sum(map(len, encoded.dimensions["telemetry_sources"].values()))


def test_one_index_row_per_trace_with_its_first_and_last_start() -> None:
    def at(trace: int, offset: int) -> Any:
        return spans.span(trace_id=bytes([trace]) * 16, start_time_unix_nano=START + offset * 1000)

    encoded = spans.encode(spans.request(at(2, 5), at(1, 0), at(2, -7), at(2, 3), at(2, 9)))
    assert spans.read_table(encoded, "trace_index") == [
        {"tenant": "default", "timestamp": START // 1000 - 7, "last_timestamp": START // 1000 + 9, "trace_id": b"\x02" * 16},
        {"tenant": "default", "timestamp": START // 1000, "last_timestamp": START // 1000, "trace_id": b"\x01" * 16},
    ]
    assert (encoded.min_time, encoded.max_time) == (START // 1000 - 7, START // 1000 + 9)


def test_one_touched_row_per_hour_with_its_traces_sorted() -> None:
    hour = START // HOUR_NS
    times = [hour * HOUR_NS, (hour + 1) * HOUR_NS - 1, (hour - 1) * HOUR_NS, hour * HOUR_NS + 5]
    traces = [9, 3, 3, 9]
    encoded = spans.encode(
        spans.request(
            *[
                spans.span(trace_id=bytes([trace]) * 16, start_time_unix_nano=time)
                for trace, time in zip(traces, times, strict=True)
            ]
        )
    )
    common = {"tenant": "default", "signal": "traces", "touched_at": NOW}
    assert spans.read_table(encoded, "ingest_touched") == [
        common | {"hour": (hour - 1) * HOUR_NS // 1000, "trace_ids": [b"\x03" * 16]},
        common | {"hour": hour * HOUR_NS // 1000, "trace_ids": [b"\x03" * 16, b"\x09" * 16]},
    ]


def test_the_tenant_leads_every_row() -> None:
    encoded = codec.encode("traces", "acme", many(2), bytes(16), NOW, spans.TERMS)
    made = [row for table in encoded.tables for chunk in table.chunks for row in spans.split_rows(chunk)]
    for row in [*made, *encoded.dimensions["telemetry_sources"].values()]:
        assert codec.tuple_fields(row)[0] == b"acme"


def test_digest() -> None:
    expected = blake2b(b"\0\0\0\x02\xc3\xa9\0\0\0\x06tracesbody", digest_size=16).digest()
    assert codec.digest("traces", "é", b"body") == expected
    others = {
        codec.digest("traces", "a", b"bc"),
        codec.digest("traces", "ab", b"c"),
        codec.digest("logs", "a", b"bc"),
        codec.digest("metrics", "a", b"bc"),
    }
    assert len(others) == 4


def test_a_signal_without_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="profiles"):
        codec.encode("profiles", "default", b"", bytes(16), NOW, spans.TERMS)


def test_choice_of_implementation(implementation: str) -> None:
    assert codec.chosen().name == implementation
    assert codec.select("reference").name == codec.chosen().name == "reference"
    best = "reference" if codecs.MISSING else "native"
    assert codec.select("auto").name == codec.chosen().name == best
    with pytest.raises(ConfigError, match="OBSERVATORY_CODEC"):
        codec.select("rust")
    assert codec.chosen().name == best


def test_native_that_is_not_there_is_refused_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_observatory_codec", None)
    with pytest.raises(ConfigError, match=r"OBSERVATORY_CODEC: the native codec is not installed.*use auto or reference"):
        codec.select("native")
    used = codec.select("auto")
    assert (used.name, str(used.instead_of_native)[:34]) == ("reference", "the native codec is not installed ")


def test_native_of_another_spec_is_refused_in_words(implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "SPEC_VERSION", 1)
    if implementation == "native":
        with pytest.raises(ConfigError, match=r"runs version \d+ of the table spec, this is version 1: build it anew"):
            codec.select("native")
    assert codec.select("auto").name == "reference"


def test_tuple_fields() -> None:
    row = fields.column_count(3) + fields.text("a") + fields.NULL + fields.text("")
    assert codec.tuple_fields(row) == [b"a", None, b""]
    for wrong in (b"", b"\0", row[:-1], row + b"\0", row[:7]):
        with pytest.raises(ValueError, match="COPY row"):
            codec.tuple_fields(wrong)
