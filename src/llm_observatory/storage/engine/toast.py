"""lz4 for large columns, where this PostgreSQL was built with it.

3.5 KB of text a span: 7.5 k spans/s with pglz, 13 k with lz4. It cannot stand in a migration: the embedded PostgreSQL has no
lz4. New partitions and chunks take it over from their parent; values that are stored already stay as they are.
"""

from __future__ import annotations

from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.each import each
from llm_observatory.storage.engine.protocol import LOCK_TIMEOUT
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.translate import translated
from llm_observatory.tables import TABLES

_METHOD = "lz4"

_HAS_LZ4 = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"

_UNSET = """
SELECT n.nspname, c.relname, array_agg(a.attname::text)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
WHERE (c.oid = to_regclass(%(table)s)
       OR %(partitions)s AND c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%(table)s)))
  AND a.attname = ANY(%(columns)s) AND a.attcompression <> 'l'
GROUP BY 1, 2, c.relispartition
ORDER BY c.relispartition, 2
"""


async def compress_documents(connection: AsyncConnection, *, partitions: bool) -> list[str]:
    """Set lz4 on every column of role `document`. Returns what was changed; of a busy table StorageUnavailable, at the end.

    `partitions`: they are looked at one by one. Chunks are not: a hypertable hands down what is set on it, and takes no ONLY.
    """
    with translated():
        cursor = await connection.execute(_HAS_LZ4)
        if await cursor.fetchone() != (True,):
            return []
    documents = {table.name: [column.name for column in table.columns if column.role == "document"] for table in TABLES}
    changed: list[str] = []

    async def compress(table: str) -> None:
        await _compress(connection, table, documents[table], changed, partitions=partitions)

    await each(connection, "compression", [table for table, columns in documents.items() if columns], compress)
    return changed


async def _compress(
    connection: AsyncConnection, table: str, documents: list[str], changed: list[str], *, partitions: bool
) -> None:
    """The table and its partitions, one by one; what was changed goes to `changed`, also when it fails later."""
    cursor = await connection.execute(_UNSET, {"table": table, "columns": documents, "partitions": partitions})
    for schema, name, columns in await cursor.fetchall():
        # ACCESS EXCLUSIVE, for an instant and on this table only: lock_timeout bounds how long others queue behind it.
        async with connection.transaction():
            await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            await transaction_lock(connection, Lock.RECONCILE)
            await connection.execute(
                sql.SQL("ALTER TABLE {} {} {}").format(
                    sql.SQL("ONLY" if partitions else ""),
                    sql.Identifier(schema, name),
                    sql.SQL(", ").join(
                        sql.SQL("ALTER COLUMN {} SET COMPRESSION {}").format(sql.Identifier(column), sql.Identifier(_METHOD))
                        for column in columns
                    ),
                )
            )
        changed += [f"{name}.{column}: {_METHOD}" for column in columns]
