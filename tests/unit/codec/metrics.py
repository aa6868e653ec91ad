"""Data points in few words, for the codec's tests; the rows are read back with `spans`."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
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

from llm_observatory.codec import EncodedRequest, Terms
from tests.unit.codec import spans
from tests.unit.codec.spans import NOW, START, TERMS, attributes

TIME = START
"""Of every point that is made here, nanoseconds."""
CUMULATIVE = 2

POINTS: dict[str, type[Any]] = {
    "gauge": NumberDataPoint,
    "sum": NumberDataPoint,
    "histogram": HistogramDataPoint,
    "exponential_histogram": ExponentialHistogramDataPoint,
    "summary": SummaryDataPoint,
}
DATA: dict[str, type[Any]] = {
    "gauge": Gauge,
    "sum": Sum,
    "histogram": Histogram,
    "exponential_histogram": ExponentialHistogram,
    "summary": Summary,
}
WITH_TEMPORALITY = ("sum", "histogram", "exponential_histogram")
VALUES: dict[str, dict[str, Any]] = {"gauge": {"as_double": 1.5}, "sum": {"as_int": 7}}


def point(kind: str = "gauge", items: dict[str, Any] | None = None, **members: Any) -> Any:
    """A valid point of that kind with these attributes and members; a member that is None is left out."""
    given = {"time_unix_nano": TIME} | (VALUES.get(kind, {}) if not {"as_int", "as_double"} & members.keys() else {}) | members
    there = {name: value for name, value in given.items() if value is not None}
    return POINTS[kind](**there, attributes=attributes(items or {}))


def metric(
    kind: str = "gauge", *points: Any, name: str = "llm.tokens", data: dict[str, Any] | None = None, **members: Any
) -> Metric:
    """A Metric of that kind with these points, cumulative where that can be said; `data` are other members beside them."""
    beside = {"aggregation_temporality": CUMULATIVE} if kind in WITH_TEMPORALITY else {}
    return Metric(name=name, **{kind: DATA[kind](data_points=points, **(beside | (data or {})))}, **members)


def exemplar(**members: Any) -> Exemplar:
    """An exemplar of 2.5 unless a value is given; a member that is None is left out."""
    given = ({} if {"as_int", "as_double"} & members.keys() else {"as_double": 2.5}) | members
    return Exemplar(**{name: value for name, value in given.items() if value is not None})


def request(*metrics: Metric, resource: dict[str, Any] | None = None, scope: str = "agent") -> bytes:
    """A payload with one resource and one scope."""
    message = ExportMetricsServiceRequest(
        resource_metrics=[
            ResourceMetrics(
                resource=Resource(attributes=attributes({"service.name": "shop"} if resource is None else resource)),
                scope_metrics=[ScopeMetrics(scope=InstrumentationScope(name=scope, version="1.2"), metrics=metrics)],
            )
        ]
    )
    return message.SerializeToString()


def encode(payload: bytes, now: int = NOW, terms: Terms = TERMS) -> EncodedRequest:
    """Through the doorway as tenant `default`."""
    return spans.encode(payload, now, terms, signal="metrics")


def rows(encoded: EncodedRequest) -> list[dict[str, Any]]:
    """All rows of points; of the request nothing may be rejected."""
    assert encoded.rejected_by_rule == {}
    return spans.read_table(encoded, "llm_metrics")


def row(kind: str = "gauge", items: dict[str, Any] | None = None, /, **members: Any) -> dict[str, Any]:
    """The row of one point."""
    (only,) = rows(encode(request(metric(kind, point(kind, items, **members)))))
    return only


def labels(encoded: EncodedRequest) -> list[dict[str, Any]]:
    """The rows of series, in the order in which they first came."""
    found = {identity: spans.read_row("metric_labels", row) for identity, row in encoded.dimensions["metric_labels"].items()}
    assert all(identity == row["series_id"] for identity, row in found.items())
    return list(found.values())


def label(*metrics: Metric, **given: Any) -> dict[str, Any]:
    """The only series of a request."""
    (only,) = labels(encode(request(*metrics, **given)))
    return only
