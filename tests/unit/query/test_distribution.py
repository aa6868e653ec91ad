"""Quantiles from buckets: within the bucket that holds the measurement, whatever the bounds are and however they are mixed."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.errors import TooMuch
from llm_observatory.query.metrics.distribution import MAX_EDGES, Bounds, Distribution, Point, explicit, exponential, grown

MEASUREMENTS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)
BOUNDS = st.lists(st.floats(0.0001, 1e7), min_size=1, max_size=12, unique=True).map(sorted)


def bucketed(measurements: list[float], bounds: list[float]) -> dict[tuple[float, float], float]:
    edges = [-math.inf, *bounds, math.inf]
    counts = [sum(lower < one <= upper for one in measurements) for lower, upper in pairwise(edges)]
    return explicit(bounds, counts)


@given(MEASUREMENTS, BOUNDS, st.floats(0.01, 1.0))
async def test_a_quantile_lies_in_the_bucket_of_its_measurement(
    measurements: list[float], bounds: list[float], share: float
) -> None:
    distribution = Distribution()
    distribution.add(bucketed(measurements, bounds), min(measurements), max(measurements))
    found = await distribution.quantile(share)
    assert found is not None
    exact = sorted(measurements)[math.ceil(share * len(measurements)) - 1]
    edges = [-math.inf, *bounds, math.inf]
    [(lower, upper)] = [pair for pair in pairwise(edges) if pair[0] < exact <= pair[1]]
    slack = 1e-9 * max(measurements)
    assert max(lower, min(measurements)) - slack <= found <= min(upper, max(measurements)) + slack


@given(MEASUREMENTS, BOUNDS, BOUNDS)
async def test_mixed_bounds_keep_order_and_number(measurements: list[float], one: list[float], other: list[float]) -> None:
    distribution = Distribution()
    for bounds in (one, other):
        distribution.add(bucketed(measurements, bounds), min(measurements), max(measurements))
    quantiles = [await distribution.quantile(share / 10) for share in range(11)]
    assert all(value is not None for value in quantiles)
    known = [value for value in quantiles if value is not None]
    assert all(before <= after * (1 + 1e-12) + 1e-12 for before, after in pairwise(known))


EDGES = st.one_of(st.floats(-100.0, 100.0), st.integers(-3, 3).map(float), st.floats(-1e300, 1e300), st.floats(-1e-300, 1e-300))
BUCKETS = st.dictionaries(
    st.tuples(EDGES, EDGES).map(lambda pair: (min(pair), max(pair))), st.integers(1, 2**60).map(float), min_size=1
)


def below(buckets: dict[Bounds, float], place: float, *, included: bool) -> float:
    """How many measurements lie below a place, or at it if that is included."""
    found = []
    for (lower, upper), count in buckets.items():
        if lower == upper:
            found.append(count if lower < place or (included and lower == place) else 0.0)
        else:
            found.append(count * min(max((place - lower) / (upper - lower), 0.0), 1.0))
    return math.fsum(found)


@given(BUCKETS, st.floats(0.0, 1.0))
async def test_that_share_lies_below_a_quantile_however_buckets_overlap(buckets: dict[Bounds, float], share: float) -> None:
    distribution = Distribution()
    distribution.add(buckets, None, None)
    found = await distribution.quantile(share)
    assert found is not None
    total = sum(buckets.values())
    assert any(lower <= found <= upper for lower, upper in buckets), "where nothing was measured"
    slack = 1e-9 * abs(found) + 1e-250  # what is denser than DENSEST lies at one place
    assert below(buckets, found - slack, included=False) <= (share + 1e-9) * total
    assert below(buckets, found + slack, included=True) >= (share - 1e-9) * total


async def test_what_narrow_buckets_leave_behind_hides_no_wide_one() -> None:
    distribution = Distribution()
    distribution.add({(0.0, 100.0): 10.0, (1e-300, 3e-300): 7.0, (0.1, 0.1 + 1e-15): 3.0, (200.0, 300.0): 20.0}, None, None)
    assert await distribution.quantile(0.375) == pytest.approx(50.0)  # ten, and half of the other ten
    assert await distribution.quantile(0.5 + 1e-12) == pytest.approx(200.0), "nothing lies between 100 and 200"


def overlapping(number: int) -> dict[Bounds, float]:
    """Buckets of which each lies within all before it: none has a bound in common with another."""
    return {(float(place), float(3 * number - place)): 1.0 for place in range(number)}


@pytest.mark.timeout(20)  # walking from edge to edge in each bucket takes minutes
async def test_many_bounds_take_not_long_and_leave_the_loop_to_others() -> None:
    distribution = Distribution()
    distribution.add(overlapping(MAX_EDGES // 2), None, None)
    reckoning = asyncio.create_task(distribution.quantile(0.5))
    turns = 0
    while not reckoning.done():
        await asyncio.sleep(0)
        turns += 1
    assert await reckoning == pytest.approx(1.5 * MAX_EDGES // 2)
    assert turns > 10


async def test_more_bounds_than_that_are_refused() -> None:
    distribution = Distribution()
    distribution.add(overlapping(MAX_EDGES // 2 + 1), None, None)
    with pytest.raises(TooMuch, match="more than 50000 bounds"):
        await distribution.quantile(0.5)


async def test_bounds_that_do_not_increase_hold_nothing() -> None:
    distribution = Distribution()
    distribution.add({(5.0, 3.0): 10.0, (math.nan, 1.0): 10.0, (1.0, 2.0): 1.0}, None, None)
    assert await distribution.quantile(1.0) == 2.0


async def test_nothing_has_no_quantile() -> None:
    assert await Distribution().quantile(0.5) is None


async def test_open_buckets_without_extremes_end_at_once() -> None:
    distribution = Distribution()
    distribution.add(explicit([10.0], [0, 5]), None, None)
    assert await distribution.quantile(0.5) == 10.0


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
    before = Point({(0, 1): 3.0, (1, 2): 1.0}, None, None)
    assert grown(Point({(0, 1): 5.0, (1, 2): 1.0}, None, None), before) == {(0, 1): 2.0, (1, 2): 0.0}
    assert grown(Point({(0, 1): 1.0, (1, 2): 9.0}, None, None), before) == {(0, 1): 1.0, (1, 2): 9.0}, "fewer in one"
    assert grown(Point({(0, 5): 9.0}, None, None), before) == {(0, 5): 9.0}, "other buckets"
