"""Quantiles from buckets: within the bucket that holds the measurement, whatever the bounds are and however they are mixed."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.query.metrics.distribution import Distribution, Point, explicit, exponential, grown

MEASUREMENTS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)
BOUNDS = st.lists(st.floats(0.0001, 1e7), min_size=1, max_size=12, unique=True).map(sorted)


def bucketed(measurements: list[float], bounds: list[float]) -> dict[tuple[float, float], float]:
    edges = [-math.inf, *bounds, math.inf]
    counts = [sum(lower < one <= upper for one in measurements) for lower, upper in pairwise(edges)]
    return explicit(bounds, counts)


@given(MEASUREMENTS, BOUNDS, st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_its_measurement(measurements: list[float], bounds: list[float], share: float) -> None:
    distribution = Distribution()
    distribution.add(bucketed(measurements, bounds), min(measurements), max(measurements))
    found = distribution.quantile(share)
    assert found is not None
    exact = sorted(measurements)[math.ceil(share * len(measurements)) - 1]
    edges = [-math.inf, *bounds, math.inf]
    [(lower, upper)] = [pair for pair in pairwise(edges) if pair[0] < exact <= pair[1]]
    slack = 1e-9 * max(measurements)
    assert max(lower, min(measurements)) - slack <= found <= min(upper, max(measurements)) + slack


@given(MEASUREMENTS, BOUNDS, BOUNDS)
def test_mixed_bounds_keep_order_and_number(measurements: list[float], one: list[float], other: list[float]) -> None:
    distribution = Distribution()
    for bounds in (one, other):
        distribution.add(bucketed(measurements, bounds), min(measurements), max(measurements))
    quantiles = [distribution.quantile(share / 10) for share in range(11)]
    assert all(value is not None for value in quantiles)
    known = [value for value in quantiles if value is not None]
    assert all(before <= after * (1 + 1e-12) + 1e-12 for before, after in pairwise(known))


def test_nothing_has_no_quantile() -> None:
    assert Distribution().quantile(0.5) is None


def test_open_buckets_without_extremes_end_at_once() -> None:
    distribution = Distribution()
    distribution.add(explicit([10.0], [0, 5]), None, None)
    assert distribution.quantile(0.5) == 10.0


@pytest.mark.parametrize("scale", [-3, 0, 4])
def test_exponential_buckets_have_the_bounds_of_the_protocol(scale: int) -> None:
    found = exponential(
        {"scale": scale, "positive": {"offset": -2, "bucket_counts": [1, 0, 3]}, "negative": {"bucket_counts": [2]}}
    )
    base = 2 ** (2.0**-scale)
    expected = [(base**-2, base**-1), (1.0, base), (-base, -1.0)]
    approximate: list[Any] = [(pytest.approx(lower), pytest.approx(upper)) for lower, upper in sorted(expected)]
    assert sorted(found) == approximate
    assert sorted(found.values()) == [1.0, 2.0, 3.0]


def test_far_exponents_do_not_overflow() -> None:
    assert exponential({"scale": -10, "positive": {"offset": 5, "bucket_counts": [1]}}) == {(math.inf, math.inf): 1.0}
    assert exponential({"scale": -10, "positive": {"offset": -9, "bucket_counts": [1]}}) == {(0.0, 0.0): 1.0}


def test_what_came_since_the_point_before() -> None:
    before = Point({(0, 1): 3.0, (1, 2): 1.0}, 4.0, None, None)
    assert grown(Point({(0, 1): 5.0, (1, 2): 1.0}, 6.0, None, None), before) == {(0, 1): 2.0, (1, 2): 0.0}
    assert grown(Point({(0, 1): 1.0}, 1.0, None, None), before) == {(0, 1): 1.0}, "fewer than before: it began anew"
    assert grown(Point({(0, 5): 9.0}, 9.0, None, None), before) == {(0, 5): 9.0}, "other buckets"
