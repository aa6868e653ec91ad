"""Found spans: their keys first, which are narrow, then what an answer says of them, by key."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from llm_observatory.codec.rows import Fields
from llm_observatory.query.conditions import also
from llm_observatory.query.records import FoundRows, columns, dimensions_of, place, time_of
from llm_observatory.query.time_range import TimeRange, moment
from llm_observatory.query.traces.cost import costed
from llm_observatory.query.traces.order import SLOWEST, Order, SpanKey, distinct, key_of
from llm_observatory.query.traces.slow import floor_ns
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composable, Composed, named
from llm_observatory.storage.read import Reader
from llm_observatory.tables import LLM_CONTENT, LLM_TRACES

_SQL = files(__package__) / "sql"
_NEWEST, _GREATEST = named(_SQL, "newest_spans"), named(_SQL, "greatest_spans")
_BETWEEN, _BY_KEY = named(_SQL, "spans_between"), named(_SQL, "spans_by_key")
_CONTENT = named(_SQL, "content_by_key").format(columns=columns(LLM_CONTENT))


class Search(NamedTuple):
    """What is looked for. `within` are the parts of the time range that can hold it, in the order of time.

    `in_rollups` says that the rollups of traces know every condition.
    """

    tenant: str
    within: Sequence[TimeRange]
    conditions: Sequence[Composed]
    values: Values
    order: Order
    in_rollups: bool = False


async def keys(reader: Reader, search: Search, after: SpanKey | None, limit: int) -> list[SpanKey]:
    """At most `limit` spans in the order that is asked for, each once, from the one after `after`.

    A span may have been stored again with another value. It stands where the copy that counts has it; the others are dropped,
    whatever page they are on.
    """
    found: list[SpanKey] = []
    while len(found) < limit:
        wanted = limit - len(found)
        rows = await (_newest if search.order.valued is None else _greatest)(reader, search, after, wanted)
        found += await _that_count(reader, search, distinct(rows))
        if len(rows) < wanted:
            break
        after = rows[-1]
    return found


async def _that_count(reader: Reader, search: Search, found: Sequence[SpanKey]) -> Sequence[SpanKey]:
    """Those whose value is that of the copy that counts."""
    if search.order.valued is None or not found:
        return found
    counted = await _valued(reader, search, search.order.valued, found)
    return [key for key in found if counted.get(key.identity) == key.value]


async def _valued(
    reader: Reader, search: Search, valued: Callable[[Composed], Composed], found: Sequence[SpanKey]
) -> dict[tuple[int, bytes, bytes], Any]:
    """The value of the copies that count, by identity; what has none is left out."""
    rows = await reader.rows(valued(_by_key(search, SQL("*"))), _parameters(search, found))
    return {key_of(row[:4]).identity: row[4] for row in rows}


async def _newest(reader: Reader, search: Search, after: SpanKey | None, limit: int) -> list[SpanKey]:
    """The newest part first, until there are enough. Those after `after` did not begin later: nothing newer is opened."""
    rows: list[SpanKey] = []
    for part in reversed(search.within):
        end = part.end if after is None else min(part.end, after.time + 1)
        if part.start >= end:
            continue
        rows += await _read(reader, search, TimeRange(part.start, end), after, limit - len(rows))
        if len(rows) == limit:
            break
    return rows


async def _greatest(reader: Reader, search: Search, after: SpanKey | None, limit: int) -> list[SpanKey]:
    """Of every part, and of these the greatest."""
    if search.in_rollups and search.order is SLOWEST and after is None:
        rows = await _slowest(reader, search, limit)
        if len(rows) == limit:
            return rows
    of_parts = [await _read(reader, search, part, after, limit) for part in search.within]
    return list(heapq.merge(*of_parts, reverse=True))[:limit]


async def _slowest(reader: Reader, search: Search, limit: int) -> list[SpanKey]:
    """Of those that take as long as the rollups say that so many do: if there are, no other is slower."""
    [part] = search.within
    floor = await floor_ns(reader, search.tenant, part, search.conditions, search.values, limit)
    if floor is None:
        return []
    values = search.values.copy()
    slow = SQL("duration_ns >= {}").format(values.add(floor))
    return await _read(reader, search._replace(conditions=[*search.conditions, slow], values=values), part, None, limit)


async def _read(reader: Reader, search: Search, part: TimeRange, after: SpanKey | None, limit: int) -> list[SpanKey]:
    values = search.values.copy()
    conditions = [*search.conditions, *part.exact(values)]
    beyond = [] if after is None else [search.order.beyond(after, values)]
    if search.order.valued is None:
        statement = _NEWEST.format(conditions=also([*conditions, *beyond]))
    else:
        valued = search.order.valued(_BETWEEN.format(conditions=also(conditions)))
        statement = _GREATEST.format(valued=valued, beyond=also(beyond))
    parameters = {**values.parameters, **part.parameters, "tenant": search.tenant, "limit": limit}
    return [key_of(row) for row in await reader.rows(statement, parameters)]


class Summary(NamedTuple):
    """What a list shows of a span, beside its key and its cost."""

    parent_span_id: bytes | None
    service_name: str
    span_name: str
    kind: int
    duration_nano: int | None
    status_code: int
    status_message: str | None
    is_entry: bool
    provider: str | None
    operation: str | None
    request_model: str | None
    response_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    conversation_id: str | None
    user_id: str | None
    agent_name: str | None
    tool_name: str | None
    error_type: str | None


_SUMMARY = SQL(
    "timestamp, timestamp_nanos, trace_id, span_id, parent_span_id, service_name, span_name, span_kind, duration_ns,"
    " status_code, status_message, is_entry, provider, operation, request_model, response_model, input_tokens,"
    " output_tokens, conversation_id, user_id, agent_name, tool_name, error_type"
)
_WHOLE = columns(LLM_TRACES)


async def summaries(reader: Reader, search: Search, found: Sequence[SpanKey]) -> dict[tuple[int, bytes, bytes], Summary]:
    """By identity; what has expired meanwhile is left out."""
    if not found:
        return {}
    rows: list[tuple[Any, ...]] = await reader.rows(_by_key(search, _SUMMARY), _parameters(search, found))
    return {key_of(row[:4]).identity: Summary(*row[4:]) for row in rows}


async def costs(reader: Reader, search: Search, found: Sequence[SpanKey]) -> dict[tuple[int, bytes, bytes], float]:
    """US dollars by identity, where they are known."""
    return await _valued(reader, search, costed, found) if found else {}


async def whole(reader: Reader, search: Search, found: Sequence[SpanKey]) -> dict[tuple[int, bytes, bytes], FoundRows]:
    """The row of each, with what stands beside it, by identity; what has expired meanwhile is left out."""
    parameters = _parameters(search, found)
    rows = await reader.fields(_by_key(search, _WHOLE), parameters)
    content = await reader.fields(_CONTENT, parameters)
    dimensions = await dimensions_of(reader, search.tenant, LLM_TRACES, rows)
    said: dict[tuple[bytes | None, ...], list[Fields]] = {}
    for row in content:
        said.setdefault(tuple(row[at] for at in _CONTENT_OF), []).append(row)
    return {_identity(row): FoundRows([row], dimensions, said.get(tuple(row[at] for at in _SPAN_OF), ())) for row in rows}


_CONTENT_OF = tuple(place(LLM_CONTENT, op) for op in ("content.time_us", "content.trace_id", "content.span_id"))
_SPAN_OF = tuple(place(LLM_TRACES, op) for op in ("span.start_us", "span.trace_id", "span.span_id"))
_NANOS = place(LLM_TRACES, "span.start_nanos")


def _identity(row: Fields) -> tuple[int, bytes, bytes]:
    time, trace_id, span_id = (row[at] or b"" for at in _SPAN_OF)
    return time_of(time, row[_NANOS]), trace_id, span_id


def _by_key(search: Search, wanted: Composable) -> Composed:
    """Of each found span the copy that counts (docs/query.md), of those that fulfil the conditions."""
    return _BY_KEY.format(columns=wanted, conditions=also(search.conditions))


def _parameters(search: Search, found: Sequence[SpanKey]) -> dict[str, object]:
    times = sorted({moment(key.time) for key in found})
    return {
        **search.values.parameters,
        "tenant": search.tenant,
        "first": times[0],
        "last": times[-1],
        "times": times,
        "trace_ids": sorted({key.trace_id.hex() for key in found}),
        "span_ids": sorted({key.span_id for key in found}),
    }
