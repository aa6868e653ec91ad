"""One bad span never harms its neighbours: each rule, its path, its answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory import codec
from llm_observatory.codec import Rejection, Terms
from llm_observatory.codec.answer import MESSAGE_MAX_BYTES
from llm_observatory.tables.limits import REJECTION_SAMPLES
from llm_observatory.tables.rules import REJECTIONS
from tests.plugins.codecs import Lower
from tests.unit.codec import spans
from tests.unit.codec.spans import DAY_US, NOW

NOW_NS = NOW * 1000
DAY_NS = DAY_US * 1000


def broken(rule: str) -> list[bytes]:
    """Spans on the wire that break one rule."""
    return {
        "trace_id_invalid": lambda: [
            spans.span(trace_id=trace_id).SerializeToString() for trace_id in (b"", bytes(16), b"\x01" * 15, b"\x01" * 17)
        ],
        "span_id_invalid": lambda: [
            spans.span(span_id=span_id).SerializeToString() for span_id in (b"", bytes(8), b"\x01" * 7, b"\x01" * 9)
        ],
        "parent_span_id_invalid": lambda: [
            spans.span(parent_span_id=parent).SerializeToString() for parent in (b"\x01", b"\x01" * 7, b"\x01" * 16)
        ],
        "time_out_of_range": lambda: [
            spans.span(start_time_unix_nano=2**63).SerializeToString(),
            spans.span(end_time_unix_nano=2**64 - 1).SerializeToString(),
            spans.span(events=[Span.Event(time_unix_nano=2**63)]).SerializeToString(),
        ],
        "too_old": lambda: [
            spans.span(start_time_unix_nano=0).SerializeToString(),
            spans.span(start_time_unix_nano=NOW_NS - 89 * DAY_NS - 1).SerializeToString(),
        ],
        "too_far_ahead": lambda: [
            spans.span(start_time_unix_nano=NOW_NS + DAY_NS + 1000).SerializeToString(),
            spans.span(start_time_unix_nano=2**63 - 1).SerializeToString(),
        ],
        "enum_out_of_range": lambda: [
            spans.span().SerializeToString() + b"\x30\x80\x80\x02",
            spans.span().SerializeToString() + b"\x7a\x04\x18\x80\x80\x02",
        ],
        "record_malformed": lambda: [
            spans.span().SerializeToString() + b"\x2a\x02\xc3\x28",  # a name that is not UTF-8
            spans.span({"k": "vv"}).SerializeToString().replace(b"vv", b"\xff\xfe"),
            spans.span().SerializeToString() + spans.deep_value(50),
            spans.span().SerializeToString() + b"\x2a\x7f",  # longer than the record
            spans.span().SerializeToString() + b"\x07",
        ],
    }[rule]()


OF_SIZE = {"too_many_values", "row_too_large"}  # their own tests: test_measure
OF_METRICS = {"count_out_of_range", "metric_malformed", "point_time_missing", "point_value_missing"}
RULES = sorted(
    REJECTIONS.keys()
    - {"source_malformed", "sources_too_large", "too_much_content", "request_rows_too_large", "refused_by_database"}
    - OF_SIZE
    - OF_METRICS
)


def payload(*records: bytes) -> bytes:
    return spans.field(1, spans.field(2, b"".join(spans.field(2, record) for record in records)))


@pytest.mark.parametrize("rule", RULES)
def test_the_record_alone_is_rejected(rule: str) -> None:
    good = spans.span().SerializeToString()
    for record in broken(rule):
        encoded = spans.encode(payload(good, record, good))
        assert encoded.accepted == 2
        assert encoded.rejected == (Rejection("resource_spans[0].scope_spans[0].spans[1]", rule),)
        assert encoded.rejected_by_rule == {rule: 1}
        assert len(spans.read_table(encoded, "llm_traces")) == 2


def test_all_at_once() -> None:
    good = spans.span().SerializeToString()
    records = [record for rule in RULES for record in [*broken(rule), good]]
    encoded = spans.encode(payload(*records))
    assert encoded.accepted == len(RULES)
    assert encoded.rejected_by_rule == {rule: len(broken(rule)) for rule in RULES}
    assert encoded.rejected_count == len(records) - len(RULES)
    assert len(encoded.rejected) == REJECTION_SAMPLES


def test_a_rejected_span_leaves_no_trace() -> None:
    encoded = spans.encode(payload(spans.span({"k\0": "\0"}, span_id=b"").SerializeToString()))
    assert encoded.tables == ()
    assert encoded.dimensions == {}
    assert encoded.repaired == {}
    assert (encoded.accepted, encoded.min_time, encoded.max_time) == (0, None, None)


def test_the_window_is_closed_at_both_ends() -> None:
    for start in (NOW_NS - 89 * DAY_NS, NOW_NS + DAY_NS + 999):
        assert spans.encode(payload(spans.span(start_time_unix_nano=start).SerializeToString())).accepted == 1


def test_any_age_is_accepted_when_the_window_has_no_beginning() -> None:
    data = payload(spans.span(start_time_unix_nano=1).SerializeToString())
    assert spans.encode(data, terms=Terms(None, DAY_US, 1024**2)).accepted == 1
    assert spans.encode(data, terms=Terms(DAY_US, DAY_US, 1024**2)).rejected_by_rule == {"too_old": 1}


@pytest.mark.parametrize("start", [0, 1, 946_684_800_000_000_000, 2**63 - 1])
@pytest.mark.parametrize("end", [0, 1, 2**63 - 1])
def test_the_first_and_the_last_moment_of_all(start: int, end: int) -> None:
    data = payload(spans.span(start_time_unix_nano=start, end_time_unix_nano=end).SerializeToString())
    encoded = spans.encode(data, terms=Terms(None, 2**63, 1024**2))
    (row,) = spans.read_table(encoded, "llm_traces")
    assert (row["timestamp"], row["timestamp_nanos"]) == (start // 1000, start % 1000)
    assert row["duration_ns"] == (end - start if end else None)
    assert encoded.min_time == encoded.max_time == start // 1000
    assert [row["hour"] for row in spans.read_table(encoded, "ingest_touched")] == list(encoded.hours)


@pytest.mark.parametrize(
    "make",
    [
        lambda good: spans.field(1, spans.field(1, b"\x0a\xff") + spans.field(2, good)),
        lambda good: spans.field(1, spans.field(2, spans.field(1, spans.field(1, b"\xff")) + good)),
        lambda good: spans.field(1, spans.field(3, b"\xff") + spans.field(2, good)),
        lambda good: spans.field(1, spans.field(2, good + spans.field(3, b"\xc3"))),
    ],
    ids=["resource", "scope name", "resource schema url", "scope schema url"],
)
def test_a_source_that_cannot_be_read_takes_its_records_along_and_no_others(make: Callable[[bytes], bytes]) -> None:
    record = spans.field(2, spans.span().SerializeToString())
    encoded = spans.encode(make(record + record) + spans.field(1, spans.field(2, record)))
    assert encoded.accepted == 1
    assert encoded.rejected == (
        Rejection("resource_spans[0].scope_spans[0].spans[0]", "source_malformed"),
        Rejection("resource_spans[0].scope_spans[0].spans[1]", "source_malformed"),
    )


def test_a_large_resource_over_many_scopes_is_stopped(limits: Lower) -> None:
    limits(dimension_rows_max_bytes=10_000)
    resource = spans.field(1, spans.field(1, spans.attributes({"big": "x" * 4000})[0].SerializeToString()))
    record = spans.field(2, spans.span().SerializeToString())
    scopes = b"".join(spans.field(2, spans.field(1, spans.field(1, str(number).encode())) + record) for number in range(6))
    encoded = spans.encode(spans.field(1, resource + scopes))
    assert (encoded.accepted, encoded.rejected_by_rule) == (3, {"sources_too_large": 3})
    assert codec.answer("traces", encoded)


def test_more_content_than_is_held_at_once_is_stopped(limits: Lower) -> None:
    """What counts are the rows, not the text: what is long on the wire may be as long in the table."""
    limits(content_rows_max_bytes=800)
    long = spans.span({"input.value": "x" * 5000}).SerializeToString()
    assert spans.encode(payload(long, long, long)).accepted == 3
    said = spans.span({f"gen_ai.{name}.messages": "" for name in ("input", "output")}).SerializeToString()
    plain = spans.span({"k": 1}).SerializeToString()
    encoded = spans.encode(payload(said, said, plain, said, said, plain, said))
    assert (encoded.accepted, encoded.rejected_by_rule) == (4, {"too_much_content": 3})
    size = sum(table.size for table in encoded.tables if table.name == "llm_content")
    assert 600 < size < 1200
    off = spans.encode(payload(*[said] * 20), terms=spans.TERMS._replace(content_max_bytes=0))
    assert off.accepted == 20
    assert codec.answer("traces", encoded)


def test_paths_name_resource_scope_and_record() -> None:
    good, bad = (spans.field(2, spans.span(span_id=span_id).SerializeToString()) for span_id in (spans.SPAN_ID, b""))
    data = spans.field(1, spans.field(2, good)) + spans.field(1, spans.field(2, good) + spans.field(2, good + good + bad))
    assert spans.encode(data).rejected[0].path == "resource_spans[1].scope_spans[1].spans[2]"


def test_full_success_is_the_empty_answer() -> None:
    assert codec.answer("traces", spans.encode(spans.request(spans.span()))) == b""
    assert codec.answer("traces", spans.encode(b"")) == b""


def test_the_answer_counts_exactly_and_can_be_read() -> None:
    records = [record for rule in RULES for record in broken(rule)] * 30
    encoded = spans.encode(payload(*records))
    partial = ExportTraceServiceResponse.FromString(codec.answer("traces", encoded)).partial_success
    assert partial.rejected_spans == len(records)
    assert "120 x trace_id_invalid (trace_id must be 16 bytes and not all zero)" in partial.error_message
    assert "resource_spans[0].scope_spans[0].spans[0] enum_out_of_range" in partial.error_message
    assert len(partial.error_message.encode()) <= MESSAGE_MAX_BYTES


def test_every_rule_that_was_broken_is_named_however_many_there_are() -> None:
    encoded = spans.encode(payload(*[record for rule in RULES for record in broken(rule)]))
    message = ExportTraceServiceResponse.FromString(codec.answer("traces", encoded)).partial_success.error_message
    assert [rule for rule in RULES if rule not in message] == []


def test_words_of_the_rejections_are_plain_ascii() -> None:
    assert "".join([*REJECTIONS, *REJECTIONS.values()]).isascii()


def test_status_is_read_even_without_a_code() -> None:
    assert spans.row(status=Status(message="m"))["status_message"] == "m"
