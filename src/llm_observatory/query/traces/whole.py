"""A whole trace: its spans in the order of time, each with what was said in it, in batches that bound what is held."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from llm_observatory.codec.rows import Fields
from llm_observatory.query.records import FoundRows, columns, place, read_sources
from llm_observatory.storage.compose import Statement
from llm_observatory.storage.read import Parameters, Reader
from llm_observatory.tables import LLM_CONTENT, LLM_TRACES, TELEMETRY_SOURCES

SPANS_AT_ONCE = 500
CONTENT_AT_ONCE = 16
"""Rows of a fetch. A body may have a mebibyte."""

BATCH_BYTES = 1024 * 1024
BATCH_SPANS = 1000
"""A batch is given away when it is beyond one of these: a thousand spans are decoded in about 100 ms, beside the loop."""

_SPAN_ID, _TIME, _SOURCE_ID = (place(LLM_TRACES, op) for op in ("span.span_id", "span.start_us", "source.id"))
_CONTENT_TIME = place(LLM_CONTENT, "content.time_us")


class _Content:
    """Rows of content, which come in the order of time, by the time that they share with their span."""

    def __init__(self, rows: AsyncGenerator[list[Fields], None]) -> None:
        self._rows = rows
        self._ahead: list[Fields] = []
        self._time = -(2**63)
        self._of_time: list[Fields] = []

    async def at(self, time: int) -> list[Fields]:
        """Those of one moment; asked for moments in ascending order, the same one again or a later one."""
        if time == self._time:
            return self._of_time
        self._time, self._of_time = time, []
        while self._ahead or await self._read():
            while self._ahead:
                of_row = microseconds(self._ahead[-1][_CONTENT_TIME])
                if of_row > time:
                    return self._of_time
                row = self._ahead.pop()
                if of_row == time:
                    self._of_time.append(row)
        return self._of_time

    async def _read(self) -> bool:
        self._ahead = (await anext(self._rows, []))[::-1]
        return bool(self._ahead)


class _Batch:
    def __init__(self) -> None:
        self.rows: list[Fields] = []
        self.content: list[Fields] = []
        self.size = 0
        self._content_of: int | None = None

    @property
    def full(self) -> bool:
        return self.size >= BATCH_BYTES or len(self.rows) >= BATCH_SPANS

    def add(self, row: Fields, time: int, content: list[Fields]) -> None:
        self.rows.append(row)
        self.size += _size(row)
        if time != self._content_of:
            self._content_of = time
            self.content += content
            self.size += sum(map(_size, content))


async def batches(
    reader: Reader, spans: Statement, content: Statement | None, parameters: Parameters, tenant: str
) -> AsyncGenerator[FoundRows, None]:
    """The spans of a statement in its order, each id once, with their sources and the rows of content of theirs.

    90 bytes a span are held to know those that came before: 100,000 spans took 14 MB in all, 10,000 took 5.
    """
    seen: set[bytes | None] = set()
    sources: dict[bytes, Fields] = {}
    batch = _Batch()
    async with (
        aclosing(reader.stream(spans, parameters, SPANS_AT_ONCE)) as fetched,
        aclosing(reader.stream(content or spans, parameters, CONTENT_AT_ONCE)) as fetched_content,
    ):
        said = None if content is None else _Content(fetched_content)
        async for rows in fetched:
            missing = {row[_SOURCE_ID] or b"" for row in rows} - sources.keys()
            sources |= await read_sources(reader, tenant, missing)
            for row in rows:
                if row[_SPAN_ID] in seen:
                    continue
                seen.add(row[_SPAN_ID])
                time = microseconds(row[_TIME])
                batch.add(row, time, [] if said is None else await said.at(time))
                if batch.full:
                    yield FoundRows(batch.rows, {TELEMETRY_SOURCES.name: sources}, batch.content)
                    batch = _Batch()
    if batch.rows:
        yield FoundRows(batch.rows, {TELEMETRY_SOURCES.name: sources}, batch.content)


def microseconds(field: bytes | None) -> int:
    """What a field of timestamptz says, from 2000 on."""
    return int.from_bytes(field or b"", "big", signed=True)


def _size(row: Fields) -> int:
    return sum(len(field) for field in row if field is not None)


SPAN_COLUMNS, CONTENT_COLUMNS = columns(LLM_TRACES), columns(LLM_CONTENT)
