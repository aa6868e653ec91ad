"""Which sums a range of time is made of: whole days and hours from the rollups, the rest from the rows."""

from __future__ import annotations

from typing import Literal, NamedTuple

from llm_observatory.query.time_range import TimeRange

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
"""In nanoseconds. Days are those of UTC."""

NEWEST = 2 * HOUR
"""The end of a range is read by itself: what the rollups have not summed up yet is summed up as it is read, and only where the
statement says how little that is does the planner take an index for it (10 million spans: 35 ms instead of 255)."""

Source = Literal["llm_usage_daily", "llm_usage_hourly", "llm_traces"]


class Part(NamedTuple):
    """A range that is read from one source."""

    source: Source
    within: TimeRange


def cover(within: TimeRange, step: int, *, by_rollups: bool) -> list[Part]:
    """The parts of a range, in the order of time. `step` is in nanoseconds, 0 for none: no bucket of a rollup crosses one."""
    first, last = -(-within.start // HOUR) * HOUR, within.end // HOUR * HOUR
    if not by_rollups or step % HOUR or first >= last:
        return [Part("llm_traces", within)]
    newest = max(first, last - NEWEST)
    edges: list[tuple[int, Source]] = [(within.start, "llm_traces"), (first, "llm_usage_hourly")]
    first_day, last_day = -(-first // DAY) * DAY, newest // DAY * DAY
    if step % DAY == 0 and first_day < last_day:
        edges += [(first_day, "llm_usage_daily"), (last_day, "llm_usage_hourly")]
    edges += [(newest, "llm_usage_hourly"), (last, "llm_traces")]
    ends = [*(start for start, _ in edges[1:]), within.end]
    return [Part(source, TimeRange(start, end)) for (start, source), end in zip(edges, ends, strict=True) if start < end]
