"""VACUUM, ANALYZE and REINDEX of one table at a time. All but VACUUM FULL goes on beside readers and COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated
from llm_observatory.storage.upkeep.relations import Relation

# What REINDEX CONCURRENTLY leaves behind when it is broken off is named so (PostgreSQL's manual, REINDEX).
_INVALID = """
SELECT n.nspname, i.relname, i.relname ~ '_cc(new|old)[0-9]*$'
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE NOT x.indisvalid AND i.relkind = 'i' AND x.indrelid = ANY(%s::oid[])
ORDER BY 1, 2
"""


class InvalidIndex(NamedTuple):
    """An index that no query uses and every COPY keeps up: what a broken-off CREATE or REINDEX … CONCURRENTLY left."""

    schema: str
    name: str
    leftover: bool
    """Of REINDEX: the index that it was to replace is there. Otherwise it is the index, and has to be built again."""


async def vacuum(connection: AsyncConnection, relation: Relation, *, full: bool) -> None:
    """Make the room of dead rows usable again, gather statistics; `full`: give it back to the disk, with the table locked."""
    how = "FULL, ANALYZE" if full else "ANALYZE"
    await _run(connection, sql.SQL(f"VACUUM ({how}) {{}}").format(relation.identifier))


async def analyze(connection: AsyncConnection, relation: Relation) -> None:
    """Gather the statistics that plans are made by."""
    await _run(connection, sql.SQL("ANALYZE {}").format(relation.identifier))


async def reindex(connection: AsyncConnection, relation: Relation) -> None:
    """Build every index of a table anew beside the old one."""
    await _run(connection, sql.SQL("REINDEX TABLE CONCURRENTLY {}").format(relation.identifier))


async def invalid_indexes(connection: AsyncConnection, relations: Sequence[Relation]) -> list[InvalidIndex]:
    """Those of `relations`, also what another session is building now: that one holds a lock. Raises StorageError."""
    with translated():
        cursor = await connection.execute(_INVALID, [[relation.oid for relation in relations]])
        return [InvalidIndex(*row) for row in await cursor.fetchall()]


async def mend(connection: AsyncConnection, index: InvalidIndex) -> None:
    """Drop a leftover, build what is needed again."""
    how = "DROP INDEX CONCURRENTLY {}" if index.leftover else "REINDEX INDEX CONCURRENTLY {}"
    await _run(connection, sql.SQL(how).format(sql.Identifier(index.schema, index.name)))


async def _run(connection: AsyncConnection, statement: sql.Composed) -> None:
    with translated():
        await connection.execute(statement)
