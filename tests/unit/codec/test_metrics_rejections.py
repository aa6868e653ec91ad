"""One bad data point never harms its neighbours: each rule alone, what is odd, and the answers of all signals."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric

from llm_observatory import codec
from llm_observatory.codec import EncodedRequest, Rejection, Terms
from llm_observatory.tables.limits import REJECTION_SAMPLES
from tests.unit.codec import metrics, spans
from tests.unit.codec.metrics import TIME, exemplar, metric, point, request
from tests.unit.codec.spans import DAY_US, NOW, field
from tests.unit.codec.wire import scalar

NAN = float("nan")
DAY_NS = DAY_US * 1000
NOW_NS = NOW * 1000
Buckets = ExponentialHistogramDataPoint.Buckets
KINDS = list(metrics.POINTS)
FIELDS = {kind: Metric.DESCRIPTOR.fields_by_name[kind].number for kind in KINDS}
"""Of the data in a Metric."""

BEYOND = 2**63
MOST = 2**64 - 1


def of_every_kind(**members: Any) -> list[tuple[str, bytes]]:
    return [(kind, point(kind, **members).SerializeToString()) for kind in KINDS]


def of_kind(kind: str, *given: dict[str, Any]) -> list[tuple[str, bytes]]:
    return [(kind, point(kind, **members).SerializeToString()) for members in given]


def with_end(end: bytes) -> list[tuple[str, bytes]]:
    return [(kind, point(kind).SerializeToString() + end) for kind in KINDS]


BROKEN: dict[str, list[tuple[str, bytes]]] = {
    "point_time_missing": [*of_every_kind(time_unix_nano=0), *[(kind, b"") for kind in KINDS]],
    "time_out_of_range": [
        *of_every_kind(time_unix_nano=BEYOND),
        *of_every_kind(start_time_unix_nano=MOST),
        *[
            (kind, point(kind, exemplars=[exemplar(), exemplar(time_unix_nano=BEYOND)]).SerializeToString())
            for kind in KINDS
            if kind != "summary"
        ],
    ],
    "too_old": [*of_every_kind(time_unix_nano=1), *of_every_kind(time_unix_nano=NOW_NS - 89 * DAY_NS - 1)],
    "too_far_ahead": [
        *of_every_kind(time_unix_nano=NOW_NS + DAY_NS + 1000),
        *of_every_kind(time_unix_nano=BEYOND - 1),
    ],
    "point_value_missing": [
        *of_kind("gauge", {"as_double": None}, {"as_double": None, "flags": 2}),
        *of_kind("sum", {"as_int": None}, {"as_int": None, "flags": 2**32 - 2}),
    ],
    "count_out_of_range": [
        *of_kind("histogram", {"count": BEYOND}, {"count": MOST}, {"bucket_counts": [0, MOST, 1]}),
        *of_kind("summary", {"count": BEYOND}),
        *of_kind(
            "exponential_histogram",
            {"count": BEYOND},
            {"zero_count": MOST},
            {"positive": Buckets(bucket_counts=[1, BEYOND])},
            {"negative": Buckets(bucket_counts=[MOST, 1])},
        ),
    ],
    "record_malformed": [
        *with_end(b"\x07"),
        *with_end(b"\x3a\x7f"),
        *with_end(b"\x1d\x01"),  # a truncated scalar
        ("gauge", point(items={"k": "vv"}).SerializeToString().replace(b"vv", b"\xff\xfe")),
        ("gauge", point().SerializeToString() + field(7, spans.deep_value(60)[2:])),
        ("gauge", point().SerializeToString() + field(5, field(7, field(1, b"\xff")))),
        ("histogram", point("histogram").SerializeToString() + field(6, bytes(7))),  # of packed numbers of 8 bytes
        ("exponential_histogram", point("exponential_histogram").SerializeToString() + field(8, field(2, b"\x80"))),
    ],
}


def data_of(kind: str, *points: bytes, temporality: int = metrics.CUMULATIVE) -> bytes:
    """A Metric on the wire."""
    beside = scalar(2, temporality) if kind in metrics.WITH_TEMPORALITY else b""
    return field(1, b"m") + field(FIELDS[kind], b"".join(field(1, data) for data in points) + beside)


def payload(*given: bytes) -> bytes:
    """A request with these Metrics on the wire."""
    return field(1, field(2, b"".join(field(2, data) for data in given)))


def good(kind: str) -> bytes:
    data: bytes = point(kind).SerializeToString()
    return data


@pytest.mark.parametrize("rule", BROKEN)
def test_the_point_alone_is_rejected(rule: str) -> None:
    for kind, data in BROKEN[rule]:
        encoded = metrics.encode(payload(data_of(kind, good(kind), data, good(kind)), data_of("gauge", good("gauge"))))
        path = f"resource_metrics[0].scope_metrics[0].metrics[0].{kind}.data_points[1]"
        assert encoded.rejected == (Rejection(path, rule),), data
        assert (encoded.accepted, encoded.rejected_by_rule) == (3, {rule: 1})
        assert len(spans.read_table(encoded, "llm_metrics")) == 3
        assert (encoded.repaired, encoded.odd) == ({}, {})


def test_all_at_once() -> None:
    given = [(kind, data) for broken in BROKEN.values() for kind, data in broken]
    encoded = metrics.encode(payload(*[data_of(kind, data, good(kind)) for kind, data in given]))
    assert encoded.accepted == len(given)
    assert encoded.rejected_by_rule == {rule: len(broken) for rule, broken in BROKEN.items()}
    assert len(encoded.rejected) == REJECTION_SAMPLES
    partial = ExportMetricsServiceResponse.FromString(codec.answer("metrics", encoded)).partial_success
    assert partial.rejected_data_points == len(given)
    assert [rule for rule in BROKEN if rule not in partial.error_message] == []


HEADS = {
    "a name that is not UTF-8": field(1, b"\xff"),
    "an earlier name that is not": field(1, b"\xc3\x28") + field(1, b"good"),
    "a unit that is not": field(3, b"\xff"),
    "a description that is not": field(2, b"\xff"),
    "metadata that is not": field(12, field(1, b"\xff")),
    "metadata that is no message": field(12, b"\x07"),
    "metadata that is too deep": field(12, spans.deep_value(60)[2:]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("before", [True, False], ids=["before the data", "after the data"])
def test_a_head_that_cannot_be_read_takes_its_points_along_and_no_others(kind: str, head: bytes, before: bool) -> None:
    data = data_of(kind, good(kind), good(kind), b"\x07")
    broken = head + data if before else data + head
    encoded = metrics.encode(payload(data_of(kind, good(kind)), broken, data_of(kind, good(kind))))
    path = f"resource_metrics[0].scope_metrics[0].metrics[1].{kind}.data_points"
    assert encoded.rejected == tuple(Rejection(f"{path}[{index}]", "metric_malformed") for index in range(3))
    assert (encoded.accepted, encoded.rejected_by_rule) == (2, {"metric_malformed": 3})


@pytest.mark.parametrize("kind", metrics.WITH_TEMPORALITY)
@pytest.mark.parametrize("temporality", [2**15, -(2**15) - 1, 2**31 - 1, -(2**31)])
def test_a_temporality_out_of_range(kind: str, temporality: int) -> None:
    data = data_of(kind, good(kind), good(kind), temporality=temporality)
    encoded = metrics.encode(payload(data, data_of(kind, good(kind))))
    assert (encoded.accepted, encoded.rejected_by_rule) == (1, {"enum_out_of_range": 2})


@pytest.mark.parametrize("kind", metrics.WITH_TEMPORALITY)
@pytest.mark.parametrize("temporality", [-(2**15), -1, 1, 3, 2**15 - 1])
def test_temporalities_of_the_future_are_kept(kind: str, temporality: int) -> None:
    encoded = metrics.encode(payload(data_of(kind, good(kind), temporality=temporality)))
    assert [row["temporality"] for row in metrics.labels(encoded)] == [temporality]
    assert encoded.odd == {}


def test_a_source_that_cannot_be_read_takes_its_points_along_and_no_others() -> None:
    data = field(2, data_of("gauge", good("gauge"), good("gauge")))
    encoded = metrics.encode(field(1, field(1, b"\x0a\xff") + field(2, data + data)) + field(1, field(2, data)))
    paths = [f"resource_metrics[0].scope_metrics[0].metrics[{m}].gauge.data_points[{n}]" for m in (0, 1) for n in (0, 1)]
    assert encoded.rejected == tuple(Rejection(path, "source_malformed") for path in paths)
    assert encoded.accepted == 2


def test_paths_name_resource_scope_metric_and_point() -> None:
    fine = data_of("gauge", good("gauge"))
    last = data_of("histogram", good("histogram"), good("histogram"), b"")
    scopes = field(2, field(2, fine)) + field(2, field(2, fine) + field(2, b"") + field(2, last))
    encoded = metrics.encode(field(1, field(2, field(2, fine))) + field(1, scopes))
    assert encoded.rejected[0].path == "resource_metrics[1].scope_metrics[1].metrics[2].histogram.data_points[2]"


def test_a_rejected_point_leaves_no_trace() -> None:
    bad = point("histogram", {"k\0": "\0"}, time_unix_nano=0, start_time_unix_nano=5, bucket_counts=[1], explicit_bounds=[NAN])
    data = metric("histogram", bad, name="n\0", data={"aggregation_temporality": 0})
    encoded = metrics.encode(request(data))
    assert (encoded.tables, encoded.dimensions.get("metric_labels", {}), encoded.hours) == ((), {}, ())
    assert (encoded.accepted, encoded.repaired, encoded.odd) == (0, {}, {})
    assert (encoded.min_time, encoded.max_time) == (None, None)


def test_the_window_is_closed_at_both_ends() -> None:
    for kind in KINDS:
        for time in (NOW_NS - 89 * DAY_NS, NOW_NS + DAY_NS + 999):
            assert metrics.encode(request(metric(kind, point(kind, time_unix_nano=time)))).accepted == 1


@pytest.mark.parametrize("time", [1, 999, 1000, 946_684_800_000_000_000, 2**63 - 1])
def test_the_first_and_the_last_moment_of_all(time: int) -> None:
    data = request(metric("sum", point("sum", time_unix_nano=time, start_time_unix_nano=time)))
    encoded = metrics.encode(data, terms=Terms(None, 2**63, 1024**2))
    (row,) = metrics.rows(encoded)
    assert (row["timestamp"], row["timestamp_nanos"]) == (time // 1000, time % 1000)
    assert (row["start_timestamp"], row["start_timestamp_nanos"]) == (time // 1000, time % 1000)
    assert encoded.min_time == encoded.max_time == time // 1000


# What is odd


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_after_the_time_is_odd(kind: str) -> None:
    given = [point(kind, start_time_unix_nano=start) for start in (0, TIME - 1, TIME, TIME + 1, 2**63 - 1)]
    encoded = metrics.encode(request(metric(kind, *given)))
    assert (len(metrics.rows(encoded)), encoded.odd) == (5, {"start_after_time": 2})


@pytest.mark.parametrize("kind", KINDS)
def test_a_temporality_that_is_not_said_is_odd_in_each_point(kind: str) -> None:
    has_one = kind in metrics.WITH_TEMPORALITY
    encoded = metrics.encode(
        request(metric(kind, point(kind), point(kind), data={"aggregation_temporality": 0} if has_one else {}))
    )
    assert encoded.odd == ({"temporality_unspecified": 2} if has_one else {})
    assert [row["temporality"] for row in metrics.labels(encoded)] == [0 if has_one else None]


@pytest.mark.parametrize(
    "count, buckets, bounds, odd",
    [
        (0, [], [], False),
        (7, [], [], False),
        (7, [7], [], False),
        (7, [3, 4], [1.0], False),
        (2**63 - 1, [2**62, 2**62 - 1], [1.0], False),
        (7, [3, 4], [], True),
        (7, [3, 4], [1.0, 2.0], True),
        (0, [], [1.0], True),
        (7, [3, 3], [1.0], True),
        (0, [3], [], True),
        (9, [3, 3], [], True),  # both: once
    ],
)
def test_buckets_that_do_not_fit_are_odd(count: int, buckets: list[int], bounds: list[float], odd: bool) -> None:
    given = point("histogram", count=count, bucket_counts=buckets, explicit_bounds=bounds)
    encoded = metrics.encode(request(metric("histogram", given)))
    (row,) = metrics.rows(encoded)
    assert (row["count"], row["bucket_counts"], row["bounds"]) == (count, buckets, bounds)
    assert encoded.odd == ({"buckets_inconsistent": 1} if odd else {})


@pytest.mark.parametrize(
    "count, zero, positive, negative, odd",
    [
        (0, 0, None, None, False),
        (6, 1, [2], [3], False),
        (6, 6, [], None, False),
        (6, 0, None, [1, 2, 3], False),
        (6, 0, None, None, True),
        (0, 1, None, None, True),
        (6, 1, [2], [2], True),
        (6, 2**63 - 1, [2**63 - 1], [2**63 - 1], True),
    ],
)
def test_exponential_buckets_that_do_not_add_up_are_odd(
    count: int,
    zero: int,
    positive: list[int] | None,
    negative: list[int] | None,
    odd: bool,
) -> None:
    sides = {"positive": positive, "negative": negative}
    given: dict[str, Any] = {name: Buckets(bucket_counts=counts) for name, counts in sides.items() if counts is not None}
    encoded = metrics.encode(
        request(metric("exponential_histogram", point("exponential_histogram", count=count, zero_count=zero, **given)))
    )
    assert encoded.accepted == 1
    assert encoded.odd == ({"buckets_inconsistent": 1} if odd else {})


@pytest.mark.parametrize(
    "bounds, odd",
    [
        ([1.0], False),
        ([-float("inf"), 0.0, float("inf")], False),
        ([1.0, 1.0], True),
        ([2.0, 1.0, 0.0], True),
        ([-0.0, 0.0], True),
        ([NAN], True),
        ([NAN, 1.0], True),
        ([1.0, NAN], True),
    ],
    ids=str,
)
def test_bounds_that_do_not_increase_are_odd(bounds: list[float], odd: bool) -> None:
    given = point("histogram", bucket_counts=[0] * (len(bounds) + 1), explicit_bounds=bounds)
    encoded = metrics.encode(request(metric("histogram", given)))
    assert encoded.accepted == 1
    assert encoded.odd == ({"bounds_not_increasing": 1} if odd else {})


def test_all_that_is_odd_about_one_point() -> None:
    given = point("histogram", start_time_unix_nano=TIME + 1, bucket_counts=[1], explicit_bounds=[NAN])
    encoded = metrics.encode(request(metric("histogram", given, data={"aggregation_temporality": 0})))
    odd = ("temporality_unspecified", "start_after_time", "buckets_inconsistent", "bounds_not_increasing")
    assert encoded.odd == dict.fromkeys(odd, 1)


# Metrics without data, and answers

WITHOUT_DATA = {
    "empty": b"",
    "a name": field(1, b"m"),
    "a name that is not UTF-8": field(1, b"\xff"),
    "int_gauge of old OTLP": field(1, b"m") + field(4, field(1, good("gauge"))),
    "int_sum of old OTLP": field(6, field(1, good("sum"))),
    "int_histogram of old OTLP": field(8, field(1, good("histogram"))),
    "a kind of the future": field(13, field(1, good("gauge"))),
    "a gauge that is no message": b"\x28\x01",
    "a gauge in a group": b"\x3b" + field(5, field(1, good("gauge"))) + b"\x3c",
}


@pytest.mark.parametrize("data", WITHOUT_DATA.values(), ids=WITHOUT_DATA.keys())
def test_a_metric_without_data_is_told_of_and_nothing_is_stored(data: bytes) -> None:
    encoded = metrics.encode(payload(data, data))
    assert (encoded.accepted, encoded.rejected_count, encoded.tables, encoded.repaired) == (0, 0, (), {})
    assert encoded.odd == {"metric_without_data": 2}
    partial = ExportMetricsServiceResponse.FromString(codec.answer("metrics", encoded)).partial_success
    assert partial.rejected_data_points == 0
    assert partial.error_message.startswith("2 x metric_without_data (a metric of no kind")
    neighbours = metrics.encode(payload(data_of("gauge", good("gauge")), data, data_of("sum", good("sum"))))
    assert (neighbours.accepted, neighbours.odd) == (2, {"metric_without_data": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_data_without_points_is_nothing_to_speak_of(kind: str) -> None:
    encoded = metrics.encode(payload(field(FIELDS[kind], b"")))
    assert (encoded.accepted, encoded.rejected_count, encoded.odd, encoded.tables) == (0, 0, {}, ())
    assert codec.answer("metrics", encoded) == b""


def test_full_success_is_the_empty_answer_whatever_was_odd() -> None:
    encoded = metrics.encode(request(metric("histogram", point("histogram", count=1, bucket_counts=[2]))))
    assert encoded.odd
    assert codec.answer("metrics", encoded) == codec.answer("metrics", metrics.encode(b"")) == b""


@pytest.mark.parametrize(
    "signal, response, member",
    [
        ("traces", ExportTraceServiceResponse, "rejected_spans"),
        ("metrics", ExportMetricsServiceResponse, "rejected_data_points"),
        ("logs", ExportLogsServiceResponse, "rejected_log_records"),
    ],
)
def test_the_answer_of_every_signal(signal: str, response: Any, member: str) -> None:
    rejected = EncodedRequest(tables=(), accepted=5, rejected_by_rule={"too_old": 2, "record_malformed": 200_000})
    partial = response.FromString(codec.answer(signal, rejected)).partial_success
    assert getattr(partial, member) == 200_002
    assert partial.error_message.startswith("200002 rejected: 200000 x record_malformed (the record is not valid protobuf")
    assert codec.answer(signal, EncodedRequest(tables=(), accepted=5)) == b""


def test_a_signal_without_answer() -> None:
    with pytest.raises(ValueError, match="profiles"):
        codec.answer("profiles", EncodedRequest(tables=(), accepted=0, rejected_by_rule={"too_old": 1}))


def test_the_warning_stands_beside_what_was_rejected() -> None:
    unknown = metrics.metric("gauge", metrics.point())
    unknown.ClearField("gauge")
    encoded = metrics.encode(metrics.request(unknown, metrics.metric("gauge", metrics.point(time_unix_nano=0))))
    partial = ExportMetricsServiceResponse.FromString(codec.answer("metrics", encoded)).partial_success
    assert partial.rejected_data_points == 1
    assert "metric_without_data" in partial.error_message
    assert "point_time_missing" in partial.error_message
