"""Which parts of a time range can hold what is looked for, by the filters of its hours (`storage/search_filters`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from llm_observatory.api.v1.selection_pb2 import AttributeFilter
from llm_observatory.query.conditions import AttributePlace
from llm_observatory.query.time_range import HOUR, TimeRange, moment, nanoseconds
from llm_observatory.storage import search_filters
from llm_observatory.storage.read import Reader
from llm_observatory.storage.search_filters import Entry

MAX_SOURCES = 100
"""More of them say nothing: an attribute that so many sources have is in every hour."""

WORTH_ASKING = 2 * HOUR
"""A shorter range is read as it is."""


async def wanted(
    reader: Reader, tenant: str, place: AttributePlace, filters: Sequence[AttributeFilter], text: Sequence[str] = ()
) -> list[list[Entry]]:
    """What an hour must hold: one entry of each group. Of conditions that a filter knows nothing about there is no group."""
    groups = [[entry] for word in text for entry in search_filters.words(word)]
    for asked in filters:
        own = place.entries(asked)
        if own is None:
            continue
        sources = await place.matching_sources(reader, tenant, asked, MAX_SOURCES + 1)
        if len(sources) <= MAX_SOURCES:
            groups.append([*own, *map(search_filters.source, sources)])
    return groups


async def parts(
    reader: Reader, tenant: str, signal: str, within: TimeRange, groups: Sequence[Sequence[Entry]]
) -> list[TimeRange]:
    """What is left of a range without the hours that cannot hold it, in the order of time; neighbours in one piece."""
    if not groups or within.end - within.start <= WORTH_ASKING:
        return [within]
    if not all(groups):
        return []
    first, last = moment(within.start), moment(within.end - 1) + timedelta(microseconds=1)
    absent = await search_filters.absent_hours(reader, tenant, signal, first, last, groups)
    found: list[TimeRange] = []
    start = within.start
    for hour in sorted(nanoseconds(hour) for hour in absent):
        if hour > start:
            found.append(TimeRange(start, min(hour, within.end)))
        start = max(start, hour + HOUR)
    if start < within.end:
        found.append(TimeRange(start, within.end))
    return found
