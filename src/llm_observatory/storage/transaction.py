"""A write transaction of ours: its settings, a COMMIT that is one, and nothing left open behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.pq import TransactionStatus

from llm_observatory.errors import StorageUnavailable
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.script import Step

LOCK_TIMEOUT = "1s"

BEGIN = (
    "BEGIN;"
    " SET LOCAL synchronous_commit = on;"
    f" SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';"
    " SET LOCAL statement_timeout = '15s';"
    " SET LOCAL idle_in_transaction_session_timeout = '10s'"
)
"""One round trip. SET LOCAL, because behind a transaction pooler the session belongs to nobody."""


COMMIT = Step("COMMIT")


@asynccontextmanager
async def transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """Run the block in a write transaction; rolled back when it raises. Raises StorageUnavailable when COMMIT was none."""
    try:
        await connection.execute(BEGIN)
        yield
        await commit(connection)
    finally:
        await rollback(connection)


async def commit(connection: AsyncConnection) -> None:
    """COMMIT. Raises StorageUnavailable when it was none."""
    committed((await connection.execute(COMMIT.sql)).statusmessage)


def committed(command_tag: str | None) -> None:
    """Make sure that a COMMIT was one: of a failed transaction PostgreSQL makes a ROLLBACK without an error."""
    if command_tag != COMMIT.sql:
        message = "the transaction was rolled back"
        raise StorageUnavailable(message)


async def rollback(connection: AsyncConnection) -> None:
    """Roll back what is open; nothing if nothing is."""
    if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
        await connection.rollback()
