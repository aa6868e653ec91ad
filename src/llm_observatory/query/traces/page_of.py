"""One page of a search as messages."""

from __future__ import annotations

from collections.abc import Sequence

from llm_observatory.api.v1.trace_query_service_pb2 import FoundSpan, SearchTracesResponse, SpanSummary
from llm_observatory.query.records import Room, Sources
from llm_observatory.query.traces.found import record
from llm_observatory.query.traces.order import SpanKey
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.search import Search, Summary

WHOLE_AT_ONCE = 20
"""Spans whose rows and content are held at a time."""


async def fill(
    answer: SearchTracesResponse, repository: TraceRepository, asked: Search, found: Sequence[SpanKey], *, whole: bool
) -> SpanKey | None:
    """Put spans into an answer, as many as a message has room for. Returns the last one that was looked at."""
    summaries = await repository.summaries(asked, found)
    costs = await repository.costs(asked, found)
    sources, room, last = Sources(), Room(), None
    for begin in range(0, len(found), WHOLE_AT_ONCE):
        some = found[begin : begin + WHOLE_AT_ONCE]
        rows = await repository.spans(asked, some) if whole else {}
        for key in some:
            summary = summaries.get(key.identity)
            if summary is not None:
                made, beside = FoundSpan(summary=_summary(key, summary, costs.get(key.identity))), 0
                if key.identity in rows:
                    sent = record(rows[key.identity])
                    made.span.CopyFrom(sent.record)
                    made.source_index = sources.index(sent.source)
                    beside = sent.source.ByteSize()
                if not room.take(made.ByteSize() + beside):
                    answer.sources.extend(sources.listed)
                    return last
                answer.spans.append(made)
            last = key
    answer.sources.extend(sources.listed)
    return last


def _summary(key: SpanKey, known: Summary, cost_usd: float | None) -> SpanSummary:
    given = {name: value for name, value in known._asdict().items() if value is not None}
    return SpanSummary(trace_id=key.trace_id, span_id=key.span_id, start_time_unix_nano=key.time, cost_usd=cost_usd, **given)
