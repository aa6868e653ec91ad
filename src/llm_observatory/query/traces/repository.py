"""Spans from the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.resources import files

from llm_observatory.query.measured import measured_stream
from llm_observatory.query.traces import whole
from llm_observatory.query.traces.found import FoundRows
from llm_observatory.storage.compose import named
from llm_observatory.storage.read import Reader

NAME = "trace_repository"
_SQL = files(__package__) / "sql"
_BOUNDS = named(_SQL, "trace_bounds")
_SPANS = named(_SQL, "spans_of_trace").format(columns=whole.SPAN_COLUMNS)
_CONTENT = named(_SQL, "content_of_trace").format(columns=whole.CONTENT_COLUMNS)


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
