"""One data point as one row: the rules it must keep, what is odd about it, and what each op reads from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from math import copysign, isnan
from typing import Any, NamedTuple, TypeAlias

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)

from llm_observatory.codec.reference import measure, metric
from llm_observatory.codec.reference.accepted import INT64_MAX, outside_window
from llm_observatory.codec.reference.document import DocumentReader, Value, double, render_list, render_numbers
from llm_observatory.codec.reference.ids import is_span_id, is_trace_id
from llm_observatory.codec.request import Terms

NO_RECORDED_VALUE = 1
"""The flag of a point that says: there is no value, and that is meant."""

Message: TypeAlias = Any
"""A data point of any kind: what they have in common has the same name in all of them."""


class PointRecord:
    """One data point on its way into a row: what the ops read."""

    __slots__ = ("message", "reader", "series")

    def __init__(self, message: Message, series: bytes, reader: DocumentReader) -> None:
        self.message = message
        self.series = series
        self.reader = reader

    def value(self) -> float | None:
        """A double as it is, an integer as the nearest double."""
        member = self.message.WhichOneof("value")
        return None if member is None else float(getattr(self.message, member))

    def int_value(self) -> int | None:
        """The exact value of an integer."""
        return self.message.as_int if self.message.HasField("as_int") else None

    def exemplars(self) -> bytes | None:
        """The JSON text of the exemplars that can be kept; the others are counted."""
        if not self.message.exemplars:
            return None
        kept = [_exemplar(exemplar, self.reader) for exemplar in self.message.exemplars if _is_whole(exemplar)]
        dropped = len(self.message.exemplars) - len(kept)
        if dropped:
            self.reader.count("exemplar_dropped", dropped)
        return render_list(kept) if kept else None

    def trace_id(self) -> bytes | None:
        """That of the first exemplar that has one."""
        for exemplar in self.message.exemplars:
            if exemplar.trace_id and _is_whole(exemplar):
                found: bytes = exemplar.trace_id
                return found
        return None


def _is_whole(exemplar: Exemplar) -> bool:
    """Whether it has a value, and ids that are valid or not there."""
    return (
        exemplar.WhichOneof("value") is not None
        and (not exemplar.trace_id or is_trace_id(exemplar.trace_id))
        and (not exemplar.span_id or is_span_id(exemplar.span_id))
    )


def _exemplar(exemplar: Exemplar, reader: DocumentReader) -> dict[str, Value]:
    """An exemplar without its empty members."""
    item: dict[str, Value] = {}
    if exemplar.time_unix_nano:
        item["time_unix_nano"] = exemplar.time_unix_nano
    if exemplar.HasField("as_int"):
        item["int_value"] = exemplar.as_int
    else:
        item["value"] = double(exemplar.as_double)
    if exemplar.trace_id:
        item["trace_id"] = exemplar.trace_id.hex()
    if exemplar.span_id:
        item["span_id"] = exemplar.span_id.hex()
    if exemplar.filtered_attributes:
        item["attributes"] = reader.attributes(exemplar.filtered_attributes)
    return item


def _buckets(buckets: ExponentialHistogramDataPoint.Buckets) -> dict[str, Value]:
    """One side of an exponential histogram without its empty members."""
    item: dict[str, Value] = {}
    if buckets.offset:
        item["offset"] = buckets.offset
    if buckets.bucket_counts:
        item["bucket_counts"] = list(buckets.bucket_counts)
    return item


def _exponential(record: PointRecord) -> bytes:
    """The JSON text of the buckets of an exponential histogram. Sides that were sent are there even when empty."""
    point: ExponentialHistogramDataPoint = record.message
    item: dict[str, Value] = {}
    if point.scale:
        item["scale"] = point.scale
    if point.zero_count:
        item["zero_count"] = point.zero_count
    if point.zero_threshold or copysign(1.0, point.zero_threshold) < 0:
        item["zero_threshold"] = double(point.zero_threshold)
    if point.HasField("positive"):
        item["positive"] = _buckets(point.positive)
    if point.HasField("negative"):
        item["negative"] = _buckets(point.negative)
    return render_numbers(item)


def _summary(record: PointRecord) -> bytes:
    """The JSON text of the quantiles of a summary."""
    point: SummaryDataPoint = record.message
    quantiles = [{"quantile": double(item.quantile), "value": double(item.value)} for item in point.quantile_values]
    return render_numbers({"quantiles": quantiles})


def _optional(name: str) -> Callable[[PointRecord], float | None]:
    """A member that may be absent, which is not 0."""
    return lambda record: getattr(record.message, name) if record.message.HasField(name) else None


def _start_us(record: PointRecord) -> int | None:
    start: int = record.message.start_time_unix_nano
    return start // 1000 if start else None


def _start_nanos(record: PointRecord) -> int | None:
    start: int = record.message.start_time_unix_nano
    return start % 1000 if start else None


PointOps: TypeAlias = Mapping[str, Callable[[PointRecord], Any]]

_OF_ALL: PointOps = {
    "point.time_us": lambda record: record.message.time_unix_nano // 1000,
    "point.time_nanos": lambda record: record.message.time_unix_nano % 1000,
    "point.start_us": _start_us,
    "point.start_nanos": _start_nanos,
    "point.flags": lambda record: record.message.flags,
    "series.id": lambda record: record.series,
}
_OF_EXEMPLARS: PointOps = {"point.exemplars": PointRecord.exemplars, "point.trace_id": PointRecord.trace_id}
_OF_NUMBERS: PointOps = {"point.value": PointRecord.value, "point.int_value": PointRecord.int_value}
_OF_HISTOGRAMS: PointOps = {
    "point.count": lambda record: record.message.count,
    "point.sum": _optional("sum"),
    "point.min": _optional("min"),
    "point.max": _optional("max"),
}
_OF_BUCKETS: PointOps = {
    "point.bounds": lambda record: record.message.explicit_bounds,
    "point.bucket_counts": lambda record: record.message.bucket_counts,
}
_OF_SUMMARIES: PointOps = {
    "point.count": lambda record: record.message.count,
    "point.sum": lambda record: record.message.sum,
    "point.distribution": _summary,
}


def _number_rule(point: NumberDataPoint) -> str | None:
    if point.WhichOneof("value") is None and not point.flags & NO_RECORDED_VALUE:
        return "point_value_missing"
    return None


def _histogram_rule(point: HistogramDataPoint) -> str | None:
    return _too_large(point.count, point.bucket_counts)


def _exponential_rule(point: ExponentialHistogramDataPoint) -> str | None:
    counts = (point.count, point.zero_count)
    return _too_large(max(counts), point.positive.bucket_counts) or _too_large(0, point.negative.bucket_counts)


def _summary_rule(point: SummaryDataPoint) -> str | None:
    return _too_large(point.count, ())


def _too_large(count: int, bucket_counts: Iterable[int]) -> str | None:
    return "count_out_of_range" if count > INT64_MAX or max(bucket_counts, default=0) > INT64_MAX else None


def _odd_histogram(point: HistogramDataPoint) -> Iterator[str]:
    bounds, counts = point.explicit_bounds, point.bucket_counts
    fitting = len(counts) == len(bounds) + 1 if bounds or counts else True
    if not fitting or (counts and sum(counts) != point.count):
        yield "buckets_inconsistent"
    if bounds and (isnan(bounds[0]) or not all(lower < upper for lower, upper in pairwise(bounds))):
        yield "bounds_not_increasing"


def _odd_exponential(point: ExponentialHistogramDataPoint) -> Iterator[str]:
    counted = sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts) + point.zero_count
    if counted != point.count:
        yield "buckets_inconsistent"


def _nothing_odd(_: Message) -> Iterator[str]:
    return iter(())


class Kind(NamedTuple):
    """One kind of data: what it is called in rows and in a Metric, its points, and what only they have."""

    name: str
    message: type[Message]
    shape: measure.Shape
    ops: PointOps
    rule: Callable[[Message], str | None]
    odd: Callable[[Message], Iterator[str]] = _nothing_odd
    has_temporality: bool = False
    is_sum: bool = False
    has_exemplars: bool = True


_NUMBER = measure.shape(NumberDataPoint.DESCRIPTOR)
_NUMBER_OPS: PointOps = {**_OF_ALL, **_OF_NUMBERS, **_OF_EXEMPLARS}

KINDS: dict[int, Kind] = {
    metric.GAUGE: Kind("gauge", NumberDataPoint, _NUMBER, _NUMBER_OPS, _number_rule),
    metric.SUM: Kind("sum", NumberDataPoint, _NUMBER, _NUMBER_OPS, _number_rule, has_temporality=True, is_sum=True),
    metric.HISTOGRAM: Kind(
        "histogram",
        HistogramDataPoint,
        measure.shape(HistogramDataPoint.DESCRIPTOR),
        {**_OF_ALL, **_OF_HISTOGRAMS, **_OF_BUCKETS, **_OF_EXEMPLARS},
        _histogram_rule,
        _odd_histogram,
        has_temporality=True,
    ),
    metric.EXPONENTIAL_HISTOGRAM: Kind(
        "exponential_histogram",
        ExponentialHistogramDataPoint,
        measure.shape(ExponentialHistogramDataPoint.DESCRIPTOR),
        {**_OF_ALL, **_OF_HISTOGRAMS, "point.distribution": _exponential, **_OF_EXEMPLARS},
        _exponential_rule,
        _odd_exponential,
        has_temporality=True,
    ),
    metric.SUMMARY: Kind(
        "summary",
        SummaryDataPoint,
        measure.shape(SummaryDataPoint.DESCRIPTOR),
        {**_OF_ALL, **_OF_SUMMARIES},
        _summary_rule,
        has_exemplars=False,
    ),
}
"""By the tag of the data."""

OPS: PointOps = {op: read for kind in KINDS.values() for op, read in kind.ops.items()}


def broken_rule(point: Message, kind: Kind, now: int, terms: Terms) -> str | None:
    """The first rejection rule that the point breaks, None when it can be stored."""
    time = point.time_unix_nano
    if not time:
        return "point_time_missing"
    if time > INT64_MAX or point.start_time_unix_nano > INT64_MAX:
        return "time_out_of_range"
    if kind.has_exemplars and any(exemplar.time_unix_nano > INT64_MAX for exemplar in point.exemplars):
        return "time_out_of_range"
    return outside_window(time // 1000, now, terms) or kind.rule(point)


def oddities(point: Message, kind: Kind) -> Iterator[str]:
    """What no specification allows about it, each once."""
    if point.start_time_unix_nano > point.time_unix_nano:
        yield "start_after_time"
    yield from kind.odd(point)
