"""MetricQueryService on a real PostgreSQL: what came in is listed and queried; each aggregation is what a person reckons."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any
from unittest.mock import Mock

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.api.v1 import metric_query_service_pb2 as api
from llm_observatory.api.v1.metric_query_service_pb2_grpc import MetricQueryServiceStub
from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue, TimeRange
from llm_observatory.query import metrics
from llm_observatory.query.metrics.repository import HISTOGRAMS_AT_ONCE
from tests.plugins.query import Query

SECOND = 10**9
MINUTE = 60 * SECOND
START = time.time_ns() // (10 * MINUTE) * (10 * MINUTE) - 20 * MINUTE
"""A whole ten minutes, so that steps are easy to reckon."""

DELTA, CUMULATIVE = (
    AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA,
    AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
)


def labels(**given: str) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in given.items()]


def number(seconds: float, value: float, start: float = 0.0, **given: str) -> NumberDataPoint:
    """A point so many seconds after START."""
    at = START + int(seconds * SECOND)
    return NumberDataPoint(
        time_unix_nano=at, start_time_unix_nano=START + int(start * SECOND), as_double=value, attributes=labels(**given)
    )


def gauge(*points: NumberDataPoint, name: str = "temperature") -> Metric:
    return Metric(name=name, unit="Cel", gauge=Gauge(data_points=points))


def counter(*points: NumberDataPoint, temporality: Any = CUMULATIVE, name: str = "calls", monotonic: bool = True) -> Metric:
    return Metric(name=name, sum=Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=monotonic))


def request(*sent: Metric, service: str = "checkout", **resource: str) -> ExportMetricsServiceRequest:
    scope = ScopeMetrics(scope=InstrumentationScope(name="app"), metrics=sent)
    attributes = labels(**{"service.name": service, **resource})
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=Resource(attributes=attributes), scope_metrics=[scope])]
    )


RANGE = TimeRange(start_time_unix_nano=START, end_time_unix_nano=START + 10 * MINUTE)


def about(points: Sequence[tuple[float, float]]) -> Any:
    """Points whose values are doubles that were reckoned otherwise."""
    return [(at, pytest.approx(value)) for at, value in points]


class Asked:
    """The service over a database, asked about ten minutes."""

    def __init__(self, query: Query, channel: grpc.aio.Channel) -> None:
        self.query = query
        self.stub: Any = MetricQueryServiceStub(channel)

    async def range(self, name: str, **fields: Any) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Groups: their attributes, and seconds after START with the values."""
        fields.setdefault("step_nano", MINUTE)
        fields.setdefault("time_range", RANGE)
        found = await self.stub.QueryRange(api.QueryRangeRequest(metric_name=name, **fields))
        return [
            (
                {pair.key: pair.value.string_value for pair in series.attributes},
                [((point.start_time_unix_nano - START) / SECOND, point.value) for point in series.points],
            )
            for series in found.series
        ]

    async def values(self, name: str, **fields: Any) -> list[tuple[float, float]]:
        """Of the only group."""
        [(_, points)] = await self.range(name, **fields)
        return points


@pytest.fixture
async def asked(query: Query) -> Asked:
    return Asked(query, await query.serve(metrics.service(query.reader)))


async def test_metrics_and_series_are_listed_as_they_came(asked: Asked) -> None:
    await asked.query.store(
        request(gauge(number(1, 20, room="a"), number(2, 21, room="a"), number(1, 19, room="b")), counter(number(1, 1))),
        request(gauge(number(1, 5, room="a")), service="other"),
    )
    found = await asked.stub.ListMetrics(api.ListMetricsRequest(time_range=RANGE))
    assert [(one.metric_name, one.type, one.unit, one.series_count) for one in found.metrics] == [
        ("calls", api.MetricType.METRIC_TYPE_SUM, "", 1),
        ("temperature", api.MetricType.METRIC_TYPE_GAUGE, "Cel", 3),
    ]
    assert (found.metrics[0].temporality, found.metrics[0].is_monotonic) == (CUMULATIVE, True)
    prefixed = await asked.stub.ListMetrics(api.ListMetricsRequest(time_range=RANGE, prefix="temp", service_name="other"))
    assert [one.series_count for one in prefixed.metrics] == [1]

    series = await asked.stub.ListSeries(api.ListSeriesRequest(time_range=RANGE, metric_name="temperature"))
    listed = [(one.service_name, one.attributes[0].value.string_value) for one in series.series]
    assert sorted(listed) == [("checkout", "a"), ("checkout", "b"), ("other", "a")]
    assert {source.resource.attributes[0].value.string_value for source in series.sources} == {"checkout", "other"}
    of_index = [series.sources[one.source_index].resource.attributes[0].value.string_value for one in series.series]
    assert of_index == [one.service_name for one in series.series]
    narrowed = api.ListSeriesRequest(
        time_range=RANGE,
        metric_name="temperature",
        attributes=[AttributeFilter(key="room", equals=AttributeValue(string_value="b"))],
    )
    assert len((await asked.stub.ListSeries(narrowed)).series) == 1


async def test_a_source_is_read_once_however_many_series_it_has(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked.query.store(request(gauge(*(number(1, 20, room=str(room)) for room in range(10)))))
    module = import_module("llm_observatory.query.metrics.service")  # the package has a function of this name
    source_of = Mock(wraps=module.source_of)
    monkeypatch.setattr(module, "source_of", source_of)
    found = await asked.stub.ListSeries(api.ListSeriesRequest(time_range=RANGE, metric_name="temperature"))
    assert (len(found.series), len(found.sources), source_of.call_count) == (10, 1, 1)


async def test_values_of_a_gauge(asked: Asked) -> None:
    await asked.query.store(
        request(gauge(number(5, 10, room="a"), number(30, 20, room="a"), number(40, 1, room="b"), number(180, 7, room="a")))
    )
    reckoned = {
        api.Aggregation.AGGREGATION_UNSPECIFIED: 21.0,  # the latest of each, summed
        api.Aggregation.AGGREGATION_AVG: 31 / 3,
        api.Aggregation.AGGREGATION_SUM: 31.0,
        api.Aggregation.AGGREGATION_MIN: 1.0,
        api.Aggregation.AGGREGATION_MAX: 20.0,
        api.Aggregation.AGGREGATION_LAST: 21.0,
        api.Aggregation.AGGREGATION_COUNT: 3.0,
    }
    for aggregation, value in reckoned.items():
        points = await asked.values("temperature", aggregation=aggregation)
        assert points[:1] == about([(0.0, value)]), aggregation
        assert [at for at, _ in points] == [0.0, 180.0], "gaps are gaps"


async def test_groups(asked: Asked) -> None:
    await asked.query.store(
        request(gauge(number(1, 1, room="a", floor="1"), number(1, 2, room="b", floor="1"), number(1, 4)), zone="x"),
        request(gauge(number(1, 8, room="a", floor="2")), service="other", zone="y"),
    )
    by_room = await asked.range("temperature", group_by=["room"])
    assert by_room == [({"room": "a"}, [(0.0, 9.0)]), ({"room": "b"}, [(0.0, 2.0)]), ({}, [(0.0, 4.0)])]
    assert await asked.range("temperature", group_by=["zone"]) == [({"zone": "x"}, [(0.0, 7.0)]), ({"zone": "y"}, [(0.0, 8.0)])]
    each = await asked.range("temperature", each_series=True)
    assert sorted(points[0][1] for _, points in each) == [1.0, 2.0, 4.0, 8.0]
    assert {"room": "a", "floor": "2"} in [attributes for attributes, _ in each]


async def test_a_point_that_was_sent_again_counts_once(asked: Asked) -> None:
    await asked.query.store(request(counter(number(10, 3), temporality=DELTA)))
    await asked.query.store(request(counter(number(10, 3), number(20, 1), temporality=DELTA)))
    assert await asked.values("calls", aggregation=api.Aggregation.AGGREGATION_INCREASE) == [(0.0, 4.0)]


def by_hand(points: Sequence[tuple[float, float, float]]) -> dict[float, float]:
    """Increase by minute of a cumulative series of (seconds, value, start), one after the other."""
    found: dict[float, float] = {}
    for before, (at, value, start) in zip([None, *points], points, strict=False):
        grew = value if before is None or value < before[1] or start >= before[0] else value - before[1]
        if 0 <= at < 600:
            found[at // 60 * 60] = found.get(at // 60 * 60, 0.0) + grew
    return found


CUMULATIVE_SERIES = {
    "steady": [(-30.0, 5.0, -600.0), (30.0, 8.0, -600.0), (90.0, 8.0, -600.0), (130.0, 20.0, -600.0)],
    "a fall": [(-30.0, 50.0, -600.0), (30.0, 60.0, -600.0), (60.0, 4.0, -600.0), (200.0, 9.0, -600.0)],
    "a new start that is higher": [(-30.0, 5.0, -600.0), (30.0, 9.0, 0.0), (90.0, 12.0, 0.0)],
    "born within the range": [(30.0, 2.0, 20.0), (90.0, 5.0, 20.0)],
}


@pytest.mark.parametrize("name", CUMULATIVE_SERIES)
async def test_increase_and_rate_of_a_cumulative_series(asked: Asked, name: str) -> None:
    points = CUMULATIVE_SERIES[name]
    await asked.query.store(request(counter(*(number(at, value, start) for at, value, start in points))))
    expected = sorted(by_hand(points).items())
    if name == "steady":
        assert expected == [(0.0, 3.0), (60.0, 0.0), (120.0, 12.0)]
    assert await asked.values("calls", aggregation=api.Aggregation.AGGREGATION_INCREASE) == expected
    assert await asked.values("calls") == about([(at, value / 60) for at, value in expected])  # a counter: RATE
    whole = await asked.values("calls", aggregation=api.Aggregation.AGGREGATION_INCREASE, step_nano=0)
    assert whole == [(0.0, sum(value for _, value in expected))]


async def test_a_series_whose_beginning_is_not_known_has_not_grown_by_all_it_has(asked: Asked) -> None:
    await asked.query.store(request(counter(number(30, 1000, -86_400), number(90, 1003, -86_400))))
    assert await asked.values("calls", aggregation=api.Aggregation.AGGREGATION_INCREASE) == [(60.0, 3.0)]


async def test_what_also_falls_has_values_and_no_growth(asked: Asked) -> None:
    points = [number(at, value, -600) for at, value in ((-30, 10), (30, 9), (90, 8))]
    await asked.query.store(
        request(counter(*points, name="queue", monotonic=False), counter(*points, name="mixed", monotonic=False)),
        request(counter(*points, name="mixed"), service="other"),
    )
    assert await asked.values("queue") == [(0.0, 9.0), (60.0, 8.0)]
    assert await asked.values("mixed") == [(0.0, 18.0), (60.0, 16.0)], "not all series only grow"
    for name in ("queue", "mixed"):
        for aggregation in ("RATE", "INCREASE"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asked.values(name, aggregation=api.Aggregation.Value(f"AGGREGATION_{aggregation}"))
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert f"aggregation: {aggregation} is for what only grows" in str(refused.value.details())
    assert len(await asked.range("mixed", service_name="other", aggregation=api.Aggregation.AGGREGATION_RATE)) == 1


async def test_series_with_resets_are_added_up_one_by_one(asked: Asked) -> None:
    first = [(-30.0, 5.0, -600.0), (30.0, 8.0, -600.0)]
    second = [(-30.0, 100.0, -600.0), (30.0, 1.0, -600.0)]
    await asked.query.store(
        request(counter(*(number(*point, host="a") for point in first), *(number(*point, host="b") for point in second)))
    )
    assert await asked.values("calls", aggregation=api.Aggregation.AGGREGATION_INCREASE) == [(0.0, 4.0)]


def histogram(seconds: float, counts: list[int], bounds: list[float], **given: Any) -> HistogramDataPoint:
    """A point so many seconds after START; `sum` None for one without."""
    total = sum(counts)
    given.setdefault("sum", 10 * total)
    return HistogramDataPoint(
        time_unix_nano=START + int(seconds * SECOND),
        start_time_unix_nano=START + int(given.get("start", 0.0) * SECOND),
        count=total,
        sum=given["sum"],
        bucket_counts=counts,
        explicit_bounds=bounds,
        attributes=labels(**given.get("labels", {})),
    )


def histograms(*points: HistogramDataPoint, temporality: Any = DELTA) -> Metric:
    return Metric(name="latency", unit="ms", histogram=Histogram(data_points=points, aggregation_temporality=temporality))


async def test_quantiles_of_delta_histograms(asked: Asked) -> None:
    await asked.query.store(
        request(histograms(histogram(10, [0, 10, 0], [0.0, 100.0]))),
        request(histograms(histogram(20, [0, 0, 10, 0], [0.0, 100.0, 200.0])), service="other"),  # other bounds
    )
    quantile = api.Aggregation.AGGREGATION_QUANTILE
    assert await asked.values("latency", aggregation=quantile, quantile=0.5) == about([(0.0, 100.0)])
    assert await asked.values("latency", aggregation=quantile, quantile=0.75) == about([(0.0, 150.0)])
    assert await asked.values("latency", aggregation=quantile, quantile=0.25) == about([(0.0, 50.0)])
    assert await asked.values("latency") == about([(0.0, 10.0)])  # AVG of the measurements
    assert await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_COUNT) == [(0.0, 20.0)]


async def test_quantiles_of_cumulative_histograms_are_of_what_came(asked: Asked) -> None:
    bounds = [100.0, 200.0]
    points = [
        histogram(-30, [100, 0, 0], bounds, start=-600),
        histogram(30, [100, 10, 0], bounds, start=-600),
        histogram(90, [2, 0, 0], bounds, start=60),  # began anew
    ]
    await asked.query.store(request(histograms(*points, temporality=CUMULATIVE)))
    found = await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_QUANTILE, quantile=0.5)
    assert found == about([(0.0, 150.0), (60.0, 50.0)])
    assert await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_COUNT) == [(0.0, 10.0), (60.0, 2.0)]


async def test_quantiles_of_series_that_began_anew_or_whose_beginning_is_not_known(asked: Asked) -> None:
    bounds = [100.0, 200.0]
    higher = [histogram(-30, [1, 0, 0], bounds, start=-600), histogram(30, [5, 5, 0], bounds, start=0)]
    old = [histogram(at, counts, bounds, start=-86_400) for at, counts in ((90, [50, 0, 0]), (150, [50, 10, 0]))]
    await asked.query.store(
        *(
            request(histograms(*points, temporality=CUMULATIVE), service=name)
            for name, points in (("anew", higher), ("old", old), ("as old", old))
        )
    )
    found = await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_QUANTILE, quantile=0.5)
    assert found == about([(0.0, 100.0), (120.0, 150.0)])


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
async def test_histograms_without_a_sum_have_none(asked: Asked, temporality: Any) -> None:
    points = [histogram(10, [4], [], sum=None), histogram(70, [6], [], sum=None)]
    await asked.query.store(request(histograms(*points, temporality=temporality)))
    for aggregation in (api.Aggregation.AGGREGATION_AVG, api.Aggregation.AGGREGATION_SUM):
        assert await asked.range("latency", aggregation=aggregation) == []
    counts = [(0.0, 4.0), (60.0, 6.0 if temporality == DELTA else 2.0)]
    assert await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_COUNT) == counts


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
async def test_the_mean_is_of_the_points_that_have_a_sum(asked: Asked, temporality: Any) -> None:
    points = [
        histogram(10, [4], [], sum=40.0, labels={"path": "/a"}),
        histogram(10, [6], [], sum=None, labels={"path": "/b"}),
        histogram(70, [8], [], sum=0.0 if temporality == DELTA else 40.0, labels={"path": "/a"}),
    ]
    await asked.query.store(request(histograms(*points, temporality=temporality)))
    assert await asked.values("latency") == [(0.0, 10.0), (60.0, 0.0)], "measurements of 0 are measured"
    assert await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_SUM) == [(0.0, 40.0), (60.0, 0.0)]


async def test_a_cumulative_sum_that_came_later_has_grown_from_what_is_not_known(asked: Asked) -> None:
    points = [
        histogram(10, [4], [], sum=None, start=-600),
        histogram(70, [6], [], sum=60.0, start=-600),
        histogram(130, [8], [], sum=90.0, start=-600),
    ]
    await asked.query.store(request(histograms(*points, temporality=CUMULATIVE)))
    assert await asked.values("latency") == [(120.0, 15.0)]


@pytest.mark.parametrize(
    "limit, words",
    [
        ("repository.MAX_HISTOGRAM_POINTS", "there are more than 1 points of histograms"),
        ("query_range.MAX_BUCKETS", "there are more than 1 buckets"),
        ("distribution.MAX_EDGES", "buckets of one value have more than 1 bounds"),
    ],
)
async def test_a_quantile_of_too_much_is_refused(asked: Asked, limit: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked.query.store(request(histograms(*(histogram(at, [1, 2], [5.0, 10.0]) for at in (10, 70)))))
    monkeypatch.setattr(f"llm_observatory.query.metrics.{limit}", 1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asked.range("latency", aggregation=api.Aggregation.AGGREGATION_QUANTILE, quantile=0.5)
    assert (refused.value.code(), words in str(refused.value.details())) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)


async def test_quantiles_of_more_points_than_are_fetched_at_once(asked: Asked) -> None:
    for service in ("one", "other"):
        points = [histogram(at - 100, [at, at], [100.0, 200.0], start=-600) for at in range(1, HISTOGRAMS_AT_ONCE + 100)]
        await asked.query.store(request(histograms(*points, temporality=CUMULATIVE), service=service))
    found = await asked.values("latency", aggregation=api.Aggregation.AGGREGATION_QUANTILE, quantile=0.75, step_nano=0)
    assert found == about([(0.0, 150.0)])


async def test_quantiles_of_exponential_histograms(asked: Asked) -> None:
    point = ExponentialHistogramDataPoint(
        time_unix_nano=START + SECOND,
        start_time_unix_nano=START,
        count=30,
        scale=0,
        zero_count=10,
        positive=ExponentialHistogramDataPoint.Buckets(offset=1, bucket_counts=[10, 10]),  # (2, 4] and (4, 8]
    )
    sent = ExponentialHistogram(data_points=[point], aggregation_temporality=DELTA)
    await asked.query.store(request(Metric(name="sizes", exponential_histogram=sent)))
    quantile = api.Aggregation.AGGREGATION_QUANTILE
    expected = {0.1: 0.0, 0.5: 3.0, 1.0: 8.0}
    for share, value in expected.items():
        assert await asked.values("sizes", aggregation=quantile, quantile=share) == about([(0.0, value)]), share


async def test_a_summary_counts_from_its_start(asked: Asked) -> None:
    points = [
        SummaryDataPoint(time_unix_nano=START + at * SECOND, start_time_unix_nano=START - 600 * SECOND, count=count, sum=total)
        for at, count, total in ((-30, 10, 100.0), (30, 14, 140.0))
    ]
    await asked.query.store(request(Metric(name="old", summary=Summary(data_points=points))))
    assert await asked.values("old", aggregation=api.Aggregation.AGGREGATION_COUNT) == [(0.0, 4.0)]
    assert await asked.values("old") == [(0.0, 10.0)]


async def test_values_that_are_no_numbers_do_not_break_a_sum(asked: Asked) -> None:
    await asked.query.store(request(gauge(number(1, math.nan), number(2, 3))))
    [(_, value)] = await asked.values("temperature", aggregation=api.Aggregation.AGGREGATION_LAST)
    assert value == 3.0


REFUSED: dict[str, tuple[grpc.StatusCode, dict[str, Any]]] = {
    "no such metric": (grpc.StatusCode.NOT_FOUND, {"name": "nothing"}),
    "metric_name: is required": (grpc.StatusCode.INVALID_ARGUMENT, {"name": ""}),
    "step_nano: is below one second": (grpc.StatusCode.INVALID_ARGUMENT, {"step_nano": 5}),
    "step_nano: makes more than 11000 steps": (
        grpc.StatusCode.INVALID_ARGUMENT,
        {"step_nano": SECOND, "time_range": TimeRange(start_time_unix_nano=START, end_time_unix_nano=START + 11_000 * SECOND)},
    ),
    "aggregation: QUANTILE is for histograms, this is a gauge": (
        grpc.StatusCode.INVALID_ARGUMENT,
        {"aggregation": api.Aggregation.AGGREGATION_QUANTILE, "quantile": 0.5},
    ),
    "aggregation: RATE is for what is counted": (
        grpc.StatusCode.INVALID_ARGUMENT,
        {"aggregation": api.Aggregation.AGGREGATION_RATE},
    ),
    "aggregation: is 42, which is none of Aggregation": (grpc.StatusCode.INVALID_ARGUMENT, {"aggregation": 42}),
    "type: is 42, which is none of MetricType": (grpc.StatusCode.INVALID_ARGUMENT, {"type": 42}),
    "type: there are several of this name": (grpc.StatusCode.INVALID_ARGUMENT, {"name": "both"}),
    "quantile: is required with QUANTILE": (
        grpc.StatusCode.INVALID_ARGUMENT,
        {"name": "latency", "aggregation": api.Aggregation.AGGREGATION_QUANTILE},
    ),
}


@pytest.mark.parametrize("words", REFUSED)
async def test_what_is_wrong_is_said_with_its_field(asked: Asked, words: str) -> None:
    await asked.query.store(
        request(
            gauge(number(1, 1)), gauge(number(1, 1), name="both"), counter(number(1, 1), name="both"),
            histograms(histogram(10, [0, 10, 0], [0.0, 100.0])),
        )
    )  # fmt: skip
    code, fields = REFUSED[words]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asked.range(**{"name": "temperature", **fields})
    assert (refused.value.code(), words in str(refused.value.details())) == (code, True), refused.value.details()
