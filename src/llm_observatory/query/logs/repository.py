"""Log records from the database: found by what they say, or by which request they came with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple

from llm_observatory.api.v1.selection_pb2 import AttributeFilter
from llm_observatory.codec.rows import Fields
from llm_observatory.query import possible
from llm_observatory.query.conditions import also
from llm_observatory.query.logs.selection import PLACE
from llm_observatory.query.measured import measured
from llm_observatory.query.records import FoundRows, columns, dimensions_of, place, time_of
from llm_observatory.query.time_range import TimeRange, moment
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed, named
from llm_observatory.storage.read import Reader
from llm_observatory.tables import LLM_CONTENT, LLM_LOGS

_measured = measured("log_repository")
_SQL = files(__package__) / "sql"
_SEARCH, _BETWEEN = named(_SQL, "search_logs"), named(_SQL, "logs_between")
_CONTENT, _FEED = named(_SQL, "content_of_logs"), named(_SQL, "log_feed")
_ID, _TIME, _NANOS = (place(LLM_LOGS, op) for op in ("log.id", "log.time_us", "log.time_nanos"))

_HOUR_NS = 3_600_000_000_000


class LogKey(NamedTuple):
    """Where a record stands in the order of time: its timestamp in nanoseconds, and its id among those of the same."""

    time: int
    log_id: bytes


class Announced(NamedTuple):
    """A committed request of log records. Times in microseconds of PostgreSQL's clock, see `tables.LOG_FEED`."""

    digest: bytes
    records: int
    received_at: datetime
    min_time: datetime
    max_time: datetime
    written_at: datetime


class LogRepository:
    """Reads what belongs to one tenant."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @_measured
    async def search(
        self,
        tenant: str,
        within: Sequence[TimeRange],
        conditions: Sequence[Composed],
        values: Values,
        *,
        newest_first: bool,
        after: LogKey | None,
        limit: int,
    ) -> FoundRows:
        """At most `limit` records in the order of time, from the one after `after`; `within` is in that of time, too."""
        if after is not None:
            conditions = [*conditions, _beyond(after, values, newest_first=newest_first)]
        rows: list[Fields] = []
        for part in windows(within, after, newest_first=newest_first):
            found = values.copy()
            statement = _SEARCH.format(
                columns=columns(LLM_LOGS),
                conditions=also([*conditions, *part.exact(found)]),
                direction=SQL("DESC") if newest_first else SQL("ASC"),
            )
            parameters = {**found.parameters, **part.parameters, "tenant": tenant, "limit": limit - len(rows)}
            rows += await self._reader.fields(statement, parameters)
            if len(rows) >= limit:
                break
        return await self.whole(tenant, rows)

    @_measured
    async def parts(
        self, tenant: str, within: TimeRange, filters: Sequence[AttributeFilter], words: Sequence[str]
    ) -> list[TimeRange]:
        """The parts of a range that can hold records with these attributes and words, in the order of time."""
        groups = await possible.wanted(self._reader, tenant, PLACE, filters, words)
        return await possible.parts(self._reader, tenant, "logs", within, groups)

    @_measured
    async def between(
        self, tenant: str, first: datetime, last: datetime, conditions: Sequence[Composed], values: Values
    ) -> list[Fields]:
        """All records between two timestamps, both included."""
        statement = _BETWEEN.format(columns=columns(LLM_LOGS), conditions=also(conditions))
        return await self._reader.fields(statement, {**values.parameters, "tenant": tenant, "first": first, "last": last})

    @_measured
    async def announced(self, tenant: str, since: datetime | None, seconds: float) -> list[Announced]:
        """The requests that were written since then, or within the last so many seconds."""
        found = await self._reader.rows(_FEED, {"tenant": tenant, "since": since, "seconds": seconds})
        return [Announced(*row) for row in found]

    async def whole(self, tenant: str, rows: Sequence[Fields]) -> FoundRows:
        """Rows with what stands beside them."""
        if not rows:
            return FoundRows((), {}, ())
        dimensions = await dimensions_of(self._reader, tenant, LLM_LOGS, rows)
        ids = [(row[_ID] or b"").hex() for row in rows]
        times = [key_of(row).time for row in rows]
        content = await self._reader.fields(
            _CONTENT.format(columns=columns(LLM_CONTENT)),
            {"tenant": tenant, "ids": ids, "first": moment(min(times)), "last": moment(max(times))},
        )
        return FoundRows(rows, dimensions, content)


def key_of(row: Fields) -> LogKey:
    """Where a row stands."""
    return LogKey(time_of(row[_TIME], row[_NANOS]), row[_ID] or b"")


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


def _beyond(after: LogKey, values: Values, *, newest_first: bool) -> Composed:
    return SQL("(timestamp, timestamp_nanos, id) {} ({}, {}::int2, {}::uuid)").format(
        SQL("<") if newest_first else SQL(">"),
        values.add(moment(after.time)),
        values.add(after.time % 1000),
        values.add(after.log_id.hex()),
    )
