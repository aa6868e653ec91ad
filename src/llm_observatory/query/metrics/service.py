"""MetricQueryService: requests checked, answers made."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from llm_observatory.api.v1 import metric_query_service_pb2, metric_query_service_pb2_grpc
from llm_observatory.api.v1 import metric_query_service_pb2 as api
from llm_observatory.api.v1.metric_query_service_pb2 import Aggregation, MetricType
from llm_observatory.codec.reference.decode.document import attributes
from llm_observatory.errors import InvalidQuery, NotFound, TooMuch
from llm_observatory.query import checks
from llm_observatory.query.conditions import AttributePlace
from llm_observatory.query.metrics import query_range
from llm_observatory.query.metrics.repository import MetricRepository, Steps
from llm_observatory.query.metrics.series import TYPES, Metric, Series, group_of, pairs
from llm_observatory.query.records import Sources, read_sources, source_of
from llm_observatory.query.server import Service
from llm_observatory.query.time_range import TimeRange, nanoseconds, resolve
from llm_observatory.query.values import Values
from llm_observatory.serving.tenant import ASKING_TENANT
from llm_observatory.storage.compose import SQL
from llm_observatory.storage.pace import paced
from llm_observatory.storage.read import Reader
from llm_observatory.tables import METRIC_LABELS

NAME = metric_query_service_pb2.DESCRIPTOR.services_by_name["MetricQueryService"].full_name
LONGEST_RANGE = timedelta(days=90)
MAX_STEPS, SHORTEST_STEP_NANO = 11_000, 10**9
MAX_GROUPS, MAX_GROUP_KEYS = 1_000, 10

_PLACE = AttributePlace(METRIC_LABELS, "labels")
_NAMES: Mapping[MetricType.ValueType, str] = {number: name for name, number in TYPES.items()}


class MetricQueryService:
    """See `proto/llm_observatory/api/v1/metric_query_service.proto`. `clock` gives nanoseconds since the Unix epoch."""

    def __init__(self, repository: MetricRepository, reader: Reader, clock: Callable[[], int] = time.time_ns) -> None:
        self._repository = repository
        self._reader = reader
        self._clock = clock

    async def ListMetrics(self, request: api.ListMetricsRequest, _context: Any) -> api.ListMetricsResponse:  # noqa: N802 - the protocol's
        """The metrics that have points in a range."""
        within = self._within(request)
        prefix = checks.text("prefix", request.prefix)
        service_name = checks.text("service_name", request.service_name) or None
        found = await self._repository.metrics(ASKING_TENANT.get(), within, prefix, service_name)
        return api.ListMetricsResponse(metrics=[metric.summary(series) for metric, series in found])

    async def ListSeries(self, request: api.ListSeriesRequest, _context: Any) -> api.ListSeriesResponse:  # noqa: N802 - see above
        """The series of a metric."""
        found = await self._series(request, self._within(request))
        rows = await read_sources(self._reader, ASKING_TENANT.get(), {one.source_id for one in found})
        sources = Sources()
        # A source has many series: to read it again for each took 39 µs.
        index = cache(lambda source_id: sources.index(source_of(rows.get(source_id))))
        made = [
            api.Series(
                series_id=one.series_id,
                metric=one.metric.summary(1),
                service_name=one.service_name,
                attributes=attributes(one.labels),
                source_index=index(one.source_id),
            )
            async for one in paced(found)
        ]
        return api.ListSeriesResponse(series=made, sources=sources.listed)

    async def QueryRange(self, request: api.QueryRangeRequest, _context: Any) -> api.QueryRangeResponse:  # noqa: N802 - see above
        """Values of a metric over time."""
        within = self._within(request)
        steps = _steps(request.step_nano, within)
        checks.enum("type", request.type, MetricType)
        checks.enum("aggregation", request.aggregation, Aggregation)
        series = await self._series(request, within)
        if not series:
            raise NotFound("there is no such metric in this range")
        metric, series = _the_only(series, request.type)
        aggregation = request.aggregation or query_range.default_aggregation(metric)
        query_range.check(metric, aggregation)
        asked = query_range.Question(
            ASKING_TENANT.get(),
            metric,
            series,
            await self._groups(request, series),
            steps,
            aggregation,
            _quantile(request, aggregation),
        )
        values = await query_range.answer(self._repository, asked)
        return api.QueryRangeResponse(
            metric=metric.summary(len(series)),
            aggregation=aggregation,
            series=[
                _range_series(list(self._shown(request, series, group)), values[group]) async for group in paced(sorted(values))
            ],
        )

    def _within(self, request: Any) -> TimeRange:
        return resolve(request.time_range, self._clock(), LONGEST_RANGE)

    async def _series(self, request: Any, within: TimeRange) -> list[Series]:
        name = checks.text("metric_name", request.metric_name, required=True)
        values = Values()
        conditions = _PLACE.all_of(request.attributes, values)
        if service_name := checks.text("service_name", request.service_name):
            conditions.append(SQL("service_name = {}").format(values.add(service_name)))
        return await self._repository.series(ASKING_TENANT.get(), within, name, conditions, values)

    async def _groups(self, request: api.QueryRangeRequest, series: Sequence[Series]) -> dict[bytes, str]:
        if len(request.group_by) > MAX_GROUP_KEYS:
            raise InvalidQuery("group_by", f"has more than {MAX_GROUP_KEYS} keys")
        keys = checks.texts("group_by", request.group_by)
        if request.each_series:
            groups = {one.series_id: one.series_id.hex() for one in series}
        else:
            resources = await self._repository.resources(ASKING_TENANT.get(), {one.source_id for one in series}) if keys else {}
            groups = {one.series_id: group_of(one, keys, resources.get(one.source_id, {})) async for one in paced(series)}
        if len(set(groups.values())) > MAX_GROUPS:
            raise TooMuch(f"there are more than {MAX_GROUPS} groups: group by less, or ask for fewer series")
        return groups

    @staticmethod
    def _shown(request: api.QueryRangeRequest, series: Sequence[Series], group: str) -> Sequence[KeyValue]:
        if not request.each_series:
            return list(pairs(group))
        [one] = (one for one in series if one.series_id.hex() == group)
        return attributes(one.labels)


def service(reader: Reader) -> Service:
    """The service on a reader."""
    return Service(
        NAME,
        metric_query_service_pb2_grpc.add_MetricQueryServiceServicer_to_server,
        MetricQueryService(MetricRepository(reader), reader),
    )


def _steps(step_nano: int, within: TimeRange) -> Steps:
    if step_nano == 0:
        return Steps(within, None)
    if step_nano < SHORTEST_STEP_NANO:
        raise InvalidQuery("step_nano", "is below one second")
    if step_nano % 1000:
        raise InvalidQuery("step_nano", "is no whole number of microseconds")
    if (within.end - within.start) // step_nano >= MAX_STEPS:
        raise InvalidQuery("step_nano", f"makes more than {MAX_STEPS} steps of the range")
    return Steps(within, step_nano // 1000)


def _the_only(series: Sequence[Series], wanted: MetricType.ValueType) -> tuple[Metric, list[Series]]:
    """The metric that is meant, and its series. Those that differ only in unit, description or monotony are taken together.

    Together they are monotonic if all of them are.
    """
    kinds: dict[tuple[str, int | None], list[Series]] = defaultdict(list)
    for one in series:
        if not wanted or one.metric.kind == _NAMES[wanted]:
            kinds[one.metric.kind, one.metric.temporality].append(one)
    if not kinds:
        raise NotFound("there is no metric of this name and type in this range")
    if len(kinds) > 1:
        said = ", ".join(sorted(f"{kind}, temporality {temporality or 0}" for kind, temporality in kinds))
        raise InvalidQuery(
            "type", f"there are several of this name ({said}): name the type, or narrow service_name or attributes"
        )
    [found] = kinds.values()
    return replace(found[0].metric, is_monotonic=all(one.metric.is_monotonic for one in found)), found


def _quantile(request: api.QueryRangeRequest, aggregation: Aggregation.ValueType) -> float:
    if aggregation != Aggregation.AGGREGATION_QUANTILE:
        return 0.0
    if not request.HasField("quantile"):
        raise InvalidQuery("quantile", "is required with QUANTILE")
    if not 0 <= request.quantile <= 1:
        raise InvalidQuery("quantile", "is not between 0 and 1")
    return request.quantile


def _range_series(shown: Sequence[KeyValue], values: Mapping[Any, float]) -> api.RangeSeries:
    points = [api.RangePoint(start_time_unix_nano=nanoseconds(step), value=values[step]) for step in sorted(values)]
    return api.RangeSeries(attributes=shown, points=points)
