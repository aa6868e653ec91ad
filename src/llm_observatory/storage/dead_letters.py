"""Requests that PostgreSQL refused although every rule was kept. Their ledger row answers a retry, if they have one."""

from __future__ import annotations

from datetime import UTC, datetime

from llm_observatory.errors import StorageUnavailable
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.ledger import claim
from llm_observatory.storage.statements import statement
from llm_observatory.storage.transaction import transaction
from llm_observatory.storage.translate import translated
from llm_observatory.storage.write import Busy, Stored, WriteRequest

PAYLOAD_MAX_BYTES = 16 * 1024 * 1024
"""A longer payload is kept up to here; its digest still names it."""


async def bury(connection: AsyncConnection, request: WriteRequest, payload: bytes, error: str) -> Stored:
    """Keep the refused request with its answer, in one transaction. Raises StorageUnavailable when even that fails."""
    with translated():
        async with transaction(connection):
            [outcome] = await claim(connection, [request])
            if isinstance(outcome, Busy):
                raise StorageUnavailable("the same request is being stored by another process", "55P03")
            if not outcome.duplicate:
                received_at = datetime.fromtimestamp(request.received_at / 1e6, UTC)
                kept = payload[:PAYLOAD_MAX_BYTES]
                await connection.execute(
                    statement("dead_letter"), (request.tenant, request.signal, request.digest, received_at, error, kept)
                )
    return outcome if outcome.duplicate else Stored(request.answer, refused=True)
