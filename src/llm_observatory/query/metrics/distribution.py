"""Distributions of measurements, from explicit and exponential buckets, and their quantiles.

A bucket is a pair of bounds and how many measurements lie between. Distributions of other bounds add up: what lies within a
bucket is taken to be spread evenly, as Prometheus takes it for `histogram_quantile`.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from llm_observatory.errors import TooMuch
from llm_observatory.storage.pace import paced

Bounds = tuple[float, float]

LEAST_POWER = -1074
"""Of two, that a double holds."""
DENSEST = 2.0**960
"""Measurements per unit; what is denser lies at one place. So dense buckets of MAX_EDGES still add up to a double."""
MAX_EDGES = 50_000
"""Of one distribution. To sort them takes 10 ms, in which the event loop does nothing else."""


class Point(NamedTuple):
    """One point of a histogram: how many measurements by bucket, and the least and greatest of all, where they are known."""

    buckets: Mapping[Bounds, float]
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
    """Measurements of many points. `len` is how many buckets they have."""

    def __init__(self) -> None:
        self._buckets: dict[Bounds, float] = defaultdict(float)
        self._least, self._greatest = math.inf, -math.inf

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, buckets: Mapping[Bounds, float], least: float | None, greatest: float | None) -> None:
        """More of them, with the least and the greatest where they are known."""
        for bounds, count in buckets.items():
            if count > 0:
                self._buckets[bounds] += count
        self._least = min(self._least, -math.inf if least is None else least)
        self._greatest = max(self._greatest, math.inf if greatest is None else greatest)

    async def quantile(self, quantile: float) -> float | None:
        """Below which that share of the measurements lies; None of no measurements. Raises TooMuch beyond MAX_EDGES."""
        segments = [segment async for segment in self._segments()]
        total = sum(count for _, _, count in segments)
        if total <= 0:
            return None
        rank = quantile * total
        for lower, upper, count in segments:
            if rank <= count:
                return lower + (upper - lower) * (rank / count)
            rank -= count
        return segments[-1][1]

    async def _segments(self) -> AsyncIterator[tuple[float, float, float]]:
        """Buckets in pieces that do not overlap, in order, none of them open."""
        at: dict[float, float] = defaultdict(float)
        steps: dict[float, int] = defaultdict(int)
        async for bounds, count in paced(self._buckets.items()):
            lower, upper = _closed(bounds, self._least, self._greatest)
            if not lower <= upper:
                continue  # bounds that do not increase are stored as they came, and hold nothing
            if (upper - lower) * DENSEST > count:
                density = _exact(count / (upper - lower))
                steps[lower] += density
                steps[upper] -= density
            else:
                at[lower] += count
            if len(at) + len(steps) > MAX_EDGES:
                raise TooMuch(f"buckets of one value have more than {MAX_EDGES} bounds: ask for fewer series or shorter steps")
        density = 0
        async for lower, upper in paced(pairwise([*sorted(at.keys() | steps.keys()), math.inf])):
            if lower in at:
                yield lower, lower, at[lower]
            density += steps.get(lower, 0)
            if density:
                yield lower, upper, density / _EXACTLY_ONE * (upper - lower)


def _exact(density: float) -> int:
    """In units of 2**LEAST_POWER, of which every double is a whole number.

    Sums of doubles are rounded: of what a narrow bucket adds and takes away again, more may stay than a wide one has,
    even where nothing was measured.
    """
    numerator, denominator = density.as_integer_ratio()
    return numerator << (1 - LEAST_POWER - denominator.bit_length())


_EXACTLY_ONE = _exact(1.0)


def _closed(bounds: Bounds, least: float, greatest: float) -> Bounds:
    """A bucket as far as measurements may reach. One that stays open is where it begins; one of small values begins at 0."""
    lower, upper = (min(max(bound, least), greatest) for bound in bounds)
    if math.isinf(lower):
        lower = min(0.0, upper) if math.isfinite(upper) else upper
    if math.isinf(upper):
        upper = lower
    return (lower, upper)


def grown(point: Point, before: Point) -> Mapping[Bounds, float]:
    """What came to a cumulative histogram since the point before; all of it when its buckets changed."""
    change = {bounds: count - before.buckets.get(bounds, 0.0) for bounds, count in point.buckets.items()}
    if before.buckets.keys() - point.buckets.keys() or any(count < 0 for count in change.values()):
        return point.buckets
    return change
