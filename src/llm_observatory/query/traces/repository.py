"""Spans from the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from importlib.resources import files
from typing import Any

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeScope
from llm_observatory.query import possible
from llm_observatory.query.measured import measured, measured_stream
from llm_observatory.query.records import FoundRows
from llm_observatory.query.time_range import HOUR, TimeRange
from llm_observatory.query.traces import attributes, graph, search, sums, whole
from llm_observatory.query.traces.attributes import Asked
from llm_observatory.query.traces.order import SpanKey
from llm_observatory.query.traces.search import Search, Summary
from llm_observatory.query.traces.selection import PLACE
from llm_observatory.query.traces.sums import Piece, Sums
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed, named
from llm_observatory.storage.read import Reader

NAME = "trace_repository"
_measured = measured(NAME)
_SQL = files(__package__) / "sql"
_BOUNDS = named(_SQL, "trace_bounds")
_SPANS = named(_SQL, "spans_of_trace").format(columns=whole.SPAN_COLUMNS)
_CONTENT = named(_SQL, "content_of_trace").format(columns=whole.CONTENT_COLUMNS)
_SERVICES = named(_SQL, "services")


class TraceRepository:
    """Reads what belongs to one tenant."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @measured_stream(NAME)
    async def trace(self, tenant: str, trace_id: bytes, *, content: bool) -> AsyncGenerator[FoundRows, None]:
        """All spans of a trace in the order of their start, each once; nothing when there is none.

        Two statements, one that says when it was and one within these times: as one join it takes ten times as long
        (docs/adr/0009).
        """
        of_trace: dict[str, object] = {"tenant": tenant, "trace_id": trace_id.hex()}
        async with self._reader.on_one_connection() as reader:
            [(first, last)] = await reader.rows(_BOUNDS, of_trace)
            if first is None:
                return
            parameters = {**of_trace, "first": first, "last": last}
            found = whole.batches(reader, _SPANS, _CONTENT if content else None, parameters, tenant)
            async with aclosing(found) as batches:
                async for batch in batches:
                    yield batch

    @_measured
    async def parts(self, tenant: str, within: TimeRange, filters: Sequence[AttributeFilter]) -> list[TimeRange]:
        """The parts of a range that can hold spans with these attributes, in the order of time."""
        groups = await possible.wanted(self._reader, tenant, PLACE, filters)
        return await possible.parts(self._reader, tenant, "traces", within, groups)

    @_measured
    async def search(self, asked: Search, after: SpanKey | None, limit: int) -> list[SpanKey]:
        """See `search.keys`."""
        return await search.keys(self._reader, asked, after, limit)

    @_measured
    async def summaries(self, asked: Search, found: Sequence[SpanKey]) -> dict[tuple[int, bytes, bytes], Summary]:
        """See `search.summaries`."""
        return await search.summaries(self._reader, asked, found)

    @_measured
    async def costs(self, asked: Search, found: Sequence[SpanKey]) -> dict[tuple[int, bytes, bytes], float]:
        """See `search.costs`."""
        return await search.costs(self._reader, asked, found)

    @_measured
    async def spans(self, asked: Search, found: Sequence[SpanKey]) -> dict[tuple[int, bytes, bytes], FoundRows]:
        """See `search.whole`."""
        return await search.whole(self._reader, asked, found)

    @_measured
    async def sums(
        self, tenant: str, wanted: Sums, cut: Sequence[Piece], conditions: Sequence[Composed], values: Values, limit: int
    ) -> list[tuple[Any, ...]]:
        """At most `limit` rows of bucket, keys and sums, those of most spans first."""
        most_first = SQL(", ").join([SQL("span_count DESC"), *(SQL("{}").format(SQL(key)) for key in wanted.keys)])
        statement = sums.statement(wanted, cut, conditions, values, most_first)
        return await self._reader.rows(statement, {**values.parameters, "tenant": tenant, "limit": limit})

    @_measured
    async def services(self, tenant: str, cut: Sequence[Piece], limit: int) -> list[tuple[str, int, int, int]]:
        """At most `limit` services by name: their spans, how many failed, and when the latest hour with one began."""
        values = Values(tenant=tenant, limit=None, most=limit)
        by_hour = Sums(("service_name",), ("span_count", "error_count"), HOUR)
        statement = _SERVICES.format(sums=sums.statement(by_hour, cut, [], values, SQL("bucket")))
        return await self._reader.rows(statement, values.parameters)

    @_measured
    async def metrics(
        self,
        tenant: str,
        wanted: Sums,
        cut: Sequence[Piece],
        conditions: Sequence[Composed],
        values: Values,
        quantiles: Sequence[float],
        limit: int,
    ) -> list[tuple[Any, ...]]:
        """At most `limit` rows in the order of time, as `sums`; the last of which, logarithmic buckets, as quantiles."""
        *others, buckets = (SQL(name) for name in (*wanted.keys, *wanted.sums))
        asked = [SQL("log_histogram_quantile({}, {})").format(buckets, values.add(quantile)) for quantile in quantiles]
        statement = SQL("SELECT {} FROM ({}) sums ORDER BY bucket").format(
            SQL(", ").join([SQL("bucket"), *others, *asked]),
            sums.statement(wanted, cut, conditions, values, SQL("bucket")),
        )
        return await self._reader.rows(statement, {**values.parameters, "tenant": tenant, "limit": limit})

    @_measured
    async def attribute_keys(self, tenant: str, asked: Asked) -> list[tuple[int, str | None, int, int]]:
        """See `attributes.keys`."""
        values = Values(tenant=tenant)
        statement = attributes.keys(asked, values)
        return await self._reader.rows(statement, values.parameters)

    @_measured
    async def attribute_values(
        self, tenant: str, key: str, scope: AttributeScope.ValueType, asked: Asked
    ) -> list[tuple[int, str | None, int]]:
        """See `attributes.values_of`."""
        values = Values(tenant=tenant)
        statement = attributes.values_of(key, scope, asked, values)
        return await self._reader.rows(statement, values.parameters)

    @_measured
    async def service_graph(self, tenant: str, within: TimeRange, service_name: str) -> list[tuple[Any, ...]]:
        """See `graph.edges`."""
        return await graph.edges(self._reader, tenant, within, service_name)
