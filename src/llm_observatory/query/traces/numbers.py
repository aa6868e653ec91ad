"""ListServices, ListOperations and GetTraceMetrics: requests checked, sums asked for, answers made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from llm_observatory.api.v1.trace_query_service_pb2 import (
    GetTraceMetricsRequest,
    GetTraceMetricsResponse,
    ListOperationsResponse,
    ListServicesResponse,
    OperationSummary,
    ServiceSummary,
    TraceMetricsGroup,
    TraceMetricsPoint,
    TraceMetricsSeries,
)
from llm_observatory.errors import InvalidQuery, TooMuch
from llm_observatory.query.time_range import DAY, HOUR, TimeRange, resolve
from llm_observatory.query.traces import selection
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.sums import Key, Piece, Sums, pieces
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL
from llm_observatory.storage.pace import paced

MAX_SERVICES = MAX_OPERATIONS = MAX_SERIES = 1000
MAX_BUCKETS, MAX_POINTS = 2000, 100_000
LONGEST_OF_ROLLUPS, LONGEST_OF_ROWS = timedelta(days=400), timedelta(days=1)
QUANTILES = (0.5, 0.95, 0.99)
_MS = 1_000_000

_GROUPS: dict[TraceMetricsGroup.ValueType, Key] = {
    TraceMetricsGroup.TRACE_METRICS_GROUP_SERVICE: "service_name",
    TraceMetricsGroup.TRACE_METRICS_GROUP_SPAN_NAME: "span_name",
    TraceMetricsGroup.TRACE_METRICS_GROUP_KIND: "span_kind",
}


async def services(repository: TraceRepository, tenant: str, within: TimeRange) -> ListServicesResponse:
    """By name. Raises TooMuch."""
    rows = await repository.services(tenant, pieces(within, "hourly"), MAX_SERVICES + 1)
    if len(rows) > MAX_SERVICES:
        raise TooMuch(f"more than {MAX_SERVICES} services: ask for a shorter range of time")
    return ListServicesResponse(
        services=[
            ServiceSummary(service_name=name, span_count=spans, error_count=errors, last_hour_unix_nano=hour)
            for name, spans, errors, hour in rows
        ]
    )


async def operations(repository: TraceRepository, tenant: str, within: TimeRange, service_name: str) -> ListOperationsResponse:
    """The most frequent first."""
    values = Values()
    conditions = [SQL("service_name = {}").format(values.add(service_name))] if service_name else []
    wanted = Sums(("service_name", "span_name", "span_kind", "is_entry"), ("span_count", "error_count"))
    cut = pieces(within, "daily", "hourly")
    rows = await repository.sums(tenant, wanted, cut, conditions, values, MAX_OPERATIONS)
    return ListOperationsResponse(
        operations=[
            OperationSummary(
                service_name=service, span_name=name, kind=kind, is_entry=is_entry, span_count=spans, error_count=errors
            )
            for _, service, name, kind, is_entry, spans, errors in rows
        ]
    )


async def metrics(
    repository: TraceRepository, tenant: str, request: GetTraceMetricsRequest, now: int
) -> GetTraceMetricsResponse:
    """Raises InvalidQuery and TooMuch."""
    values = Values()
    conditions = selection.of_any(request, values)
    keys = _keys(request.group_by)
    cut = _cut(request, now)
    wanted = Sums(
        keys,
        ("span_count", "error_count", "timed_count", "duration_ns_sum", "duration_ms_max", "duration_buckets"),
        request.step_nano,
    )
    rows = await repository.metrics(tenant, wanted, cut, conditions, values, QUANTILES, MAX_POINTS + 1)
    if len(rows) > MAX_POINTS:
        raise TooMuch(f"more than {MAX_POINTS} points: group by less, or ask for longer steps or a shorter range of time")
    series: dict[tuple[Any, ...], TraceMetricsSeries] = {}
    async for row in paced(rows):
        of_group = dict(zip(keys, row[1:], strict=False))
        group = series.setdefault(
            tuple(of_group.values()),
            TraceMetricsSeries(
                service_name=of_group.get("service_name", ""),
                span_name=of_group.get("span_name", ""),
                kind=of_group.get("span_kind", 0),
            ),
        )
        group.points.append(_point(row[0], *row[1 + len(keys) :]))
    most_first = sorted(series.values(), key=lambda group: -sum(point.span_count for point in group.points))
    return GetTraceMetricsResponse(series=most_first[:MAX_SERIES], from_rollups=any(piece.grain is not None for piece in cut))


def _cut(request: GetTraceMetricsRequest, now: int) -> list[Piece]:
    step = request.step_nano
    if step < 0:
        raise InvalidQuery("step_nano", "is negative")
    whole_hours = step % HOUR == 0
    within = resolve(request.time_range, now, LONGEST_OF_ROLLUPS)
    if not whole_hours:
        resolve(request.time_range, now, LONGEST_OF_ROWS)
    if step and -(-within.end // step) - within.start // step > MAX_BUCKETS:
        raise InvalidQuery("step_nano", f"makes more than {MAX_BUCKETS} buckets of the range")
    if not whole_hours:
        return pieces(within)
    return pieces(within, "hourly") if step % DAY else pieces(within, "daily", "hourly")


def _keys(groups: Sequence[TraceMetricsGroup.ValueType]) -> list[Key]:
    for place, group in enumerate(groups):
        if group not in _GROUPS:
            raise InvalidQuery(f"group_by[{place}]", f"is {group}, which is none to group by")
    return list(dict.fromkeys(_GROUPS[group] for group in groups))


def _point(
    start: int, spans: int, errors: int, timed: int, total_ns: Any, longest: float | None, *quantiles: float | None
) -> TraceMetricsPoint:
    point = TraceMetricsPoint(start_time_unix_nano=start, span_count=spans, error_count=errors)
    if timed:
        point.duration_ms_mean = float(total_ns) / timed / _MS
        point.duration_ms_p50, point.duration_ms_p95, point.duration_ms_p99 = quantiles  # type: ignore[assignment]  # of some
        point.duration_ms_max = longest or 0.0
    return point
