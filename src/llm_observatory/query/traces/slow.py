"""How long the slowest spans take at least, by the rollups: of a day's spans few are left to be sorted then."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from llm_observatory.query.conditions import also
from llm_observatory.query.time_range import HOUR, TimeRange
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import Composed, named
from llm_observatory.storage.read import Reader

UNSETTLED = 2 * HOUR
"""At the end of a range: what a rollup does not have yet, its view computes from rows."""
WORTH_ASKING = 4 * HOUR
"""Of a shorter range all spans are sorted."""

_NS_PER_MS = 1_000_000
_SLOW = named(files(__package__) / "sql", "slow_at_least")


async def floor_ns(
    reader: Reader, tenant: str, within: TimeRange, conditions: Sequence[Composed], values: Values, limit: int
) -> int | None:
    """A duration that `limit` spans of the range reach, as far as the rollups know; None where they do not know of so many.

    No more than a guess: they may count what came late not yet, or what expired still. `conditions` are of their columns.
    """
    hours = TimeRange(-(-within.start // HOUR) * HOUR, (within.end - UNSETTLED) // HOUR * HOUR)
    if hours.end - hours.start < WORTH_ASKING:
        return None
    parameters = {**values.parameters, **hours.parameters, "tenant": tenant, "limit": limit}
    rows = await reader.rows(_SLOW.format(conditions=also(conditions)), parameters)
    # Rounded to a double: one nanosecond less, or the span itself would fall out.
    return int(rows[0][0] * _NS_PER_MS) - 1 if rows else None
