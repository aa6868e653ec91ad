"""A row of data points and its series → the point, and the Metric it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    SummaryDataPoint,
)

from llm_observatory.codec.reference.decode.columns import Columns, Values, nanoseconds
from llm_observatory.codec.reference.decode.document import attributes, number
from llm_observatory.codec.reference.decode.grouping import Around, Groups
from llm_observatory.codec.reference.decode.source import Dimensions
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.rows import Fields

DATA = {data.name: data.number for data in Metric.DESCRIPTOR.oneofs_by_name["data"].fields}
"""The fields of a Metric that hold its points, by their names, which are the types that rows know."""


class Series(NamedTuple):
    """What a row of series says."""

    kind: str
    metric: Around
    labels: Mapping[str, Any]
    source: bytes


class PointDecoder:
    """How rows of data points are read."""

    def __init__(self, spec: Spec) -> None:
        self._columns = Columns(spec.filled_by("point.time_us", "fact"))
        self._series = Columns(spec.filled_by("series.labels", "dimension"))

    def request(self, rows: Iterable[Fields], dimensions: Dimensions, content: Iterable[Fields]) -> bytes:
        """MetricsData."""
        del content  # that of spans and log records
        groups = Groups()
        known: dict[bytes, Series | None] = {}
        for fields in rows:
            row = self._columns.values(fields)
            identity = row["series.id"]
            if identity not in known:
                known[identity] = self._read(dimensions.row(self._series.name, identity))
            series = known[identity] or _guessed(row)
            record = POINTS[series.kind](row, series.labels).SerializeToString()
            groups.add(dimensions.speaker(series.source), record, series.metric)
        return groups.request()

    def _read(self, fields: Fields | None) -> Series | None:
        if fields is None:
            return None
        row = self._series.values(fields)
        metric = Metric(
            name=row["metric.name"],
            description=row["metric.description"],
            unit=row["metric.unit"],
            metadata=attributes(row.get("metric.metadata", {})),
        )
        # Temporality has the same number in all data that has one.
        data = Sum(aggregation_temporality=row.get("metric.temporality", 0), is_monotonic=row.get("metric.is_monotonic", False))
        kind = row["metric.type"]
        around = Around(metric.SerializeToString(), DATA[kind], data.SerializeToString())
        return Series(kind, around, row["series.labels"], row["source.id"])


def _guessed(row: Values) -> Series:
    """What a point tells when the row of its series is missing: its metric's name and, by its columns, the type."""
    if "point.distribution" in row:
        kind = "summary" if "quantiles" in row["point.distribution"] else "exponential_histogram"
    else:
        kind = "histogram" if "point.count" in row else "gauge"
    return Series(kind, Around(Metric(name=row["metric.name"]).SerializeToString(), DATA[kind], b""), {}, b"")


def _begun(point: Any, row: Values, labels: Mapping[str, Any]) -> Any:
    """What all points have."""
    point.time_unix_nano = nanoseconds(row, "point.time_us", "point.time_nanos")
    point.start_time_unix_nano = nanoseconds(row, "point.start_us", "point.start_nanos")
    point.flags = row["point.flags"]
    point.attributes.extend(attributes(labels))
    return point


def _exemplars(point: Any, row: Values) -> None:
    for item in row.get("point.exemplars", ()):
        exemplar: Exemplar = point.exemplars.add()
        exemplar.time_unix_nano = item.get("time_unix_nano", 0)
        exemplar.trace_id = bytes.fromhex(item.get("trace_id", ""))
        exemplar.span_id = bytes.fromhex(item.get("span_id", ""))
        exemplar.filtered_attributes.extend(attributes(item.get("attributes", {})))
        if "int_value" in item:
            exemplar.as_int = item["int_value"]
        else:
            exemplar.as_double = number(item["value"])


def _number_point(row: Values, labels: Mapping[str, Any]) -> Message:
    point: NumberDataPoint = _begun(NumberDataPoint(), row, labels)
    if "point.int_value" in row:
        point.as_int = row["point.int_value"]
    elif "point.value" in row:
        point.as_double = row["point.value"]
    _exemplars(point, row)
    return point


def _optional(point: Any, row: Values) -> None:
    """Members that may be absent, which is not 0."""
    for op in ("point.sum", "point.min", "point.max"):
        if op in row:
            setattr(point, op.removeprefix("point."), row[op])


def _histogram(row: Values, labels: Mapping[str, Any]) -> Message:
    point: HistogramDataPoint = _begun(HistogramDataPoint(count=row["point.count"]), row, labels)
    _optional(point, row)
    point.explicit_bounds.extend(row["point.bounds"])
    point.bucket_counts.extend(row["point.bucket_counts"])
    _exemplars(point, row)
    return point


def _exponential(row: Values, labels: Mapping[str, Any]) -> Message:
    item = row["point.distribution"]
    point: ExponentialHistogramDataPoint = _begun(
        ExponentialHistogramDataPoint(
            count=row["point.count"],
            scale=item.get("scale", 0),
            zero_count=item.get("zero_count", 0),
            zero_threshold=number(item.get("zero_threshold", 0.0)),
        ),
        row,
        labels,
    )
    _optional(point, row)
    for name, side in (("positive", point.positive), ("negative", point.negative)):
        if name in item:
            side.SetInParent()
            side.offset = item[name].get("offset", 0)
            side.bucket_counts.extend(item[name].get("bucket_counts", ()))
    _exemplars(point, row)
    return point


def _summary(row: Values, labels: Mapping[str, Any]) -> Message:
    point: SummaryDataPoint = _begun(SummaryDataPoint(count=row["point.count"], sum=row["point.sum"]), row, labels)
    for item in row["point.distribution"]["quantiles"]:
        point.quantile_values.add(quantile=number(item["quantile"]), value=number(item["value"]))
    return point


POINTS = {
    "gauge": _number_point,
    "sum": _number_point,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
"""How a point is read, by the type of its metric."""
