"""Which service calls which: entry spans, and the spans of other services that are their parents."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from typing import Any

from llm_observatory.query.time_range import TimeRange
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, named
from llm_observatory.storage.read import Reader

SAMPLED_SPANS = 200_000
MAX_EDGES = 1000
PARENT_BEFORE = timedelta(hours=1)
PARENT_AFTER = timedelta(minutes=1)
"""Clocks differ."""

_SQL = files(__package__) / "sql"
_SINCE, _GRAPH = named(_SQL, "called_since"), named(_SQL, "service_graph")


async def edges(reader: Reader, tenant: str, within: TimeRange, service_name: str) -> list[tuple[Any, ...]]:
    """Rows of spans looked at, client, server, calls, errors, quantiles (milliseconds); client NULL when there is none.

    Two statements: since when the newest 200,000 calls were bounds where their parents are looked for.
    """
    parameters: dict[str, object] = {"tenant": tenant, "sample": SAMPLED_SPANS, **within.parameters}
    [(since,)] = await reader.rows(_SINCE, parameters)
    if since is None:
        return []
    values = Values(**parameters)
    conditions = [SQL(" AND {}").format(condition) for condition in within.exact(values)]
    until: Any = within.parameters["end_time"]
    bounds = {"start_time": since, "parents_since": since - PARENT_BEFORE, "parents_until": until + PARENT_AFTER}
    return await reader.rows(
        _GRAPH.format(conditions=SQL("").join(conditions)),
        {**values.parameters, **bounds, "service_name": service_name, "limit": MAX_EDGES},
    )
