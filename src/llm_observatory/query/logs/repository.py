"""Log records from the database: found by what they say, or by which request they came with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple

from llm_observatory.api.v1.selection_pb2 import AttributeFilter
from llm_observatory.codec.rows import Fields
from llm_observatory.query import possible
from llm_observatory.query.conditions import also
from llm_observatory.query.logs.order import LogKey, distinct, key_of, key_of_row, windows
from llm_observatory.query.logs.selection import PLACE
from llm_observatory.query.measured import measured
from llm_observatory.query.records import FoundRows, columns, place, read_sources
from llm_observatory.query.time_range import TimeRange, moment
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed, named
from llm_observatory.storage.read import Reader
from llm_observatory.tables import LLM_CONTENT, LLM_LOGS, TELEMETRY_SOURCES

_measured = measured("log_repository")
_SQL = files(__package__) / "sql"
_SEARCH, _FEED = named(_SQL, "search_logs"), named(_SQL, "log_feed")
_BY_SUFFIX = named(_SQL, "logs_by_suffix")
_BY_KEY = named(_SQL, "logs_by_key").format(columns=columns(LLM_LOGS))
_CONTENT = named(_SQL, "content_of_logs").format(columns=columns(LLM_CONTENT))
_SOURCE_ID = place(LLM_LOGS, "source.id")


class Announced(NamedTuple):
    """A committed request of log records. Times in microseconds of PostgreSQL's clock, see `tables.LOG_FEED`."""

    digest: bytes
    records: int
    received_at: datetime
    min_time: datetime
    max_time: datetime
    written_at: datetime


class Period(NamedTuple):
    """Two times of PostgreSQL, both included."""

    first: datetime
    last: datetime


class Suffixed(NamedTuple):
    """A record by its suffix, and whether it fulfils every condition."""

    key: LogKey
    wanted: bool


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
    ) -> list[LogKey]:
        """At most `limit` records in the order of time, each once, from the one after `after`; `within` is in that of time."""
        found: list[LogKey] = []
        for part in windows(within, after, newest_first=newest_first):
            more = True
            while more and len(found) < limit:
                own = values.copy()
                beyond = [] if after is None else [after.beyond(own, newest_first=newest_first)]
                statement = _SEARCH.format(
                    conditions=also([*conditions, *beyond, *part.exact(own)]),
                    direction=SQL("DESC") if newest_first else SQL("ASC"),
                )
                wanted = limit - len(found)
                parameters = {**own.parameters, **part.parameters, "tenant": tenant, "limit": wanted}
                rows = [key_of(*row) for row in await self._reader.rows(statement, parameters)]
                found += distinct(rows)
                more = len(rows) == wanted
                after = rows[-1] if more else after
        return found

    @_measured
    async def parts(
        self, tenant: str, within: TimeRange, filters: Sequence[AttributeFilter], words: Sequence[str]
    ) -> list[TimeRange]:
        """The parts of a range that can hold records with these attributes and words, in the order of time."""
        groups = await possible.wanted(self._reader, tenant, PLACE, filters, words)
        return await possible.parts(self._reader, tenant, "logs", within, groups)

    @_measured
    async def whole(self, tenant: str, keys: Sequence[LogKey], sources: dict[bytes, Fields]) -> FoundRows:
        """The row of each, in their order, with what stands beside it; what has expired meanwhile is left out.

        `sources` are known already; those that are not are added.
        """
        times = sorted({moment(key.time) for key in keys})
        ids = sorted({key.log_id.hex() for key in keys})
        parameters = {"tenant": tenant, "first": times[0], "last": times[-1], "times": times, "ids": ids}
        rows = {key_of_row(row): row for row in await self._reader.fields(_BY_KEY, parameters)}
        content = await self._reader.fields(_CONTENT, parameters)
        sources |= await read_sources(self._reader, tenant, {row[_SOURCE_ID] or b"" for row in rows.values()} - sources.keys())
        return FoundRows([rows[key] for key in keys if key in rows], {TELEMETRY_SOURCES.name: sources}, content)

    async def now(self) -> datetime:
        """What PostgreSQL's clock says."""
        [(now,)] = await self._reader.rows(SQL("SELECT clock_timestamp()"), {})
        found: datetime = now
        return found

    @_measured
    async def announced(self, tenant: str, since: datetime, seconds: float) -> list[Announced]:
        """The requests that were written since then, or within so many seconds before."""
        found = await self._reader.rows(_FEED, {"tenant": tenant, "since": since, "seconds": seconds})
        return [Announced(*row) for row in found]

    @_measured
    async def by_suffix(
        self,
        tenant: str,
        within: Period,
        suffixes: Sequence[bytes],
        conditions: Sequence[Composed],
        values: Values,
        *,
        count_all: bool,
    ) -> set[Suffixed]:
        """The records of a time whose ids end in one of these; with `count_all` also those that are not wanted."""
        every = also(conditions)
        statement = _BY_SUFFIX.format(
            wanted=SQL("true{}").format(every) if count_all else SQL("true"), conditions=SQL("") if count_all else every
        )
        parameters = {**values.parameters, **within._asdict(), "tenant": tenant, "suffixes": list(suffixes)}
        found = await self._reader.rows(statement, parameters)
        return {Suffixed(key_of(*row), bool(wanted)) for *row, wanted in found}
