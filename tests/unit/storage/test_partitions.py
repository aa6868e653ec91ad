"""Slots, gaps and names of partitions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.storage.engine.partitions import DAY_US, HOUR_US, Partition, Range, gaps, partition_name, slots


def _us(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc,arg-type]  # year, month, day, …


def _taken(*ranges: tuple[int, int]) -> list[Partition]:
    return [Partition("public", "p", detaching=False, lower=lower, upper=upper) for lower, upper in ranges]


def test_slots_are_those_of_the_times_only() -> None:
    long_ago, today = _us(2020, 1, 1, 5), _us(2026, 11, 23, 12)
    assert slots([today, long_ago, today + 1], DAY_US) == [
        Range(_us(2020, 1, 1), _us(2020, 1, 2)),
        Range(_us(2026, 11, 23), _us(2026, 11, 24)),
    ]


def test_an_hour_across_two_slots_gets_both() -> None:
    """96 minutes divide a day into 15; the start of an hour stands for all of it."""
    interval = 96 * 60_000_000
    assert [slot.lower for slot in slots([_us(2026, 11, 23, 1)], interval)] == [
        _us(2026, 11, 23, 0, 0),
        _us(2026, 11, 23, 1, 36),
    ]


@given(
    st.lists(st.integers(0, 200), unique=True, max_size=40).map(sorted),
    st.integers(0, 180),
    st.integers(1, 20),
)
def test_gaps_and_taken_cover_a_slot_exactly_once(points: list[int], lower: int, width: int) -> None:
    taken = _taken(*zip(points[::2], points[1::2], strict=False))
    slot = Range(lower, lower + width)
    free = gaps(taken, slot)
    for moment in range(*slot):
        held = [part for part in taken if part.lower <= moment < part.upper] + [
            span for span in free if span[0] <= moment < span[1]
        ]
        assert len(held) == 1
    assert all(slot.lower <= span.lower < span.upper <= slot.upper for span in free)


@pytest.mark.parametrize(
    "lower, upper, name",
    [
        (_us(2026, 11, 23), _us(2026, 11, 24), "llm_traces_p20261123"),
        (_us(2026, 11, 23), _us(2026, 11, 30), "llm_traces_p20261123"),
        (_us(2026, 11, 23), _us(2026, 11, 23) + HOUR_US, "llm_traces_p20261123_0000"),
        (_us(2026, 11, 23, 6, 30), _us(2026, 11, 24), "llm_traces_p20261123_0630"),
        (0, DAY_US, "llm_traces_p19700101"),
    ],
)
def test_names(lower: int, upper: int, name: str) -> None:
    assert partition_name("llm_traces", Range(lower, upper)) == name
