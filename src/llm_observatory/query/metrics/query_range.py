"""QueryRange: from the points of series to the values of groups over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from llm_observatory.api.v1.metric_query_service_pb2 import Aggregation
from llm_observatory.errors import InvalidQuery, TooMuch
from llm_observatory.query.metrics.distribution import Bounds, Distribution, Point, explicit, exponential, grown
from llm_observatory.query.metrics.repository import (
    HistogramPoint,
    Increase,
    MetricRepository,
    Steps,
    StepValues,
    histogram_point,
)
from llm_observatory.query.metrics.series import Metric, Series
from llm_observatory.query.time_range import NANOSECONDS_PER_MICROSECOND, moment
from llm_observatory.storage.pace import paced

LOOK_BACK = timedelta(minutes=10)
"""How far before the range the point is looked for from which a cumulative series has grown; a step, if that is longer."""

LONGEST_LOOK_BACK = timedelta(days=1)

MAX_BUCKETS = 500_000
"""Of all distributions of an answer: 90 MB."""

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
    if aggregation in _GROWTH and metric.kind == "sum" and not metric.is_monotonic:
        raise InvalidQuery("aggregation", f"{name} is for what only grows, this sum is not monotonic: a fall would be a reset")
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
    together: dict[tuple[str, datetime], _Growth] = defaultdict(_Growth)
    async for one in paced(await _came(repository, asked)):
        together[asked.groups[one.series_id], one.step].add(one)
    found: Values = defaultdict(dict)
    async for (group, step), growth in paced(together.items()):
        value = growth.value(asked)
        if value is not None:
            found[group][step] = value
    return found


async def _came(repository: MetricRepository, asked: Question) -> Sequence[Increase | StepValues]:
    """Of delta points the numbers themselves are what came; of cumulative ones their increases."""
    if asked.metric.is_cumulative:
        return await repository.increases(asked.tenant, asked.metric, asked.series, asked.steps, asked.look_from)
    return await repository.values(asked.tenant, asked.metric, asked.series, asked.steps)


@dataclass(slots=True)
class _Growth:
    """What came to a group in a step. Without a sum of measurements `total` is None, which is not 0."""

    number: float = 0.0
    total: float | None = None
    summed: float = 0.0

    def add(self, came: Increase | StepValues) -> None:
        self.number += came.number
        self.summed += came.summed or 0.0
        if came.total is not None:
            self.total = (self.total or 0.0) + came.total

    def value(self, asked: Question) -> float | None:
        grew = self.number if asked.metric.measures else self.total
        match asked.aggregation:
            case Aggregation.AGGREGATION_RATE:
                return None if grew is None else grew / asked.step_seconds
            case Aggregation.AGGREGATION_AVG:
                return None if self.total is None or not self.summed else self.total / self.summed
            case Aggregation.AGGREGATION_SUM:
                return self.total
            case _:
                return grew


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
    distributions = _Distributions(asked)
    rows = repository.histograms(asked.tenant, asked.metric, asked.series, asked.steps, asked.look_from)
    async with aclosing(rows) as batches:
        async for batch in batches:
            async for row in paced(batch):
                distributions.add(histogram_point(row))
    found: Values = defaultdict(dict)
    async for (group, step), distribution in paced(distributions.found.items()):
        value = await distribution.quantile(asked.quantile)
        if value is not None:
            found[group][step] = value
    return found


class _Distributions:
    """What was measured in each step of each group, from points that come by series, in the order of time."""

    def __init__(self, asked: Question) -> None:
        self.found: dict[tuple[str, datetime], Distribution] = defaultdict(Distribution)
        self._asked = asked
        self._buckets = 0
        self._series: bytes | None = None
        self._before: Point | None = None

    def add(self, row: HistogramPoint) -> None:
        """The next point. Raises TooMuch beyond MAX_BUCKETS."""
        asked, point = self._asked, _point(row)
        came = self._came(row, point)
        self._series, self._before = row.series_id, point
        at = row.microseconds * NANOSECONDS_PER_MICROSECOND
        if came is None or not asked.steps.within.holds(at + row.nanos):
            return
        distribution = self.found[asked.groups[row.series_id], _step(asked.steps, row.microseconds)]
        self._buckets -= len(distribution)
        distribution.add(came, *((None, None) if asked.metric.is_cumulative else (point.least, point.greatest)))
        self._buckets += len(distribution)
        if self._buckets > MAX_BUCKETS:
            raise TooMuch(f"there are more than {MAX_BUCKETS} buckets: ask for less time, longer steps or fewer groups")

    def _came(self, row: HistogramPoint, point: Point) -> Mapping[Bounds, float] | None:
        """What came to the histogram with this point; None where that cannot be known."""
        if not self._asked.metric.is_cumulative or row.from_nothing:
            return point.buckets
        if self._before is None or row.series_id != self._series:
            return None
        return grown(point, self._before)


def _point(row: HistogramPoint) -> Point:
    if row.distribution is not None:
        return Point(exponential(row.distribution), row.least, row.greatest)
    return Point(explicit(row.bounds or (), row.counts or ()), row.least, row.greatest)


def _step(steps: Steps, microseconds: int) -> datetime:
    if steps.microseconds is None:
        return moment(steps.within.start)
    return moment((microseconds - microseconds % steps.microseconds) * NANOSECONDS_PER_MICROSECOND)
