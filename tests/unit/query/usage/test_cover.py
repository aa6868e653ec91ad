"""A range is covered once, by the coarsest sums that fit into it and into the steps."""

from __future__ import annotations

import random

import pytest

from llm_observatory.query.time_range import DAY, HOUR, TimeRange
from llm_observatory.query.usage.cover import NEWEST, cover

START = 20_000 * DAY


def sources(start: int, end: int, step: int = 0) -> list[tuple[str, int, int]]:
    return [
        (part.source.removeprefix("llm_"), part.within.start - START, part.within.end - START)
        for part in cover(TimeRange(START + start, START + end), step, by_rollups=True)
    ]


def test_whole_days_hours_and_what_is_left() -> None:
    assert sources(HOUR - 1, 3 * DAY + 5 * HOUR + 1) == [
        ("traces", HOUR - 1, HOUR),
        ("usage_hourly", HOUR, DAY),
        ("usage_daily", DAY, 3 * DAY),
        ("usage_hourly", 3 * DAY, 3 * DAY + 5 * HOUR - NEWEST),
        ("usage_hourly", 3 * DAY + 5 * HOUR - NEWEST, 3 * DAY + 5 * HOUR),
        ("traces", 3 * DAY + 5 * HOUR, 3 * DAY + 5 * HOUR + 1),
    ]


def test_days_are_not_taken_where_a_step_cuts_them_and_hours_neither() -> None:
    assert {source for source, *_ in sources(0, 3 * DAY, HOUR)} == {"usage_hourly"}
    assert {source for source, *_ in sources(0, 3 * DAY, 7 * DAY)} == {"usage_daily", "usage_hourly"}
    assert sources(0, 3 * DAY, HOUR + 1) == [("traces", 0, 3 * DAY)]
    assert sources(1, HOUR) == [("traces", 1, HOUR)]
    assert [part.source for part in cover(TimeRange(START, START + DAY), 0, by_rollups=False)] == ["llm_traces"]


def test_a_range_within_an_hour_or_about_one_edge_is_read_from_rows() -> None:
    assert sources(HOUR // 4, HOUR // 2) == [("traces", HOUR // 4, HOUR // 2)]
    assert sources(HOUR // 2, HOUR + HOUR // 2) == [("traces", HOUR // 2, HOUR + HOUR // 2)]


@pytest.mark.parametrize("seed", range(20))
def test_every_moment_is_covered_once(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(100):
        start = draw.randrange(3 * DAY)
        within = TimeRange(START + start, START + start + draw.choice([1, HOUR, draw.randrange(1, 5 * DAY)]))
        step = draw.choice([0, HOUR, 3 * HOUR, DAY, 2 * DAY, 7, 60_000_000_000])
        parts = cover(within, step, by_rollups=True)
        assert [part.within.start for part in parts] == [within.start, *(part.within.end for part in parts[:-1])]
        assert parts[-1].within.end == within.end
        assert all(part.within.start < part.within.end for part in parts)
        for part in parts:
            length = {"llm_traces": 1, "llm_usage_hourly": HOUR, "llm_usage_daily": DAY}[part.source]
            assert part.within.start % length == part.within.end % length == 0
            assert step % length == 0
