"""Metrics from the database: series by their labels, points by series and step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, NamedTuple
from uuid import UUID

from llm_observatory.codec.reference.decode.fields import decoder
from llm_observatory.codec.rows import Fields
from llm_observatory.errors import TooMuch
from llm_observatory.query.conditions import also
from llm_observatory.query.measured import measured, measured_stream
from llm_observatory.query.metrics.series import Metric, Series
from llm_observatory.query.time_range import TimeRange, moment
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed, named
from llm_observatory.storage.pace import paced
from llm_observatory.storage.read import Reader
from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES

_NAME = "metric_repository"
_measured = measured(_NAME)
_SQL = files(__package__) / "sql"
_LIST_METRICS, _LIST_SERIES = named(_SQL, "list_metrics"), named(_SQL, "list_series")
_VALUES, _INCREASES, _HISTOGRAMS = named(_SQL, "values"), named(_SQL, "increases"), named(_SQL, "histograms")
_RESOURCES = named(_SQL, "resources")
_FROM_NOTHING = named(_SQL, "from_nothing")
"""Whether a point of a cumulative series grew from nothing, not from the point before: its number fell, or the series began
after that one; where none is known, after we began to look."""

MAX_METRICS = MAX_SERIES = 10_000
MAX_HISTOGRAM_POINTS = 200_000
HISTOGRAMS_AT_ONCE = 50
"""Rows of a fetch. One may have 100,000 buckets, in 2.4 MB."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How a range is divided: into steps of so many microseconds, from multiples since the Unix epoch on, or not at all."""

    within: TimeRange
    microseconds: int | None

    @property
    def parameters(self) -> dict[str, object]:
        """For `_step`."""
        return {} if self.microseconds is None else {"step": self.microseconds}

    @property
    def sql(self) -> Composed:
        """The start of a point's step, as timestamptz."""
        if self.microseconds is None:
            return SQL("{}").format(SQL("%(start_time)s::timestamptz"))
        return SQL("{}").format(SQL("date_bin(make_interval(secs => %(step)s / 1e6), timestamp, '1970-01-01+00')"))


@dataclass(frozen=True, slots=True)
class StepValues:
    """The points of one series in one step: how many (or how many measurements), sum, least, greatest, and the latest value.

    `summed` is how many of them the sum is of: a histogram need not have one.
    """

    series_id: bytes
    step: datetime
    number: float
    total: float | None
    summed: float | None
    least: float | None
    greatest: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class Increase:
    """By how much one series grew in one step: its number (value or count) and its sum of measurements.

    `summed` is as in StepValues.
    """

    series_id: bytes
    step: datetime
    number: float
    total: float | None
    summed: float | None


class HistogramPoint(NamedTuple):
    """A row of `sql/histograms.sql`. `microseconds` are since the Unix epoch, `nanos` stand beside them."""

    series_id: bytes
    microseconds: int
    nanos: int
    from_nothing: bool | None
    least: float | None
    greatest: float | None
    bounds: Sequence[float] | None
    counts: Sequence[int] | None
    distribution: Mapping[str, Any] | None


_TYPES = ("uuid", "timestamptz", "int2", "bool", "float8", "float8", "float8[]", "int8[]", "jsonb")
_READ = tuple(map(decoder, _TYPES))


def histogram_point(row: Fields) -> HistogramPoint:
    """A row that `MetricRepository.histograms` gave."""
    return HistogramPoint._make(None if field is None else read(field) for read, field in zip(_READ, row, strict=True))


class MetricRepository:
    """Reads what belongs to one tenant."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @_measured
    async def metrics(self, tenant: str, within: TimeRange, prefix: str, service_name: str | None) -> list[tuple[Metric, int]]:
        """The metrics with points in the hours of a range, and how many series each has."""
        values = Values()
        conditions = [SQL("starts_with(metric_name, {})").format(values.add(prefix))] if prefix else []
        of_service = SQL("").join([SQL(" AND service_name = {}").format(values.add(service_name))] if service_name else [])
        statement = _LIST_METRICS.format(conditions=also(conditions), of_service=of_service)
        parameters = {**values.parameters, **_hours(within), "tenant": tenant, "limit": MAX_METRICS + 1}
        rows = await self._reader.rows(statement, parameters)
        if len(rows) > MAX_METRICS:
            raise TooMuch(f"there are more than {MAX_METRICS} metrics: ask for those of a service, or with a prefix")
        return [(Metric(*row[:6]), row[6]) for row in rows]

    @_measured
    async def series(
        self, tenant: str, within: TimeRange, metric_name: str, conditions: Sequence[Composed], values: Values
    ) -> list[Series]:
        """The series of a metric with points in the hours of a range."""
        statement = _LIST_SERIES.format(conditions=also(conditions))
        parameters = {
            **values.parameters,
            **_hours(within),
            "tenant": tenant,
            "metric_name": metric_name,
            "short_name": short(metric_name),
            "limit": MAX_SERIES + 1,
        }
        rows = await self._reader.rows(statement, parameters)
        if len(rows) > MAX_SERIES:
            raise TooMuch(f"there are more than {MAX_SERIES} series: ask for those of a service, or with a condition")
        return [Series(row[0].bytes, Metric(*row[1:7]), row[7], row[8], row[9].bytes) async for row in paced(rows)]

    @_measured
    async def resources(self, tenant: str, ids: Collection[bytes]) -> Mapping[bytes, Mapping[str, Any]]:
        """The attribute documents of resources by source."""
        rows = await self._reader.rows(_RESOURCES, {"tenant": tenant, "ids": [identity.hex() for identity in ids]})
        return {source_id.bytes: resource for source_id, resource in rows}

    @_measured
    async def values(self, tenant: str, metric: Metric, series: Sequence[Series], steps: Steps) -> list[StepValues]:
        """What the points are in each step."""
        values = Values()
        number, total, least, greatest = ("count", "sum", "min", "max") if metric.measures else ("1", *["value"] * 3)
        statement = _VALUES.format(
            step=steps.sql,
            number=SQL(number),
            total=SQL(total),
            least=SQL(least),
            greatest=SQL(greatest),
            measured=_recorded(metric),
            conditions=also(steps.within.exact(values)),
        )
        rows = await self._reader.rows(statement, {**values.parameters, **self._of(tenant, metric, series, steps)})
        return [StepValues(row[0].bytes, *row[1:]) for row in rows]

    @_measured
    async def increases(
        self, tenant: str, metric: Metric, series: Sequence[Series], steps: Steps, look_from: datetime
    ) -> list[Increase]:
        """By how much cumulative series grew in each step; points from `look_from` on tell what they grew from."""
        values = Values()
        statement = _INCREASES.format(
            step=steps.sql,
            number=SQL("count") if metric.measures else SQL("value"),
            total=SQL("sum") if metric.measures else SQL("value"),
            from_nothing=_FROM_NOTHING,
            measured=_recorded(metric),
            conditions=also(steps.within.exact(values)),
        )
        parameters = {**values.parameters, **self._of(tenant, metric, series, steps), "look_from": look_from}
        return [Increase(row[0].bytes, *row[1:]) for row in await self._reader.rows(statement, parameters)]

    @measured_stream(_NAME)
    async def histograms(
        self, tenant: str, metric: Metric, series: Sequence[Series], steps: Steps, look_from: datetime
    ) -> AsyncGenerator[list[Fields], None]:
        """Points with their buckets by series, in the order of time, for `histogram_point`."""
        parameters = {
            **self._of(tenant, metric, series, steps),
            "look_from": look_from,
            "limit": MAX_HISTOGRAM_POINTS + 1,
        }
        statement, left = _HISTOGRAMS.format(from_nothing=_FROM_NOTHING), MAX_HISTOGRAM_POINTS
        async with aclosing(self._reader.stream(statement, parameters, HISTOGRAMS_AT_ONCE)) as batches:
            async for rows in batches:
                left -= len(rows)
                if left < 0:
                    raise TooMuch(
                        f"there are more than {MAX_HISTOGRAM_POINTS} points of histograms: ask for less time or fewer series"
                    )
                yield rows

    @staticmethod
    def _of(tenant: str, metric: Metric, series: Sequence[Series], steps: Steps) -> dict[str, object]:
        return {
            **steps.parameters,
            **steps.within.parameters,
            "tenant": tenant,
            "short_name": short(metric.name),
            "series_ids": [str(UUID(bytes=one.series_id)) for one in series],
        }


def short(metric_name: str) -> str:
    """A name as rows of points have it: at most 512 bytes of whole characters."""
    return metric_name.encode()[:INDEXED_TEXT_MAX_BYTES].decode(errors="ignore")


def _recorded(metric: Metric) -> SQL:
    return SQL("count IS NOT NULL") if metric.measures else SQL("value IS NOT NULL")


def _hours(within: TimeRange) -> dict[str, object]:
    """The rollups' hours that a range touches."""
    first = moment(within.start).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return {"first_hour": first, "end_time": moment(within.end - 1)}
