"""The range of time that a query is bounded by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from llm_observatory.api.v1 import selection_pb2
from llm_observatory.errors import InvalidQuery
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed

DEFAULT = timedelta(hours=1)
"""What an unset start means, before the end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOSECONDS_PER_MICROSECOND = 1000
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
"""In nanoseconds. Days are those of UTC."""
MAX_NANOSECONDS = 2**63 - 1
"""Some time in 2262; PostgreSQL's and Python's times reach further."""


class TimeRange(NamedTuple):
    """Half-open, in nanoseconds since the Unix epoch: start <= t < end."""

    start: int
    end: int

    @property
    def parameters(self) -> dict[str, object]:
        """`start_time` and `end_time` as values of timestamptz.

        Times in the database are cut to microseconds, the rest stands apart: a range that does not begin or end at a whole
        microsecond is widened to the next. Who needs the last nanosecond compares the exact time of each row.
        """
        return {"start_time": moment(self.start), "end_time": moment(self.end + NANOSECONDS_PER_MICROSECOND - 1)}

    def exact(self, values: Values) -> list[Composed]:
        """What `parameters` leaves over where a bound is no whole microsecond: conditions on both columns of a time."""
        found = []
        for bound, operator in ((self.start, ">="), (self.end, "<")):
            if rest := bound % NANOSECONDS_PER_MICROSECOND:
                found.append(
                    SQL("(timestamp, timestamp_nanos) {} ({}, {}::int2)").format(
                        SQL(operator), values.add(moment(bound)), values.add(rest)
                    )
                )
        return found

    def holds(self, nanoseconds: int) -> bool:
        """Whether a moment belongs to it."""
        return self.start <= nanoseconds < self.end


def moment(nanoseconds: int) -> datetime:
    """A time of PostgreSQL, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=nanoseconds // NANOSECONDS_PER_MICROSECOND)


def nanoseconds(time: datetime, rest: int = 0) -> int:
    """A time of PostgreSQL, with the nanoseconds that stand beside it."""
    return (time - _EPOCH) // timedelta(microseconds=1) * NANOSECONDS_PER_MICROSECOND + rest


def resolve(
    asked: selection_pb2.TimeRange, now: int, longest: timedelta, *, default: timedelta = DEFAULT, field: str = "time_range"
) -> TimeRange:
    """What a request means at `now` (nanoseconds). InvalidQuery when it is empty, backwards or longer than `longest`."""
    end = asked.end_time_unix_nano or now
    start = asked.start_time_unix_nano or max(0, end - default // timedelta(microseconds=1) * NANOSECONDS_PER_MICROSECOND)
    if max(start, end) > MAX_NANOSECONDS:
        late = "start" if start > end else "end"
        raise InvalidQuery(f"{field}.{late}_time_unix_nano", f"is beyond {MAX_NANOSECONDS}, the last moment there is")
    if start >= end:
        raise InvalidQuery(f"{field}.start_time_unix_nano", "is not before the end")
    if end - start > longest // timedelta(microseconds=1) * NANOSECONDS_PER_MICROSECOND:
        raise InvalidQuery(field, f"is longer than {_words(longest)}: ask for less at a time")
    return TimeRange(start, end)


def cut(within: TimeRange, *grains: int) -> list[tuple[TimeRange, int]]:
    """A range in the order of time, each part with the grain that it is whole ones of; 0 for what is left at the edges.

    Grains are lengths in nanoseconds, the coarsest first.
    """
    if within.start >= within.end:
        return []
    if not grains:
        return [(within, 0)]
    grain, *finer = grains
    first, last = -(-within.start // grain) * grain, within.end // grain * grain
    if first >= last:
        return cut(within, *finer)
    before, after = TimeRange(within.start, first), TimeRange(last, within.end)
    return [*cut(before, *finer), (TimeRange(first, last), grain), *cut(after, *finer)]


def _words(length: timedelta) -> str:
    return f"{length.days} days" if length.days > 1 else f"{length // timedelta(hours=1)} hours"
