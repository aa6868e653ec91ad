"""Whether the rows of a table are where its name leads: while they are moved to TimescaleDB some stand aside."""

from __future__ import annotations

from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.names import aside


async def all_in_place(connection: AsyncConnection, table: str) -> bool:
    """Whether none stands aside; if so it stays so until the open transaction ends. A table in use raises LockNotAvailable.

    What judges by all rows of a time asks this first: it would find none, and nobody would judge again.
    """
    # The swap waits for it. Of the parent alone: whoever swaps locks that first, and a year has hundreds of partitions.
    await connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(sql.Identifier(table)))
    return await (await connection.execute("SELECT to_regclass(%s) IS NULL", [aside(table)])).fetchone() == (True,)
