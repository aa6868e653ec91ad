"""Where the records of announced requests are looked for: near each other by one statement, wherever that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from llm_observatory.codec.reference.log import Identities
from llm_observatory.query.logs.repository import Announced, Period

MAX_GAP = timedelta(seconds=10)
"""Requests whose records lie nearer to each other than this are read by one statement."""

WIDE = timedelta(minutes=1)
"""A request whose records lie further apart is read by itself, from both ends: between them there is more of others."""

RECORDS_AT_ONCE = 5000
"""Of requests, by one statement. The ends of their ids are made in 5 ms."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Piece(NamedTuple):
    """Records that are looked for by one statement: when they were, how many there may be, what their ids end in."""

    when: Period
    records: int
    suffixes: list[bytes]


def pieces(requests: Sequence[Announced]) -> Iterator[Piece]:
    """Of all these requests; last those that take long to find."""
    for group in _neighbours(requests):
        when = Period(min(one.min_time for one in group), max(one.max_time for one in group))
        suffixes = _suffixes(group)
        while some := list(islice(suffixes, 2 * RECORDS_AT_ONCE)):
            yield Piece(when, len(some) // 2, some)


def _suffixes(requests: Iterable[Announced]) -> Iterator[bytes]:
    """Two for each record."""
    for one in requests:
        yield from Identities(one.digest, (one.received_at - _EPOCH) // _MICROSECOND).suffixes(one.records)


def _neighbours(requests: Sequence[Announced]) -> Iterator[list[Announced]]:
    """Requests by the time of their records; at the end, each by itself, the wide ones."""
    group: list[Announced] = []
    wide: list[Announced] = []
    reach = _EPOCH
    for one in sorted(requests, key=lambda one: one.min_time):
        if is_wide(Period(one.min_time, one.max_time)):
            wide.append(one)
            continue
        if group and (one.min_time - reach > MAX_GAP or is_wide(Period(group[0].min_time, one.max_time))):
            yield group
            group = []
        reach = max(reach, one.max_time) if group else one.max_time
        group.append(one)
    if group:
        yield group
    yield from ([one] for one in wide)


def is_wide(when: Period) -> bool:
    """Whether so much may lie between that it is read from both ends."""
    return when.last - when.first > WIDE


def ends_first(when: Period) -> Iterator[Period]:
    """The time from both ends to its middle, MAX_GAP at first, then twice as much each time.

    What is sent together is new, but for what came late: in between there is nothing of it, and all that others sent.
    """
    first, last = when
    length = MAX_GAP
    while first <= last:
        cut = max(first, last - length)
        yield Period(cut, last)
        last = cut - _MICROSECOND
        if first <= last:
            cut = min(last, first + length)
            yield Period(first, cut)
            first = cut + _MICROSECOND
        length *= 2
