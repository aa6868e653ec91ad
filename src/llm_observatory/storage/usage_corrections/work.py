"""The pass behind ingest: traces of which spans have come are looked at as a whole, for a share of the time.

It decides again from all spans, and replaces what it decided before where that is another thing: doing it twice, after a crash,
or from nothing, gives the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from llm_observatory import metrics
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.in_place import all_in_place
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated
from llm_observatory.storage.turns import Hour, Turns
from llm_observatory.storage.usage_corrections.around import REACH, Around
from llm_observatory.storage.usage_corrections.decide import decide
from llm_observatory.storage.usage_corrections.replace import Decided, replace
from llm_observatory.storage.usage_corrections.spans import Span
from llm_observatory.tables import LLM_TRACES

_log = structlog.get_logger(__name__)

BUDGET_SECONDS = 6.0
"""Of a round, which is a minute: a tenth of one core at most."""

TRACES_AT_ONCE = 500
SPANS_AT_ONCE = 20_000
"""Of traces that are decided together: about 35 MB of objects."""
ROWS_AT_ONCE = 500
"""Read at once, which the event loop does: a millisecond or two."""
MAX_SPANS = 10_000
"""Of a trace. One of more is left as it is: its calls count as they say by themselves."""

STATEMENT_TIMEOUT = "60s"
_PENDING = "SELECT count(*) FROM usage_pending"


async def work_off(connection: AsyncConnection, oldest: datetime, turns: Turns | None = None) -> int:
    """Look at traces that changed, for BUDGET_SECONDS at most; forget what lies before `oldest`. Returns how many were seen.

    `turns`: those of the rounds before. Raises StorageError; of an hour whose traces cannot be corrected after all others.
    """
    deadline = time.monotonic() + BUDGET_SECONDS
    seen = 0

    async def work(hour: Hour) -> None:
        nonlocal seen
        claimed = TRACES_AT_ONCE
        while claimed == TRACES_AT_ONCE and time.monotonic() < deadline:
            claimed = await look_at(connection, hour.tenant, hour.hour, deadline)
            seen += claimed

    with translated():
        await connection.execute(statement("forget_usage_pending").encode(), {"oldest": oldest})
        found = await (await connection.execute(statement("pending_usage_hours").encode())).fetchall()
        hours = [Hour(tenant, "traces", hour) for tenant, hour in found]
        failure = await (turns or Turns()).work_off(connection, "usage corrections", hours, work, deadline=deadline)
        row = await (await connection.execute(_PENDING)).fetchone()
        metrics.USAGE_PENDING_TRACES.set(row[0] if row else 0)
    if failure is not None:
        raise failure
    return seen


async def look_at(connection: AsyncConnection, tenant: str, hour: datetime, deadline: float) -> int:
    """Decide some of the traces that wait of an hour, in a transaction, until `deadline` (time.monotonic). Returns how many.

    While spans stand aside, to be moved to TimescaleDB, none: they wait for these.
    """
    async with connection.transaction():
        await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        # Two that looked at the same trace, around two hours, would both file its corrections.
        await transaction_lock(connection, Lock.USAGE_CORRECTIONS)
        if not await all_in_place(connection, LLM_TRACES.name):
            return 0
        claim = {"tenant": tenant, "hour": hour, "limit": TRACES_AT_ONCE}
        claimed: dict[UUID, datetime] = dict(
            await (await connection.execute(statement("claim_usage_pending").encode(), claim)).fetchall()
        )
        left = await _correct(connection, Around(tenant, hour, list(claimed)), deadline) if claimed else []
        if left:
            back = {"traces": left, "since": [claimed[trace_id] for trace_id in left]}
            await connection.execute(statement("put_back_usage_pending").encode(), {"tenant": tenant, "hour": hour, **back})
    return len(claimed) - len(left)


async def _correct(connection: AsyncConnection, around: Around, deadline: float) -> list[UUID]:
    """Decide traces, until `deadline`. Returns those that are left."""
    sizes: dict[UUID, int] = dict(
        await (await connection.execute(statement("traces_of_several_calls").encode(), around.within(2 * REACH))).fetchall()
    )
    large = {trace_id for trace_id, spans in sizes.items() if spans > MAX_SPANS}
    if large:
        _log.warning(
            "traces of too many spans are counted as they are", tenant=around.tenant, traces=len(large), spans=MAX_SPANS
        )
    await replace(connection, around._replace(traces=[trace for trace in around.traces if trace not in sizes]), {})
    parts = list(_parts([trace for trace in sizes if trace not in large], sizes))
    for place, part in enumerate(parts):
        if place and time.monotonic() > deadline:
            return [trace for later in parts[place:] for trace in later]
        some = around._replace(traces=part)
        spans = await _spans(connection, some.within(2 * REACH))
        await replace(connection, some, await asyncio.to_thread(_decide, spans, some.within(REACH)))
    return []


def _parts(traces: Iterable[UUID], sizes: Mapping[UUID, int]) -> Iterator[list[UUID]]:
    """Traces together as far as they have no more than SPANS_AT_ONCE spans."""
    part: list[UUID] = []
    spans = 0
    for trace in traces:
        if part and spans + sizes[trace] > SPANS_AT_ONCE:
            yield part
            part, spans = [], 0
        part.append(trace)
        spans += sizes[trace]
    if part:
        yield part


async def _spans(connection: AsyncConnection, asked: Mapping[str, Any]) -> dict[UUID, list[Span]]:
    found: dict[UUID, list[Span]] = defaultdict(list)
    async with connection.cursor("spans") as cursor:
        await cursor.execute(statement("spans_of_traces").encode(), asked)
        while rows := await cursor.fetchmany(ROWS_AT_ONCE):
            await asyncio.to_thread(_add, found, rows)
    return found


def _add(found: dict[UUID, list[Span]], rows: Iterable[tuple[Any, ...]]) -> None:
    for trace_id, span_id, parent, start, duration, role, models, response_id, tokens, detail in rows:
        begin = int(start)
        end = None if duration is None else begin + duration
        names = frozenset(name for name in models if name)
        found[trace_id].append(Span(span_id, parent, begin, end, role, names, response_id, tuple(tokens), detail))


def _decide(spans: Mapping[UUID, Sequence[Span]], within: Mapping[str, Any]) -> Decided:
    """Of spans that start in a range."""
    first, last = (int(within[name].timestamp()) * 1_000_000_000 for name in ("first", "last"))
    found: Decided = {}
    for trace_id, trace in spans.items():
        there = {span.span_id for span in trace if first <= span.start < last}
        found[trace_id] = {decision for decision in decide(trace) if decision.span_id in there}
    return found
