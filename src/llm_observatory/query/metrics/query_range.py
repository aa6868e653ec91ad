"""QueryRange: from the points of series to the values of groups over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from llm_observatory.api.v1.metric_query_service_pb2 import Aggregation
from llm_observatory.errors import InvalidQuery
from llm_observatory.query.metrics.distribution import Distribution, Point, explicit, exponential, grown
from llm_observatory.query.metrics.repository import MetricRepository, Steps, StepValues
from llm_observatory.query.metrics.series import Metric, Series
from llm_observatory.query.time_range import moment, nanoseconds
from llm_observatory.storage.pace import paced

LOOK_BACK = timedelta(minutes=10)
"""How far before the range the point is looked for from which a cumulative series has grown; a step, if that is longer."""

LONGEST_LOOK_BACK = timedelta(days=1)

_GROWTH = (Aggregation.AGGREGATION_RATE, Aggregation.AGGREGATION_INCREASE)
Values = dict[str, dict[datetime, float]]
"""By group and step."""


def default_aggregation(metric: Metric) -> Aggregation.ValueType:
    """What suits the metric."""
    if metric.measures:
        return Aggregation.AGGREGATION_AVG
    return Aggregation.AGGREGATION_RATE if metric.is_monotonic else Aggregation.AGGREGATION_LAST


def check(metric: Metric, aggregation: Aggregation.ValueType) -> None:
    """Whether the aggregation says something of the metric. Raises InvalidQuery."""
    name = Aggregation.Name(aggregation).removeprefix("AGGREGATION_")
    if aggregation == Aggregation.AGGREGATION_QUANTILE and not metric.has_buckets:
        raise InvalidQuery("aggregation", f"QUANTILE is for histograms, this is a {metric.kind}")
    if aggregation in _GROWTH and metric.kind == "gauge":
        raise InvalidQuery("aggregation", f"{name} is for what is counted, a gauge does not grow")
    if aggregation == Aggregation.AGGREGATION_LAST and metric.measures:
        raise InvalidQuery("aggregation", f"LAST is for gauges and sums, this is a {metric.kind}")


class Question(NamedTuple):
    """What is asked of the points of some series of one metric. `groups` has the group of each by its id."""

    tenant: str
    metric: Metric
    series: Sequence[Series]
    groups: Mapping[bytes, str]
    steps: Steps
    aggregation: Aggregation.ValueType
    quantile: float

    @property
    def look_from(self) -> datetime:
        """From when on points are read to see what cumulative series grew from."""
        step = timedelta(microseconds=self.steps.microseconds or 0)
        return moment(self.steps.within.start) - min(max(step, LOOK_BACK), LONGEST_LOOK_BACK)

    @property
    def step_seconds(self) -> float:
        """How long a step is."""
        if self.steps.microseconds is None:
            return (self.steps.within.end - self.steps.within.start) / 1e9
        return self.steps.microseconds / 1e6


async def answer(repository: MetricRepository, asked: Question) -> Values:
    """The values of each group over time."""
    metric, aggregation = asked.metric, asked.aggregation
    if aggregation == Aggregation.AGGREGATION_QUANTILE:
        return await _quantiles(repository, asked)
    counted = aggregation in _GROWTH or (metric.measures and aggregation in _FROM_INCREASES)
    if counted:
        return await _grown(repository, asked)
    return await _by_value(asked, await repository.values(asked.tenant, metric, asked.series, asked.steps))


_FROM_INCREASES = (Aggregation.AGGREGATION_AVG, Aggregation.AGGREGATION_SUM, Aggregation.AGGREGATION_COUNT)


async def _grown(repository: MetricRepository, asked: Question) -> Values:
    """Of delta points the numbers themselves are what came to it; of cumulative ones their increases."""
    numbers: dict[tuple[str, datetime], float] = defaultdict(float)
    totals: dict[tuple[str, datetime], float] = defaultdict(float)
    if asked.metric.is_cumulative:
        async for grew in paced(
            await repository.increases(asked.tenant, asked.metric, asked.series, asked.steps, asked.look_from)
        ):
            place = (asked.groups[grew.series_id], grew.step)
            numbers[place] += grew.number
            totals[place] += grew.total or 0.0
    else:
        async for one in paced(await repository.values(asked.tenant, asked.metric, asked.series, asked.steps)):
            place = (asked.groups[one.series_id], one.step)
            numbers[place] += one.number if asked.metric.measures else one.total or 0.0
            totals[place] += one.total or 0.0
    found: Values = defaultdict(dict)
    async for (group, step), number in paced(numbers.items()):
        value = _of_growth(asked, number, totals[group, step])
        if value is not None:
            found[group][step] = value
    return found


def _of_growth(asked: Question, number: float, total: float) -> float | None:
    match asked.aggregation:
        case Aggregation.AGGREGATION_RATE:
            return number / asked.step_seconds
        case Aggregation.AGGREGATION_AVG:
            return total / number if number else None
        case Aggregation.AGGREGATION_SUM:
            return total
        case _:
            return number


async def _by_value(asked: Question, values: Iterable[StepValues]) -> Values:
    together: dict[tuple[str, datetime], list[StepValues]] = defaultdict(list)
    async for one in paced(values):
        together[asked.groups[one.series_id], one.step].append(one)
    found: Values = defaultdict(dict)
    async for (group, step), of_group in paced(together.items()):
        value = _MERGED[asked.aggregation](of_group)
        if value is not None:
            found[group][step] = value
    return found


def _known(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


_MERGED: Mapping[Aggregation.ValueType, Callable[[list[StepValues]], float | None]] = {
    Aggregation.AGGREGATION_AVG: lambda ones: sum(_known(one.total for one in ones)) / sum(one.number for one in ones),
    Aggregation.AGGREGATION_SUM: lambda ones: sum(_known(one.total for one in ones)),
    Aggregation.AGGREGATION_MIN: lambda ones: min(_known(one.least for one in ones), default=None),
    Aggregation.AGGREGATION_MAX: lambda ones: max(_known(one.greatest for one in ones), default=None),
    Aggregation.AGGREGATION_LAST: lambda ones: sum(_known(one.last for one in ones)),
    Aggregation.AGGREGATION_COUNT: lambda ones: sum(one.number for one in ones),
}


async def _quantiles(repository: MetricRepository, asked: Question) -> Values:
    rows = await repository.histograms(asked.tenant, asked.metric, asked.series, asked.steps, asked.look_from)
    distributions: dict[tuple[str, datetime], Distribution] = defaultdict(Distribution)
    before_series, before = None, None
    async for row in paced(rows):
        series_id, at, nanos, start = row[0].bytes, *row[1:4]
        point = _point(row)
        if series_id != before_series:
            before = None
        came = _came(asked, point, start, before)
        before_series, before = series_id, (point, at)
        if came is not None and asked.steps.within.holds(nanoseconds(at, nanos)):
            step = _step(asked.steps, at)
            whole = not asked.metric.is_cumulative
            least, greatest = (point.least, point.greatest) if whole else (None, None)
            distributions[asked.groups[series_id], step].add(came, least, greatest)
    found: Values = defaultdict(dict)
    async for (group, step), distribution in paced(distributions.items()):
        value = distribution.quantile(asked.quantile)
        if value is not None:
            found[group][step] = value
    return found


def _came(
    asked: Question, point: Point, start: datetime | None, before: tuple[Point, datetime] | None
) -> Mapping[tuple[float, float], float] | None:
    """What came to the histogram with this point; None where that cannot be known."""
    if not asked.metric.is_cumulative:
        return point.buckets
    if before is None:
        return point.buckets if start is not None and start >= asked.look_from else None
    before_point, before_time = before
    began_anew = start is not None and start >= before_time
    return grown(point, None if began_anew else before_point)


def _point(row: Sequence[Any]) -> Point:
    count, least, greatest, bounds, counts, distribution = row[4:10]
    buckets = exponential(distribution) if distribution is not None else explicit(bounds or (), counts or ())
    return Point(buckets, float(count), least, greatest)


def _step(steps: Steps, at: datetime) -> datetime:
    if steps.microseconds is None:
        return moment(steps.within.start)
    microseconds = nanoseconds(at, 0) // 1000
    return moment((microseconds - microseconds % steps.microseconds) * 1000)
