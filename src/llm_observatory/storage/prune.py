"""What is deleted row by row: old entries of ledger, usage corrections, rollups, log feed, dead letters, and dimensions.

In small batches, each a transaction: a retry whose ledger row is being deleted waits for one batch at most.
"""

from __future__ import annotations

from datetime import date, datetime

from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated
from llm_observatory.tables import DEAD_LETTERS, Table

BATCH_ROWS = 5_000
MAX_BATCHES = 100
"""A round's share; the next goes on. A round deletes what 8,000 requests/s leave in a minute."""

FORGET_TIMEOUT = "10min"
"""Of a batch of dimensions: they have no index by day, which every upsert of a day would have to keep."""

MAX_DEAD_LETTERS = 10_000
MAX_DEAD_LETTER_BYTES = 1024**3


def arrival(table: Table) -> str:
    """The column that says when a row came in."""
    for column in table.columns:
        if column.op == "request.received_at" or (column.op == "none" and column.role == "time"):
            return column.name
    raise KeyError(table.name)


async def delete_before(connection: AsyncConnection, table: Table, horizon: datetime) -> int:
    """Delete the rows of `table` that came in before `horizon`, MAX_BATCHES at most. Returns how many."""
    statement = sql.SQL(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {arrival} < %s LIMIT %s))"
    ).format(table=sql.Identifier(table.name), arrival=sql.Identifier(arrival(table)))
    deleted, _ = await in_batches(connection, statement, horizon)
    return deleted


async def in_batches(connection: AsyncConnection, statement: sql.Composed | bytes, horizon: datetime) -> tuple[int, bool]:
    """Run `statement`, a DELETE of what came before %s and of %s rows at most, MAX_BATCHES times at most.

    Returns how many rows went, and whether none is left.
    """
    deleted = 0
    with translated():
        for _ in range(MAX_BATCHES):
            cursor = await connection.execute(statement, [horizon, BATCH_ROWS])
            deleted += cursor.rowcount
            if cursor.rowcount < BATCH_ROWS:
                return deleted, True
    return deleted, False


async def forget(connection: AsyncConnection, table: Table, day: date) -> int:
    """Delete the rows of the dimension `table` that no request named since the end of the day before `day`, as `delete_before`.

    One that a committer is naming again, which moves its day, is passed over: neither waits for the other, beyond a batch.
    """
    statement = sql.SQL(
        "DELETE FROM {table} WHERE {day} < %(day)s AND ctid = ANY(ARRAY("
        "SELECT ctid FROM {table} WHERE {day} < %(day)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED))"
    ).format(
        table=sql.Identifier(table.name),
        day=sql.Identifier(next(column.name for column in table.columns if column.op == "request.received_date")),
    )
    deleted = 0
    with translated():
        for _ in range(MAX_BATCHES):
            async with connection.transaction():
                await connection.execute("SELECT set_config('statement_timeout', %s, true)", [FORGET_TIMEOUT])
                cursor = await connection.execute(statement, {"day": day, "limit": BATCH_ROWS})
            deleted += cursor.rowcount
            if cursor.rowcount < BATCH_ROWS:
                break
    return deleted


async def cap_dead_letters(
    connection: AsyncConnection, max_rows: int = MAX_DEAD_LETTERS, max_bytes: int = MAX_DEAD_LETTER_BYTES
) -> int:
    """Keep the newest dead letters, at most so many and so large (before compression). Returns how many went."""
    payload = next(column.name for column in DEAD_LETTERS.columns if column.role == "document")
    statement = sql.SQL(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ("
        "SELECT ctid, row_number() OVER newest AS rows, sum(octet_length({payload})) OVER newest AS bytes FROM {table} "
        "WINDOW newest AS (ORDER BY {arrival} DESC, ctid DESC ROWS UNBOUNDED PRECEDING)"
        ") AS ranked WHERE rows > %s OR bytes > %s))"
    ).format(
        table=sql.Identifier(DEAD_LETTERS.name),
        payload=sql.Identifier(payload),
        arrival=sql.Identifier(arrival(DEAD_LETTERS)),
    )
    with translated():
        return (await connection.execute(statement, [max_rows, max_bytes])).rowcount
