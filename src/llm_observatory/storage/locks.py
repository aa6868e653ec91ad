"""Advisory locks of ours: which exist, and how they are taken. They are per database and leave with their connection."""

from __future__ import annotations

from enum import IntEnum

from llm_observatory.storage.connection import AsyncConnection

# "LLM" in the upper half keeps the keys apart from those of others in the same database.
_NAMESPACE = 0x4C4C4D << 32


class Lock(IntEnum):
    """What a lock stands for."""

    MAINTENANCE = _NAMESPACE | 1
    """Session lock: of all processes one runs the maintenance loop."""
    RECONCILE = _NAMESPACE | 2
    """Transaction lock: settings are applied to one table by one process at a time."""
    ROLLUPS = _NAMESPACE | 3
    """Transaction lock: one at a time computes an hour of the rollup tables, or files which hours changed."""
    MOVE = _NAMESPACE | 4
    """Session lock: one process moves partitions to TimescaleDB."""
    USAGE_CORRECTIONS = _NAMESPACE | 5
    """Transaction lock: one at a time decides which spans of traces count otherwise than they say."""


async def try_session_lock(connection: AsyncConnection, lock: Lock) -> bool:
    """Take `lock` for as long as `connection` lives; False when another connection holds it.

    Not through a transaction pooler: it would give the server connection, and the lock, to somebody else.
    """
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [int(lock)])
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def release_session_lock(connection: AsyncConnection, lock: Lock) -> None:
    """Give `lock` back before the connection ends."""
    await connection.execute("SELECT pg_advisory_unlock(%s)", [int(lock)])


async def transaction_lock(connection: AsyncConnection, lock: Lock) -> None:
    """Wait for `lock` (bounded by lock_timeout) and hold it until the open transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [int(lock)])
