"""Which sums a range of time is made of: whole days and hours from the rollups, the rest from the rows."""

from __future__ import annotations

from typing import Literal, NamedTuple

from llm_observatory.query.time_range import DAY, HOUR, TimeRange, cut

NEWEST = 2 * HOUR
"""The end of a range is read by itself: what the rollups have not summed up yet is summed up as it is read, and only where the
statement says how little that is does the planner take an index for it (10 million spans: 35 ms instead of 255)."""

Source = Literal["llm_usage_daily", "llm_usage_hourly", "llm_traces"]
_SOURCES: dict[int, Source] = {DAY: "llm_usage_daily", HOUR: "llm_usage_hourly", 0: "llm_traces"}


class Part(NamedTuple):
    """A range that is read from one source."""

    source: Source
    within: TimeRange


def cover(within: TimeRange, step: int, *, by_rollups: bool) -> list[Part]:
    """The parts of a range, in the order of time. `step` is in nanoseconds, 0 for none: no bucket of a rollup crosses one."""
    if not by_rollups or step % HOUR:
        return [Part("llm_traces", within)]
    newest = max(within.start, within.end // HOUR * HOUR - NEWEST)
    older = cut(TimeRange(within.start, newest), *((HOUR,) if step % DAY else (DAY, HOUR)))
    return [Part(_SOURCES[grain], part) for part, grain in [*older, *cut(TimeRange(newest, within.end), HOUR)]]
