"""Which hours a filter says cannot hold what is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from llm_observatory.storage.compose import SQL, Composed, Placeholder, named
from llm_observatory.storage.read import Reader
from llm_observatory.storage.search_filters.bloom import HASHES, steps
from llm_observatory.storage.search_filters.entries import Entry

_HOURS_WITHOUT = named(files("llm_observatory.storage") / "sql", "hours_without")


async def absent_hours(
    reader: Reader, tenant: str, signal: str, first: datetime, last: datetime, wanted: Sequence[Sequence[Entry]]
) -> set[datetime]:
    """The beginnings of hours between two moments that hold no record with one of each of the `wanted` groups of entries."""
    if not wanted or not all(wanted):
        return set()
    parameters: dict[str, object] = {"tenant": tenant, "signal": signal, "first": first, "last": last}
    groups = [SQL(" OR ").join([_holds(entry, parameters) for entry in group]) for group in wanted]
    statement = _HOURS_WITHOUT.format(holds=SQL("({})").format(SQL(") AND (").join(groups)))
    return {hour for (hour,) in await reader.rows(statement, parameters)}


def _holds(entry: Entry, parameters: dict[str, object]) -> Composed:
    """All its bits are set. Each test reads one byte of a filter, and the first that fails ends it."""
    first, step = steps(entry)
    tests = []
    for number in range(HASHES):
        name = f"p{len(parameters)}"
        parameters[name] = first + number * step
        place = SQL("mod({}::int8, octet_length(bits) * 8)").format(Placeholder(name))
        tests.append(SQL("get_byte(substr(bits, ({0} / 8)::int + 1, 1), 0) >> mod({0}, 8)::int & 1 = 1").format(place))
    return SQL("({})").format(SQL(" AND ").join(tests))
