"""The pass behind ingest: traces of which spans have come are looked at as a whole, for a share of the time.

It decides again from all spans, and replaces what it decided before where that is another thing: doing it twice, after a crash,
or from nothing, gives the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from llm_observatory import metrics
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated
from llm_observatory.storage.turns import Hour, Turns
from llm_observatory.storage.usage_corrections import filing
from llm_observatory.storage.usage_corrections.decide import Decision, decide
from llm_observatory.storage.usage_corrections.spans import Span

_log = structlog.get_logger(__name__)

BUDGET_SECONDS = 6.0
"""Of a round, which is a minute: a tenth of one core at most."""

TRACES_AT_ONCE = 500
MAX_SPANS = 10_000
"""Of a trace. One of more is left as it is: its calls count as they say by themselves."""

REACH = timedelta(hours=1)
"""Spans of one call start within it. So a span may change what is decided of another one that is no further away, and decides
with what is no further away from that: nobody looks for a trace in all of the history."""

STATEMENT_TIMEOUT = "60s"
_HOUR = timedelta(hours=1)
_FILE = filing.statement()
_PENDING = "SELECT count(*) FROM usage_pending"

Decided = dict[UUID, set[Decision]]


class _Around(NamedTuple):
    """Traces of a tenant around an hour in which some of their spans have come."""

    tenant: str
    hour: datetime
    traces: list[UUID]

    def within(self, reach: timedelta) -> dict[str, Any]:
        """As parameters of a statement."""
        first, last = self.hour - reach, self.hour + _HOUR + reach
        return {"tenant": self.tenant, "traces": self.traces, "first": first, "last": last}


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
            claimed = await look_at(connection, hour.tenant, hour.hour)
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


async def look_at(connection: AsyncConnection, tenant: str, hour: datetime) -> int:
    """Decide some of the traces that wait of an hour, in a transaction. Returns how many they were."""
    async with connection.transaction():
        await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        # Two that looked at the same trace, around two hours, would both file its corrections.
        await transaction_lock(connection, Lock.USAGE_CORRECTIONS)
        claim = {"tenant": tenant, "hour": hour, "limit": TRACES_AT_ONCE}
        claimed = await (await connection.execute(statement("claim_usage_pending").encode(), claim)).fetchall()
        around = _Around(tenant, hour, [trace_id for (trace_id,) in claimed])
        if around.traces:
            await _correct(connection, around)
    return len(claimed)


async def _correct(connection: AsyncConnection, around: _Around) -> None:
    asked = around.within(2 * REACH)
    several = await (
        await connection.execute(statement("traces_of_several_calls").encode(), {**asked, "most": MAX_SPANS})
    ).fetchall()
    large = {trace_id for trace_id, fits in several if not fits}
    if large:
        _log.warning(
            "traces of too many spans are counted as they are", tenant=around.tenant, traces=len(large), spans=MAX_SPANS
        )
    chosen = [trace_id for trace_id, fits in several if fits]
    spans = await _spans(connection, {**asked, "traces": chosen}) if chosen else {}
    decided = await asyncio.to_thread(_decide, spans, around.within(REACH))
    await _replace(connection, around._replace(traces=[trace for trace in around.traces if trace not in large]), decided)


async def _spans(connection: AsyncConnection, asked: Mapping[str, Any]) -> dict[UUID, list[Span]]:
    found: dict[UUID, list[Span]] = defaultdict(list)
    cursor = await connection.execute(statement("spans_of_traces").encode(), asked)
    for trace_id, span_id, parent, start, duration, role, models, response_id, tokens, detail in await cursor.fetchall():
        begin = int(start)
        end = None if duration is None else begin + duration
        names = frozenset(name for name in models if name)
        found[trace_id].append(Span(span_id, parent, begin, end, role, names, response_id, tuple(tokens), detail))
    return found


def _decide(spans: Mapping[UUID, Sequence[Span]], within: Mapping[str, Any]) -> Decided:
    """Of spans that start in a range."""
    first, last = (int(within[name].timestamp()) * 1_000_000_000 for name in ("first", "last"))
    found: Decided = {}
    for trace_id, trace in spans.items():
        there = {span.span_id for span in trace if first <= span.start < last}
        found[trace_id] = {decision for decision in decide(trace) if decision.span_id in there}
    return found


async def _replace(connection: AsyncConnection, around: _Around, decided: Decided) -> None:
    """Have what was decided, and nothing else, of the spans around that hour."""
    cursor = await connection.execute(statement("known_usage_corrections").encode(), around.within(REACH))
    known: Decided = defaultdict(set)
    for trace_id, *decision in await cursor.fetchall():
        known[trace_id].add(Decision(*decision))
    gone = [(trace, decision) for trace, old in known.items() for decision in old - decided.get(trace, set())]
    new = [(trace, decision) for trace, now in decided.items() for decision in now - known.get(trace, set())]
    if gone or new:
        # What is new may stand in an hour that nobody looked at: where a client uses its ids again.
        dropped = {"tenant": around.tenant, **_columns(gone + new)}
        await connection.execute(statement("drop_usage_corrections").encode(), dropped)
    if new:
        await connection.execute(_FILE, {**around.within(2 * REACH), **_columns(new)})


def _columns(rows: Iterable[tuple[UUID, Decision]]) -> dict[str, list[Any]]:
    listed = sorted(rows, key=lambda row: (row[0], row[1].span_id))
    return {
        "traces": [trace_id for trace_id, _ in listed],
        "spans": [decision.span_id for _, decision in listed],
        "verdicts": [decision.verdict for _, decision in listed],
        "others": [decision.other for _, decision in listed],
    }
