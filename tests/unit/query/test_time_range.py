"""A range is cut where whole days and hours begin and end."""

from __future__ import annotations

import pytest

from llm_observatory.query.time_range import DAY, HOUR, TimeRange, cut

START = 20_000 * DAY


@pytest.mark.parametrize(
    "start, end, grains, expected",
    [
        (HOUR - 1, 2 * DAY + HOUR + 1, (DAY, HOUR), [(HOUR, 0), (DAY, HOUR), (2 * DAY, DAY), (2 * DAY + HOUR, HOUR), (-1, 0)]),
        (HOUR - 1, 2 * DAY + HOUR + 1, (DAY,), [(DAY, 0), (2 * DAY, DAY), (-1, 0)]),
        (HOUR - 1, 2 * DAY + HOUR + 1, (), [(-1, 0)]),
        (0, DAY, (DAY, HOUR), [(-1, DAY)]),
        (0, DAY - 1, (DAY, HOUR), [(DAY - HOUR, HOUR), (-1, 0)]),
        (1, HOUR - 1, (DAY, HOUR), [(-1, 0)]),
        (HOUR - 1, HOUR + 1, (DAY, HOUR), [(-1, 0)]),
        (5, 5, (DAY, HOUR), []),
    ],
)
def test_the_coarsest_grain_that_fits_is_used(
    start: int, end: int, grains: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    """`expected` are the ends of parts, -1 for that of the range, and their grains."""
    parts = cut(TimeRange(START + start, START + end), *grains)
    assert [(part.end - START, grain) for part, grain in parts] == [(end if at < 0 else at, grain) for at, grain in expected]
    assert [part.start for part, _ in parts] == [START + start, *(part.end for part, _ in parts)][: len(parts)]
