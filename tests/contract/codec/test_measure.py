"""What is too large is refused before it is parsed: exact limits, nothing underestimated, ordinary spans never looked at."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, SummaryDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest
from llm_observatory.codec.answer import MESSAGE_MAX_BYTES, message_for
from llm_observatory.codec.reference import measure
from llm_observatory.codec.reference.wire import Malformed
from llm_observatory.tables.limits import COUNTED_FROM_BYTES
from llm_observatory.tables.rules import REJECTIONS, ROW_MAX_BYTES, VALUES_MAX
from tests.plugins.codecs import Lower
from tests.unit.codec import logs, metrics, spans
from tests.unit.codec.spans import field

SPAN = measure.shape(Span.DESCRIPTOR)
GOOD = spans.span().SerializeToString()
KEY = field(1, b"k")


def request(record: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    return field(1, field(1, resource) + field(2, field(1, scope) + field(2, record)))


def array(elements: int) -> bytes:
    """An attribute of that many values without value."""
    return KEY + field(2, field(5, field(1, b"") * elements))


def deep(repeated: bytes) -> bytes:
    """An attribute of kvlists in arrays, which hold `repeated` as their innermost entries."""
    value = field(6, repeated)
    for _ in range(5):
        value = field(6, field(1, KEY + field(2, field(5, field(1, value)))))
    return field(9, KEY + field(2, value))


MANY: dict[str, Callable[[int], bytes]] = {
    "attributes": lambda count: field(9, b"") * count,
    "events": lambda count: field(11, b"") * count,
    "links": lambda count: field(13, b"") * count,
    "elements": lambda count: field(9, array(count - 1)),
    "elements in pieces": lambda count: field(9, array(count // 2)) + field(9, array(count - 2 - count // 2)),
    "attributes of an event": lambda count: field(11, field(3, b"") * (count - 1)),
    "attributes of a link": lambda count: field(13, field(4, b"") * (count - 1)),
    "entries far below": lambda count: deep(field(1, b"") * (count - 11)),
}


@pytest.mark.parametrize("make", MANY.values(), ids=MANY.keys())
def test_values_are_counted_wherever_they_are(make: Callable[[int], bytes]) -> None:
    assert measure.exceeded(GOOD + make(VALUES_MAX), SPAN) is None
    assert measure.exceeded(GOOD + make(VALUES_MAX + 1), SPAN) == "too_many_values"


def tagged(number: int, wire_type: int, value: bytes) -> bytes:
    return bytes([number << 3 | wire_type]) + value


MANY_OF_POINTS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "packed counts": ("histogram", lambda count: field(6, bytes(8) * count)),
    "packed bounds": ("histogram", lambda count: field(7, bytes(8) * count)),
    "counts and bounds": ("histogram", lambda count: field(6, bytes(8) * 100_000) + field(7, bytes(8) * (count - 100_000))),
    "counts one by one": ("histogram", lambda count: tagged(6, 1, bytes(8)) * count),
    "bounds one by one": ("histogram", lambda count: tagged(7, 1, bytes(8)) * count),
    "packed counts of a byte": ("exponential_histogram", lambda count: field(8, field(2, b"\x01" * count))),
    "packed counts of many": ("exponential_histogram", lambda count: field(9, field(2, (b"\xff" * 8 + b"\x01") * count))),
    "on both sides": ("exponential_histogram", lambda n: field(8, field(2, b"\0" * (n - 9))) + field(9, field(2, b"\0" * 9))),
    "counts of a side one by one": ("exponential_histogram", lambda count: field(8, tagged(2, 0, b"\x01") * count)),
    "quantiles": ("summary", lambda count: field(6, b"") * count),
    "exemplars": ("gauge", lambda count: field(5, b"") * count),
    "attributes of an exemplar": ("sum", lambda count: field(5, field(7, b"") * (count - 1))),
    "attributes": ("exponential_histogram", lambda count: field(1, b"") * count),
}


@pytest.mark.parametrize("kind, make", MANY_OF_POINTS.values(), ids=MANY_OF_POINTS.keys())
def test_values_of_points_are_counted_packed_or_not(kind: str, make: Callable[[int], bytes]) -> None:
    shape = measure.shape(metrics.POINTS[kind].DESCRIPTOR)
    good = metrics.point(kind).SerializeToString()
    assert measure.exceeded(good + make(VALUES_MAX), shape) is None
    assert measure.exceeded(good + make(VALUES_MAX + 1), shape) == "too_many_values"


def test_a_point_of_too_many_buckets_is_refused_alone() -> None:
    good = metrics.point("histogram")
    large = metrics.point("histogram", count=VALUES_MAX + 1, bucket_counts=[1] * (VALUES_MAX + 1))
    encoded = metrics.encode(metrics.request(metrics.metric("histogram", good, large, good)))
    assert (encoded.accepted, encoded.rejected_by_rule) == (2, {"too_many_values": 1})


def test_as_many_buckets_as_allowed_are_stored() -> None:
    large = metrics.point("histogram", count=VALUES_MAX, bucket_counts=[1] * VALUES_MAX)
    (row,) = metrics.rows(metrics.encode(metrics.request(metrics.metric("histogram", large))))
    assert row["bucket_counts"] == [1] * VALUES_MAX


def test_large_packed_numbers_that_upb_would_refuse_are_malformed() -> None:
    good = metrics.point("histogram").SerializeToString()
    for end in (field(6, bytes(200_001)), field(6, bytes(8)) * 20_000 + b"\x07"):
        data = field(1, field(2, field(2, field(9, field(1, good + end) + field(1, good)))))
        encoded = metrics.encode(data)
        assert (encoded.accepted, encoded.rejected_by_rule) == (1, {"record_malformed": 1})


def test_a_span_of_too_many_values_is_refused_alone() -> None:
    record = field(2, GOOD)
    data = field(1, field(2, record + field(2, GOOD + MANY["events"](VALUES_MAX + 1)) + record))
    encoded = spans.encode(data)
    assert (encoded.accepted, encoded.rejected_by_rule) == (2, {"too_many_values": 1})
    assert codec.answer("traces", encoded)


def test_as_many_values_as_allowed_are_stored() -> None:
    (row,) = spans.rows(request(GOOD + field(9, array(VALUES_MAX - 1))))
    assert row["attributes"] == {"k": [None] * (VALUES_MAX - 1)}


def test_a_hundred_times_too_many_end_as_early(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0
    read = measure._fields_of_all_levels

    def counted(data: bytes, root: measure.Shape) -> Any:
        nonlocal seen
        for found in read(data, root):
            seen += 1
            yield found

    monkeypatch.setattr(measure, "_fields_of_all_levels", counted)
    monkeypatch.setattr(measure, "VALUES_MAX", 1000)
    monkeypatch.setattr(measure, "FIELDS_MAX", 6000)
    for data, most in ((MANY["events"](100_000), 1001), (field(9, array(100_000)), 1010), (b"\x08\x01" * 100_000, 6002)):
        seen = 0
        assert measure.exceeded(GOOD + data, SPAN) == "too_many_values"
        assert seen <= most + 10


def test_small_spans_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(measure, "_fields_of_all_levels")
    assert measure.exceeded(bytes(COUNTED_FROM_BYTES), SPAN) is None
    assert COUNTED_FROM_BYTES < VALUES_MAX  # a bucket count takes one byte


@pytest.mark.parametrize("end", [b"\x07", b"\x4a\x7f", field(9, field(2, field(5, b"\x0a\x05"))), spans.deep_value(60)])
def test_a_large_span_that_upb_would_refuse_never_reaches_it(end: bytes) -> None:
    large = GOOD + field(11, b"") * 100_000 + end
    assert spans.encode(request(large)).rejected_by_rule == {"record_malformed": 1}
    with pytest.raises(Malformed):
        measure.exceeded(GOOD + field(11, b"") * 100_000 + end, SPAN)


@pytest.mark.parametrize("depth, stored", [(48, 1), (49, 1), (50, 0)])
@pytest.mark.parametrize("before", [b"", field(11, b"") * 100_000], ids=["small", "large"])
def test_what_is_large_may_nest_as_deep_as_what_is_small(before: bytes, depth: int, stored: int) -> None:
    assert spans.encode(request(GOOD + before + spans.deep_value(depth))).accepted == stored


SAMPLES: dict[str, Span] = {
    "control characters": spans.span({"k": "\x01\x1f" * 5000, "l": [{"\x02" * 900: "\x03" * 900}]}),
    "all of them": spans.span({"k": "".join(map(chr, range(0x80))) * 50}),
    "nul": spans.span({"k": "\0" * 9000}, name="\0" * 9000),
    "bytes": spans.span({"k": bytes(9001), "l": [bytes(1)] * 50}),
    "numbers": spans.span({f"k{n}": [-1.7976931348623157e308, -(2**63), 5e-324, -0.0, True, None] for n in range(90)}),
    "text": spans.span({"k": 'a "quoted" \\ line\n' * 900}, trace_state="t" * 900),
    "events": spans.span(
        events=[
            Span.Event(
                time_unix_nano=2**63 - 1, dropped_attributes_count=2**32 - 1, name="\x01", attributes=[KeyValue(key="k")]
            )
        ]
        * 90
    ),
    "links": spans.span(
        links=[
            Span.Link(
                trace_id=b"\xff" * 16, span_id=b"\xff" * 8, trace_state="\x01", flags=2**32 - 1, dropped_attributes_count=2**31
            )
        ]
        * 90
    ),
}


@pytest.mark.parametrize("span", SAMPLES.values(), ids=SAMPLES.keys())
def test_no_row_becomes_larger_than_it_was_measured(span: Span, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTED_FROM_BYTES", "MEASURED_FROM_BYTES"):
        monkeypatch.setattr(measure, name, 0)
    (row,) = spans.split_rows(spans.encode(spans.request(span)).tables[0].chunks[0])
    documents = [
        len(value or b"")
        for column, value in zip(tables.LLM_TRACES.columns, codec.tuple_fields(row), strict=True)
        if column.type in ("jsonb", "text")
    ]
    monkeypatch.setattr(measure, "ROW_MAX_BYTES", sum(documents) - 100)
    assert measure.exceeded(span.SerializeToString(), SPAN) == "row_too_large"


Quantile = SummaryDataPoint.ValueAtQuantile
Buckets = ExponentialHistogramDataPoint.Buckets
LONGEST = -1.7976931348623157e308

POINTS: dict[str, tuple[str, Any]] = {
    "exemplars": (
        "gauge",
        metrics.point(
            exemplars=[
                metrics.exemplar(
                    as_double=LONGEST,
                    time_unix_nano=2**63 - 1,
                    trace_id=b"\xff" * 16,
                    span_id=b"\xff" * 8,
                    filtered_attributes=[KeyValue(key="\x01")],
                )
            ]
            * 90
        ),
    ),
    "quantiles": ("summary", metrics.point("summary", quantile_values=[Quantile(quantile=LONGEST, value=LONGEST)] * 90)),
    "counts": (
        "exponential_histogram",
        metrics.point("exponential_histogram", positive=Buckets(bucket_counts=[2**63 - 1] * 90), scale=-(2**31)),
    ),
    "small counts": (
        "exponential_histogram",
        metrics.point("exponential_histogram", negative=Buckets(bucket_counts=[0] * 900)),
    ),
    "buckets": ("histogram", metrics.point("histogram", bucket_counts=[1] * 90, explicit_bounds=[LONGEST] * 89)),
    "labels": ("sum", metrics.point("sum", {"k": "\x01\x1f" * 5000, "l": [{"\x02" * 900: "\0" * 900}]})),
}


@pytest.mark.parametrize("kind, point", POINTS.values(), ids=POINTS.keys())
def test_no_row_of_a_point_becomes_larger_than_it_was_measured(kind: str, point: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTED_FROM_BYTES", "MEASURED_FROM_BYTES"):
        monkeypatch.setattr(measure, name, 0)
    encoded = metrics.encode(metrics.request(metrics.metric(kind, point, name="")))
    (row,) = spans.split_rows(encoded.tables[0].chunks[0])
    (label,) = encoded.dimensions["metric_labels"].values()
    documents = [
        len(value or b"")
        for table, made in ((tables.LLM_METRICS, row), (tables.METRIC_LABELS, label))
        for column, value in zip(table.columns, codec.tuple_fields(made), strict=True)
        if column.type in ("jsonb", "int8[]", "float8[]")
    ]
    monkeypatch.setattr(measure, "ROW_MAX_BYTES", sum(documents) - 100)
    assert measure.exceeded(point.SerializeToString(), measure.shape(point.DESCRIPTOR)) == "row_too_large"


def test_control_characters_are_refused_before_they_are_rendered() -> None:
    def record(control: int) -> bytes:
        return GOOD + field(9, KEY + field(2, field(1, b"\x01" * control)))

    fits = (ROW_MAX_BYTES - 2000) // 6
    assert measure.exceeded(record(fits), SPAN) is None
    encoded = spans.encode(request(record(fits + 500)))
    assert encoded.rejected_by_rule == {"row_too_large": 1}
    # As long, and within the limit: text, and bytes that are no text.
    assert measure.exceeded(GOOD + field(9, KEY + field(2, field(1, b"\n" * fits))), SPAN) is None
    assert measure.exceeded(GOOD + field(9, KEY + field(2, field(7, b"\x01" * fits))), SPAN) is None


WIDE = field(1, b"\x01" * (20 * 1024**2) + "\U0001f600".encode())
"""A value that becomes 120 MiB of JSON; its last character makes its str take four bytes a character."""
LOG = logs.record(...).SerializeToString()

LARGE: dict[str, tuple[str, bytes, float]] = {
    "a span's attribute": ("traces", request(GOOD + field(9, KEY + field(2, WIDE))), 3),
    "nested in an array": ("traces", request(GOOD + field(9, KEY + field(2, field(5, field(1, WIDE))))), 3),
    "a log's body": ("logs", request(LOG + field(5, field(6, field(1, KEY + field(2, WIDE))))), 3),
    "a log's body of text": ("logs", request(LOG + field(5, WIDE)), 9.5),
    "a resource": ("traces", request(GOOD, resource=field(1, KEY + field(2, WIDE))), 4),
}


@pytest.mark.parametrize("signal, payload, times", LARGE.values(), ids=LARGE.keys())
def test_what_is_large_and_wide_takes_a_few_times_its_row(signal: str, payload: bytes, times: float) -> None:
    """The strings, four bytes a character, and the text in pieces, whole, as a field, as a row: never all of them at once.

    Text that is not JSON is 20 MiB in its row, of which its str alone is four times that.
    """
    tracemalloc.start()
    try:
        encoded = spans.encode(payload, signal=signal)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    stored = encoded.size
    assert encoded.accepted == 1
    assert stored > 20 * 1024**2
    assert peak < times * stored


def test_the_largest_request_of_ordinary_text_fits() -> None:
    size = 64 * 1024**2 - 1000
    assert measure.exceeded(GOOD + field(9, KEY + field(2, field(1, b'"' * size))), SPAN) is None


@pytest.mark.parametrize(
    "data",
    [
        lambda: request(GOOD, resource=field(1, array(VALUES_MAX))),
        lambda: request(GOOD, resource=field(3, b"") * (VALUES_MAX + 1)),
        lambda: request(GOOD, resource=field(3, field(3, b"") * VALUES_MAX)),
        lambda: request(GOOD, scope=field(3, array(VALUES_MAX))),
    ],
    ids=["resource", "entities", "keys of an entity", "scope"],
)
def test_a_source_of_too_many_values_takes_its_records_along(data: Callable[[], bytes]) -> None:
    encoded = spans.encode(data() + request(GOOD))
    assert (encoded.accepted, encoded.rejected_by_rule) == (1, {"too_many_values": 1})


def test_a_source_too_large_as_a_row_takes_its_records_along(limits: Lower) -> None:
    limits(row_max_bytes=400_000)
    text = Resource(attributes=spans.attributes({"k": "\x01" * 140_000})).SerializeToString()
    assert spans.encode(request(GOOD, resource=text)).rejected_by_rule == {"row_too_large": 1}
    assert spans.encode(request(GOOD, scope=field(3, text[4:]))).rejected_by_rule == {"row_too_large": 1}


def test_a_large_source_that_is_broken_is_malformed() -> None:
    assert spans.encode(request(GOOD, resource=field(1, b"") * 100_000 + b"\x07")).rejected_by_rule == {"source_malformed": 1}


def test_the_words_say_the_limits() -> None:
    assert str(VALUES_MAX) in REJECTIONS["too_many_values"]
    assert f"{ROW_MAX_BYTES // 1024**2} MiB" in REJECTIONS["row_too_large"]


def test_the_message_stays_short_if_every_rule_was_broken() -> None:
    broken = EncodedRequest(tables=(), accepted=0, rejected_by_rule=dict.fromkeys(REJECTIONS, 200_000))
    assert len(message_for(broken)) <= MESSAGE_MAX_BYTES
