"""docs/reference/schema.md, of the declarations in `tables/`."""

from __future__ import annotations

from collections.abc import Iterator

from llm_observatory.tables import ROLLUPS, TABLES, Column, Table
from llm_observatory.tables.rollups import Rollup, RollupColumn

_HEAD = """\
# Tables: reference

Made from `tables/` by `make reference`, and compared with it by `make check`; a database is compared with the same
declarations by `migrate verify`. How to read them, views and examples: [schema.md](../schema.md).

| table | one row per | kept for |
|---|---|---|
"""

_FILLED = """
Where a column says which attributes fill it, the first that a span has does; those of the OpenTelemetry conventions come first.
"""

_COLUMNS = """
| column | type | NULL | meaning |
|---|---|---|---|
"""

_ROLLUPS = """
## Rollups

`tenant` and `bucket`, the start of the hour or day of UTC, come first. What is summed can be summed again; a percentile
cannot. [How they are to be read](../schema.md#rollups).
"""

_SUMS = """
| column | type | is | of the rows |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    index = (f"| [`{table.name}`](#{table.name}) | {table.one_row_per} | {_kept(table)} |\n" for table in TABLES)
    tables = (part for table in TABLES for part in _table(table))
    rollups = (part for rollup in ROLLUPS for part in _rollup(rollup))
    return "".join([_HEAD, *index, _FILLED, *tables, _ROLLUPS, *rollups])


def _kept(table: Table) -> str:
    setting = f"`{table.kept_for.upper()}`" if table.kept_for else ""
    return "; ".join(part for part in (setting, table.kept) if part)


def _table(table: Table) -> Iterator[str]:
    yield f"\n## {table.name}\n"
    yield _COLUMNS
    for column in table.columns:
        null = "yes" if column.nullable else ""
        yield f"| `{column.name}` | {column.type} | {null} | {column.description}{_filled(column)} |\n"


def _filled(column: Column) -> str:
    """The attributes that fill it, in their order of precedence."""
    ops = (column.op, *(alias.op for alias in column.aliases))
    attributes = [op.split(":", 1)[1].rsplit(":", 1)[0] for op in ops if ":" in op]
    return f". Filled by {', '.join(f'`{name}`' for name in attributes)}" if attributes else ""


def _rollup(rollup: Rollup) -> Iterator[str]:
    condition = f", those with `{rollup.where}`" if rollup.where else ""
    names = " and ".join(f"`{rollup.name}_{grain}`" for grain in rollup.grains)
    yield f"\n### {rollup.name}\n\n{names}, of rows of `{rollup.source}`{condition}.\n"
    yield _SUMS
    for kind, columns in (("key", rollup.keys), ("sum", rollup.state), ("derived", rollup.derived)):
        yield from (_rollup_row(kind, column) for column in columns)


def _rollup_row(kind: str, column: RollupColumn) -> str:
    # What a derived column is made of stands in braces there: columns of the rollup itself.
    said = column.raw.replace("{", "").replace("}", "").replace("|", "\\|")
    return f"| `{column.name}` | {column.type} | {kind} | `{said}` |\n"
