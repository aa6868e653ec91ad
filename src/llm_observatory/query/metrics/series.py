"""Series: what a metric's points belong to, and how series come together in groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from llm_observatory.api.v1.metric_query_service_pb2 import MetricSummary, MetricType
from llm_observatory.codec.reference.decode.document import attributes

TYPES: Mapping[str, MetricType.ValueType] = {
    "gauge": MetricType.METRIC_TYPE_GAUGE,
    "sum": MetricType.METRIC_TYPE_SUM,
    "histogram": MetricType.METRIC_TYPE_HISTOGRAM,
    "exponential_histogram": MetricType.METRIC_TYPE_EXPONENTIAL_HISTOGRAM,
    "summary": MetricType.METRIC_TYPE_SUMMARY,
}
"""What `metric_labels` calls them."""

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured. Two that differ in anything are two metrics."""

    name: str
    kind: str
    unit: str
    description: str
    temporality: int | None
    is_monotonic: bool | None

    @property
    def measures(self) -> bool:
        """Whether its points are of many measurements: histograms and summaries."""
        return self.kind not in ("gauge", "sum")

    @property
    def has_buckets(self) -> bool:
        """Whether its points say how measurements are distributed."""
        return self.kind in ("histogram", "exponential_histogram")

    @property
    def is_cumulative(self) -> bool:
        """Whether a point includes those before it. Summaries have no temporality, and count from their start."""
        return self.kind == "summary" or self.temporality == CUMULATIVE

    def summary(self, series: int) -> MetricSummary:
        """As an answer has it."""
        return MetricSummary(
            metric_name=self.name,
            type=TYPES[self.kind],
            unit=self.unit,
            description=self.description,
            temporality=AggregationTemporality.ValueType(self.temporality or 0),
            is_monotonic=bool(self.is_monotonic),
            series_count=series,
        )


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one source with one set of attributes."""

    series_id: bytes
    metric: Metric
    service_name: str
    labels: Mapping[str, Any]
    source_id: bytes


def group_of(series: Series, keys: Sequence[str], resource: Mapping[str, Any]) -> str:
    """The attributes of these keys, of the series or else of its resource, as text that is the same for the same."""
    chosen = {}
    for key in keys:
        written = "$" + key if key.startswith("$") else key
        for document in (series.labels, resource):
            if written in document:
                chosen[written] = document[written]
                break
    return json.dumps(chosen, sort_keys=True)


def pairs(group: str) -> Iterable[KeyValue]:
    """The attributes of a group."""
    return attributes(json.loads(group))
