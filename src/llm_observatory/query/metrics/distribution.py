"""Distributions of measurements, from explicit and exponential buckets, and their quantiles.

A bucket is a pair of bounds and how many measurements lie between. Distributions of other bounds add up: what lies within a
bucket is taken to be spread evenly, as Prometheus takes it for `histogram_quantile`.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Bounds = tuple[float, float]

LEAST_POWER = -1074
"""Of two, that a double holds."""


class Point(NamedTuple):
    """One point of a histogram: how many measurements by bucket, and the least and greatest of all, where they are known."""

    buckets: Mapping[Bounds, float]
    measurements: float
    least: float | None
    greatest: float | None


def explicit(bounds: Sequence[float], counts: Sequence[int]) -> dict[Bounds, float]:
    """Buckets of a histogram: each reaches from the bound before (exclusive) to its own, the last one is open."""
    edges = [-math.inf, *bounds, math.inf]
    return {(lower, upper): float(count) for lower, upper, count in zip(edges, edges[1:], counts, strict=False) if count}


def exponential(distribution: Mapping[str, Any]) -> dict[Bounds, float]:
    """Buckets of an exponential histogram, as `llm_metrics.distribution` has it (docs/schema.md)."""
    found: dict[Bounds, float] = {}
    if zero := distribution.get("zero_count", 0):
        threshold = float(_number(distribution.get("zero_threshold", 0.0)))
        found[(-threshold, threshold)] = float(zero)
    scale = distribution.get("scale", 0)
    for side, sign in (("positive", 1), ("negative", -1)):
        part = distribution.get(side, {})
        for place, count in enumerate(part.get("bucket_counts", ())):
            if count:
                index = part.get("offset", 0) + place
                lower, upper = _edge(index, scale), _edge(index + 1, scale)
                found[(lower, upper) if sign > 0 else (-upper, -lower)] = float(count)
    return found


def _edge(index: int, scale: int) -> float:
    """2 ** (index / 2 ** scale), the lower bound of a bucket (OTLP, ExponentialHistogramDataPoint)."""
    power = index * 2.0**-scale
    if power < LEAST_POWER:
        return 0.0
    return math.inf if power >= sys.float_info.max_exp else math.pow(2.0, power)


def _number(value: Any) -> Any:
    """A double that jsonb cannot hold is tagged."""
    return value["$double"] if isinstance(value, dict) else value


class Distribution:
    """Measurements of many points."""

    def __init__(self) -> None:
        self._buckets: dict[Bounds, float] = defaultdict(float)
        self._extremes: list[Bounds] = []

    def add(self, buckets: Mapping[Bounds, float], least: float | None, greatest: float | None) -> None:
        """More of them, with the least and the greatest where they are known."""
        for bounds, count in buckets.items():
            self._buckets[bounds] += count
        self._extremes.append((-math.inf if least is None else least, math.inf if greatest is None else greatest))

    def quantile(self, quantile: float) -> float | None:
        """Below which that share of the measurements lies; None of no measurements."""
        segments = list(self._segments()) if self._buckets else []
        total = sum(count for _, _, count in segments)
        if total <= 0:
            return None
        rank = quantile * total
        for lower, upper, count in segments:
            if rank <= count:
                return lower + (upper - lower) * (rank / count)
            rank -= count
        return segments[-1][1]

    def _segments(self) -> Iterator[tuple[float, float, float]]:
        """Buckets in pieces that do not overlap, in order, none of them open."""
        least, greatest = min(one for one, _ in self._extremes), max(one for _, one in self._extremes)
        closed = [(_closed(bounds, least, greatest), count) for bounds, count in self._buckets.items() if count > 0]
        edges = sorted({edge for bounds, _ in closed for edge in bounds})
        places = {edge: place for place, edge in enumerate(edges)}
        inside = [0.0] * len(edges)
        at = [0.0] * len(edges)
        for (lower, upper), count in closed:
            if lower == upper:
                at[places[lower]] += count
                continue
            for place in range(places[lower], places[upper]):
                inside[place] += count * (edges[place + 1] - edges[place]) / (upper - lower)
        for place, edge in enumerate(edges):
            if at[place]:
                yield edge, edge, at[place]
            if inside[place]:
                yield edge, edges[place + 1], inside[place]


def _closed(bounds: Bounds, least: float, greatest: float) -> Bounds:
    """A bucket as far as measurements may reach. One that stays open is where it begins; one of small values begins at 0."""
    lower, upper = (min(max(bound, least), greatest) for bound in bounds)
    if math.isinf(lower):
        lower = min(0.0, upper) if math.isfinite(upper) else upper
    if math.isinf(upper):
        upper = lower
    return (lower, upper)


def grown(point: Point, before: Point | None) -> dict[Bounds, float]:
    """What came to a cumulative histogram since the point before; all of it when it began anew, or its buckets changed."""
    if before is None or point.measurements < before.measurements:
        return dict(point.buckets)
    change = {bounds: count - before.buckets.get(bounds, 0.0) for bounds, count in point.buckets.items()}
    if before.buckets.keys() - point.buckets.keys() or any(count < 0 for count in change.values()):
        return dict(point.buckets)
    return change
