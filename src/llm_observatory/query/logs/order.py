"""The order of log records, which is that of time: where each stands, and where a page begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from llm_observatory.codec.rows import Fields
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import page
from llm_observatory.query.records import place, time_of
from llm_observatory.query.time_range import MAX_NANOSECONDS, TimeRange, moment, nanoseconds
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed
from llm_observatory.tables import LLM_LOGS

_ID, _TIME, _NANOS = (place(LLM_LOGS, op) for op in ("log.id", "log.time_us", "log.time_nanos"))
_HEX_ID = re.compile("[0-9a-f]{32}")
_HOUR_NS = 3_600_000_000_000


class LogKey(NamedTuple):
    """Where a record stands in the order of time: its timestamp in nanoseconds, and its id among those of the same."""

    time: int
    log_id: bytes

    def beyond(self, values: Values, *, newest_first: bool) -> Composed:
        """The condition for what comes after it."""
        return SQL("(timestamp, timestamp_nanos, id) {} ({}, {}::int2, {}::uuid)").format(
            SQL("<") if newest_first else SQL(">"),
            values.add(moment(self.time)),
            values.add(self.time % 1000),
            values.add(self.log_id.hex()),
        )


def key_of(time: datetime, nanos: int, log_id: UUID) -> LogKey:
    """Of a row of timestamp, timestamp_nanos and id."""
    return LogKey(nanoseconds(time, nanos), log_id.bytes)


def key_of_row(row: Fields) -> LogKey:
    """Where a row stands."""
    return LogKey(time_of(row[_TIME], row[_NANOS]), row[_ID] or b"")


def distinct(keys: Iterable[LogKey]) -> list[LogKey]:
    """Each once. A record that was stored twice has the same id: it stands beside itself."""
    return [key for key, _ in groupby(keys)]


def to_page(key: LogKey) -> page.Key:
    """For `page.token`."""
    return [key.time, key.log_id.hex()]


def from_page(key: page.Key | None) -> LogKey | None:
    """The other direction; None for the first page. Raises InvalidQuery for what this service did not write."""
    match key:
        case None:
            return None
        case [int(at), str(log_id)] if 0 <= at <= MAX_NANOSECONDS and _HEX_ID.fullmatch(log_id):
            return LogKey(at, bytes.fromhex(log_id))
        case _:
            raise InvalidQuery(page.FIELD, "is no token of this service")


KEY_PARTS = len(LogKey._fields)


def windows(within: Sequence[TimeRange], after: LogKey | None, *, newest_first: bool) -> Iterator[TimeRange]:
    """The range as it is read: an hour at first, then twice as much each time, until there are enough.

    Nobody can tell a planner how many records say a word: of a day it read all for the newest 20. Cut at whole hours, which
    no partition or filter of an hour crosses; what `after` is beyond is left out.
    """
    length = _HOUR_NS
    for part in reversed(within) if newest_first else within:
        start, end = part
        if after is not None:
            start, end = (start, min(end, after.time + 1)) if newest_first else (max(start, after.time), end)
        while start < end:
            if newest_first:
                cut = max(start, (end - length) // _HOUR_NS * _HOUR_NS)
                yield TimeRange(cut, end)
                end = cut
            else:
                cut = min(end, -(-(start + length) // _HOUR_NS) * _HOUR_NS)
                yield TimeRange(start, cut)
                start = cut
            length *= 2
