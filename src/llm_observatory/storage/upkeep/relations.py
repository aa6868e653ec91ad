"""Our tables as PostgreSQL has them: partitions and chunks, each with its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.rollups.sql import state_table
from llm_observatory.storage.translate import translated
from llm_observatory.tables import PARTITIONED, ROLLUP_VIEWS, TABLES

# A hypertable is a table of its own as well, with no rows.
_LEAVES = """
WITH RECURSIVE tree AS (
    SELECT to_regclass(quote_ident(name))::oid AS oid, name AS root FROM unnest(%(tables)s::text[]) AS name
    UNION ALL
    SELECT inhrelid, root FROM tree JOIN pg_inherits ON inhparent = tree.oid
)
SELECT n.nspname, c.relname, c.oid::int8, pg_total_relation_size(c.oid)
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND NOT (tree.root = c.relname AND tree.root = ANY(%(parents)s::text[]))
ORDER BY tree.root, c.relname
"""

_ROOTS = """
SELECT n.nspname, c.relname, c.oid::int8, pg_total_relation_size(c.oid)
FROM unnest(%s::text[]) WITH ORDINALITY AS given (name, place)
JOIN pg_class c ON c.oid = to_regclass(quote_ident(given.name)) JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY given.place
"""


class Relation(NamedTuple):
    """A table, as a whole or one of its partitions or chunks."""

    schema: str
    name: str
    oid: int
    size: int
    """Bytes, with indexes and TOAST."""

    @property
    def identifier(self) -> sql.Identifier:
        """As SQL names it."""
        return sql.Identifier(self.schema, self.name)


def declared() -> tuple[str, ...]:
    """Every table that may be worked on, by the names that operators use; not all are there on every engine."""
    return (*(table.name for table in TABLES), *(state_table(view) for view in ROLLUP_VIEWS))


async def roots(connection: AsyncConnection, tables: Sequence[str]) -> list[Relation]:
    """Those of `tables` that this database has, each as a whole. Raises StorageError."""
    with translated():
        return [Relation(*row) for row in await (await connection.execute(_ROOTS, [list(tables)])).fetchall()]


async def leaves(connection: AsyncConnection, tables: Sequence[str]) -> list[Relation]:
    """The partitions, chunks or the table itself, of each of `tables`. Raises StorageError."""
    with translated():
        cursor = await connection.execute(_LEAVES, {"tables": list(tables), "parents": list(PARTITIONED)})
        return [Relation(*row) for row in await cursor.fetchall()]
