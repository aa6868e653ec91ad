"""Whether records are refused for maintenance: one row that every process reads, so that it outlives them all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

REASON_MAX_CHARACTERS = 200
"""Of the reason, which goes to clients in the status of every refusal."""

# Its tenant is empty: everybody's. Switched on again it goes on since when it did, with the new reason.
_ON = """
INSERT INTO maintenance_mode (reason, since) VALUES (%s, clock_timestamp())
ON CONFLICT (tenant) DO UPDATE SET reason = excluded.reason
RETURNING reason, since
"""

_OFF = "DELETE FROM maintenance_mode WHERE tenant = ''"

_CURRENT = "SELECT reason, since FROM maintenance_mode WHERE tenant = ''"


@dataclass(frozen=True, slots=True)
class MaintenanceMode:
    """That it is on: what clients and /health are told, and since when."""

    reason: str
    since: datetime


async def switch_on(connection: AsyncConnection, reason: str) -> MaintenanceMode:
    """Have records refused. Raises StorageError."""
    with translated():
        row = await (await connection.execute(_ON, [reason])).fetchone()
    assert row is not None  # noqa: S101 - an upsert returns its row
    return MaintenanceMode(*row)


async def switch_off(connection: AsyncConnection) -> bool:
    """Have records taken in again; False when they were. Raises StorageError."""
    with translated():
        return (await connection.execute(_OFF)).rowcount > 0


async def current(connection: AsyncConnection) -> MaintenanceMode | None:
    """None: records are taken in. Raises StorageError, SchemaMismatch where the table is missing."""
    with translated():
        row = await (await connection.execute(_CURRENT)).fetchone()
    return None if row is None else MaintenanceMode(*row)
