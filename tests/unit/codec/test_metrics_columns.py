"""What each op reads from a data point of every kind, and what its exemplars become."""

from __future__ import annotations

from math import inf, isnan, nan
from struct import pack
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, SummaryDataPoint

from tests.unit.codec import metrics, spans
from tests.unit.codec.metrics import TIME, exemplar, row

INT64_MAX = 2**63 - 1
INFINITY, NAN = inf, nan
TRACE_ID, SPAN_ID = b"\xab" * 16, b"\xcd" * 8
Buckets = ExponentialHistogramDataPoint.Buckets
Quantile = SummaryDataPoint.ValueAtQuantile


def there(found: dict[str, Any]) -> dict[str, Any]:
    """What differs between kinds: the columns that are not NULL, without those that every point has."""
    every = {"tenant", "timestamp", "timestamp_nanos", "series_id", "metric_name", "service_name", "flags"}
    assert [name for name in every if found[name] is None] == []
    return {name: value for name, value in found.items() if value is not None and name not in every}


def same(found: float, expected: float) -> bool:
    """Equal as IEEE 754 sees it, the sign of zero and NaN included."""
    return pack(">d", found) == pack(">d", expected) or (isnan(found) and isnan(expected))


def test_what_every_point_has() -> None:
    found = row("gauge", start_time_unix_nano=TIME - 1001, flags=2**32 - 1)
    assert len(found.pop("series_id")) == 16
    assert {name: value for name, value in found.items() if value is not None} == {
        "tenant": "default",
        "timestamp": TIME // 1000,
        "timestamp_nanos": TIME % 1000,
        "start_timestamp": (TIME - 1001) // 1000,
        "start_timestamp_nanos": (TIME - 1001) % 1000,
        "metric_name": "llm.tokens",
        "service_name": "shop",
        "value": 1.5,
        "flags": 2**32 - 1,
    }


@pytest.mark.parametrize("kind", metrics.POINTS)
def test_a_start_of_0_is_none(kind: str) -> None:
    found = row(kind)
    assert (found["start_timestamp"], found["start_timestamp_nanos"]) == (None, None)
    found = row(kind, start_time_unix_nano=1)
    assert (found["start_timestamp"], found["start_timestamp_nanos"]) == (0, 1)


@pytest.mark.parametrize("kind", ["gauge", "sum"])
@pytest.mark.parametrize("value", [0.0, -0.0, 1e16, 5e-324, -1.7976931348623157e308, INFINITY, -INFINITY, NAN])
def test_doubles(kind: str, value: float) -> None:
    found = row(kind, as_double=value)
    assert same(found["value"], value)
    assert found["int_value"] is None


@pytest.mark.parametrize("kind", ["gauge", "sum"])
@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, INT64_MAX, -(2**63)])
def test_integers_are_exact_and_doubles_as_well(kind: str, value: int) -> None:
    found = row(kind, as_int=value)
    assert (found["int_value"], found["value"]) == (value, float(value))


@pytest.mark.parametrize("kind", ["gauge", "sum"])
def test_no_recorded_value(kind: str) -> None:
    assert there(row(kind, as_int=None, flags=1)) == {}
    assert row(kind, as_int=None, flags=1)["flags"] == 1
    assert there(row(kind, as_double=2.0, flags=1)) == {"value": 2.0}  # both: as it came


def test_a_histogram() -> None:
    given = {"sum": 12.5, "min": -1.0, "max": 9.0, "explicit_bounds": [-0.0, 5e-324, INFINITY]}
    found = row("histogram", count=6, bucket_counts=[1, 2, 0, 3], **given)
    assert there(found) == {
        "count": 6,
        "sum": 12.5,
        "min": -1.0,
        "max": 9.0,
        "bounds": [-0.0, 5e-324, INFINITY],
        "bucket_counts": [1, 2, 0, 3],
    }
    assert same(found["bounds"][0], -0.0)


@pytest.mark.parametrize("kind", ["histogram", "exponential_histogram"])
def test_of_what_is_optional_0_is_a_value_and_absence_is_not(kind: str) -> None:
    for name in ("sum", "min", "max"):
        assert row(kind)[name] is None
        assert same(row(kind, **{name: -0.0})[name], -0.0)
        assert row(kind, **{name: NAN})[name] != row(kind, **{name: NAN})[name]


def test_a_histogram_without_buckets() -> None:
    assert there(row("histogram", count=3)) == {"count": 3, "bounds": [], "bucket_counts": []}


def test_the_largest_counts() -> None:
    assert row("histogram", count=INT64_MAX, bucket_counts=[INT64_MAX])["bucket_counts"] == [INT64_MAX]
    assert row("summary", count=INT64_MAX)["count"] == INT64_MAX
    found = row("exponential_histogram", count=INT64_MAX, zero_count=INT64_MAX, positive=Buckets(bucket_counts=[INT64_MAX]))
    assert (found["count"], found["distribution"]["zero_count"]) == (INT64_MAX, INT64_MAX)
    assert found["distribution"]["positive"] == {"bucket_counts": [INT64_MAX]}


def test_an_exponential_histogram() -> None:
    found = row(
        "exponential_histogram",
        count=10,
        sum=1.0,
        min=0.5,
        max=2.0,
        scale=-(2**31),
        zero_count=4,
        zero_threshold=1e-9,
        positive=Buckets(offset=2**31 - 1, bucket_counts=[0, 1, 300]),
        negative=Buckets(offset=-7, bucket_counts=[5]),
    )
    assert there(found) == {
        "count": 10,
        "sum": 1.0,
        "min": 0.5,
        "max": 2.0,
        "distribution": {
            "scale": -(2**31),
            "zero_count": 4,
            "zero_threshold": 1e-9,
            "positive": {"offset": 2**31 - 1, "bucket_counts": [0, 1, 300]},
            "negative": {"offset": -7, "bucket_counts": [5]},
        },
    }


def test_empty_members_of_an_exponential_histogram_are_left_out() -> None:
    assert row("exponential_histogram")["distribution"] == {}
    assert row("exponential_histogram", negative=Buckets())["distribution"] == {"negative": {}}
    assert row("exponential_histogram", positive=Buckets(offset=1))["distribution"] == {"positive": {"offset": 1}}


@pytest.mark.parametrize("threshold, tag", [(-0.0, "-0.0"), (NAN, "NaN"), (INFINITY, "Infinity"), (1e300, "1e+300")])
def test_thresholds_in_document_form(threshold: float, tag: str) -> None:
    found = row("exponential_histogram", zero_threshold=threshold)
    assert found["distribution"] == {"zero_threshold": {"$double": tag}}


def test_a_summary() -> None:
    quantiles = [Quantile(quantile=0.5, value=-0.0), Quantile(), Quantile(quantile=7.0, value=NAN)]
    found = row("summary", count=3, sum=-1.5, quantile_values=quantiles)
    assert there(found) == {
        "count": 3,
        "sum": -1.5,
        "distribution": {
            "quantiles": [
                {"quantile": 0.5, "value": {"$double": "-0.0"}},
                {"quantile": 0.0, "value": 0.0},
                {"quantile": 7.0, "value": {"$double": "NaN"}},
            ]
        },
    }


def test_the_sum_of_a_summary_is_always_there() -> None:
    assert there(row("summary")) == {"count": 0, "sum": 0.0, "distribution": {"quantiles": []}}


KINDS_WITH_EXEMPLARS = [kind for kind in metrics.POINTS if kind != "summary"]


@pytest.mark.parametrize("kind", KINDS_WITH_EXEMPLARS)
def test_exemplars(kind: str) -> None:
    given = [
        exemplar(),
        exemplar(as_int=-(2**63), time_unix_nano=TIME, filtered_attributes=spans.attributes({"$n": [1.0, b"x"]})),
        exemplar(as_double=-0.0, span_id=SPAN_ID),
        exemplar(as_int=0, trace_id=TRACE_ID, span_id=SPAN_ID, time_unix_nano=INT64_MAX),
        exemplar(as_double=NAN, trace_id=b"\x01" * 16),
    ]
    found = row(kind, exemplars=given)
    assert found["exemplars"] == [
        {"value": 2.5},
        {"time_unix_nano": TIME, "int_value": -(2**63), "attributes": {"$$n": [1.0, {"$bytes": "eA=="}]}},
        {"value": {"$double": "-0.0"}, "span_id": "cd" * 8},
        {"time_unix_nano": INT64_MAX, "int_value": 0, "trace_id": "ab" * 16, "span_id": "cd" * 8},
        {"value": {"$double": "NaN"}, "trace_id": "01" * 16},
    ]
    assert found["trace_id"] == TRACE_ID  # of the first that has one


@pytest.mark.parametrize("kind", KINDS_WITH_EXEMPLARS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"as_double": None},
        {"trace_id": bytes(16)},
        {"trace_id": b"\x01" * 15},
        {"trace_id": b"\x01" * 32},
        {"span_id": bytes(8)},
        {"span_id": b"\x01" * 9},
    ],
    ids=str,
)
def test_a_wrong_exemplar_is_dropped_alone(kind: str, wrong: dict[str, Any]) -> None:
    # What is repaired in an exemplar that is dropped was not repaired.
    dropped = exemplar(**({"trace_id": b"\x07" * 16, "filtered_attributes": spans.attributes({"k": "\0"})} | wrong))
    point = metrics.point(kind, exemplars=[dropped, exemplar(trace_id=TRACE_ID), dropped])
    encoded = metrics.encode(metrics.request(metrics.metric(kind, point)))
    (found,) = metrics.rows(encoded)
    assert (found["exemplars"], found["trace_id"]) == ([{"value": 2.5, "trace_id": "ab" * 16}], TRACE_ID)
    assert encoded.repaired == {"exemplar_dropped": 2}


def test_when_all_exemplars_are_dropped_there_are_none() -> None:
    encoded = metrics.encode(metrics.request(metrics.metric("sum", metrics.point("sum", exemplars=[exemplar(as_double=None)]))))
    (found,) = metrics.rows(encoded)
    assert (found["exemplars"], found["trace_id"]) == (None, None)
    assert encoded.repaired == {"exemplar_dropped": 1}


def test_nul_in_every_string() -> None:
    exemplars = [exemplar(filtered_attributes=spans.attributes({"e\0": "\0"}))]
    first, second = (metrics.point("sum", {"k\0": "\0", "n": number}, exemplars=exemplars) for number in (1, 2))
    head: dict[str, Any] = {"description": "d\0", "unit": "u\0", "metadata": spans.attributes({"m\0": ["\0"]})}
    encoded = metrics.encode(metrics.request(metrics.metric("sum", first, second, name="n\0", **head)))
    # Of the metric once: name, description, unit, key and value of its metadata. Of each point two, and two of its exemplar.
    assert encoded.repaired == {"nul_replaced": 5 + 2 * 4}
    one, _ = metrics.rows(encoded)
    assert (one["metric_name"], one["exemplars"]) == ("n\ufffd", [{"value": 2.5, "attributes": {"e\ufffd": "\ufffd"}}])
    label, _ = metrics.labels(encoded)
    assert (label["metric_name"], label["description"], label["unit"]) == ("n\ufffd", "d\ufffd", "u\ufffd")
    assert (label["metadata"], label["labels"]) == ({"m\ufffd": ["\ufffd"]}, {"k\ufffd": "\ufffd", "n": 1})


def test_duplicate_keys_of_a_point_and_of_the_metadata() -> None:
    point = metrics.point("gauge", {"k": 1})
    point.attributes.extend(spans.attributes({"k": 2}))
    metadata = spans.attributes({"m": 1}) * 3
    encoded = metrics.encode(metrics.request(metrics.metric("gauge", point, metadata=metadata)))
    (label,) = metrics.labels(encoded)
    assert (label["labels"], label["metadata"]) == ({"k": 2}, {"m": 1})
    assert encoded.repaired == {"duplicate_key": 3}
