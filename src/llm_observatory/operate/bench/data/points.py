"""Requests of data points: of a few hundred series, as an SDK exports them every so often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.operate.bench.data.template import Marks, Template

SERIES = 200
STARTED_NS = 3600 * 10**9
"""How long ago the series began."""

_MODELS = ("gpt-5-mini", "gpt-5", "claude-sonnet-4-5", "claude-haiku-4-5")
_BOUNDS = [0.01 * 2**power for power in range(15)]
_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)

Common = dict[str, Any]


def template(kind: str) -> Callable[[Random, int], Template]:
    """Requests of one metric of this kind, named as `Metric` names its data."""

    def make(random: Random, items: int) -> Template:
        marks = Marks()
        metric = Metric(name=f"gen_ai.client.{kind}", unit="s")
        data = getattr(metric, kind)
        if kind in ("sum", "histogram", "exponential_histogram"):
            data.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        if kind == "sum":
            data.is_monotonic = True
        data.data_points.extend(_KINDS[kind](random, _common(random, number, marks)) for number in range(items))
        attributes = [KeyValue(key="service.name", value=AnyValue(string_value="assistant"))]
        scope = ScopeMetrics(scope=InstrumentationScope(name="app.meter"), metrics=[metric])
        resource_metrics = ResourceMetrics(resource=Resource(attributes=attributes), scope_metrics=[scope])
        return Template(
            ExportMetricsServiceRequest(resource_metrics=[resource_metrics]).SerializeToString(), marks, always_renewed=True
        )

    return make


def _common(random: Random, number: int, marks: Marks) -> Common:
    series = number % SERIES
    labels = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": _MODELS[series % len(_MODELS)],
        "server.address": "api.example.com",
        "app.worker": f"worker-{series}",
    }
    # Points of one series in one request lie apart.
    return {
        "attributes": [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in labels.items()],
        "start_time_unix_nano": marks.time(STARTED_NS),
        "time_unix_nano": marks.time((number // SERIES + 1) * 10**6 + random.randrange(1000) * 1000),
    }


def _number(random: Random, common: Common) -> NumberDataPoint:
    return NumberDataPoint(**common, as_double=random.expovariate(0.1))


def _histogram(random: Random, common: Common) -> HistogramDataPoint:
    counts = [random.randrange(50) for _ in range(len(_BOUNDS) + 1)]
    return HistogramDataPoint(**common, count=sum(counts), sum=1.5 * sum(counts), bucket_counts=counts, explicit_bounds=_BOUNDS)


def _exponential(random: Random, common: Common) -> ExponentialHistogramDataPoint:
    counts = [random.randrange(50) for _ in range(32)]
    positive = ExponentialHistogramDataPoint.Buckets(offset=-8, bucket_counts=counts)
    return ExponentialHistogramDataPoint(**common, count=sum(counts), sum=1.5 * sum(counts), scale=3, positive=positive)


def _summary(random: Random, common: Common) -> SummaryDataPoint:
    values = [SummaryDataPoint.ValueAtQuantile(quantile=one, value=random.expovariate(0.1)) for one in _QUANTILES]
    return SummaryDataPoint(**common, count=random.randrange(1, 1000), sum=random.expovariate(0.001), quantile_values=values)


_KINDS: Mapping[str, Callable[[Random, Common], Any]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
