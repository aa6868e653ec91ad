"""What was decided takes the place of what was decided before: as little as possible is dropped and filed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.statements import statement
from llm_observatory.storage.usage_corrections import filing
from llm_observatory.storage.usage_corrections.around import REACH, Around
from llm_observatory.storage.usage_corrections.decide import Decision

ROWS_AT_ONCE = 500
"""Written at once: the event loop makes them parameters."""

_FILE = filing.statement()

Decided = dict[UUID, set[Decision]]
_Row = tuple[UUID, Decision]


async def replace(connection: AsyncConnection, around: Around, decided: Decided) -> None:
    """Have what was decided, and nothing else, of the spans around that hour."""
    cursor = await connection.execute(statement("known_usage_corrections").encode(), around.within(REACH))
    gone, new = await asyncio.to_thread(_changes, await cursor.fetchall(), decided)
    # What is new may stand in an hour that nobody looked at: where a client uses its ids again.
    for rows in _slices(gone + new):
        await connection.execute(statement("drop_usage_corrections").encode(), {"tenant": around.tenant, **_columns(rows)})
    for rows in _slices(new):
        await connection.execute(_FILE, {**around.within(2 * REACH), **_columns(rows)})


def _changes(known: Iterable[tuple[Any, ...]], decided: Decided) -> tuple[list[_Row], list[_Row]]:
    """What is to be dropped of what is known, and what is to be filed."""
    before: Decided = defaultdict(set)
    for trace_id, *decision in known:
        before[trace_id].add(Decision(*decision))
    gone = [(trace, decision) for trace, old in before.items() for decision in old - decided.get(trace, set())]
    new = [(trace, decision) for trace, now in decided.items() for decision in now - before.get(trace, set())]
    return sorted(gone, key=_key), sorted(new, key=_key)


def _key(row: _Row) -> tuple[UUID, bytes]:
    return row[0], row[1].span_id


def _slices(rows: list[_Row]) -> Iterator[list[_Row]]:
    return (rows[begin : begin + ROWS_AT_ONCE] for begin in range(0, len(rows), ROWS_AT_ONCE))


def _columns(rows: Iterable[_Row]) -> dict[str, list[Any]]:
    return {
        "traces": [trace_id for trace_id, _ in rows],
        "spans": [decision.span_id for _, decision in rows],
        "verdicts": [decision.verdict for _, decision in rows],
        "others": [decision.other for _, decision in rows],
    }
