"""Requests that PostgreSQL refused although every rule was kept. Their ledger row answers a retry, if they have one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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
                raise outcome.error()
            if not outcome.duplicate:
                received_at = datetime.fromtimestamp(request.received_at / 1e6, UTC)
                kept = payload[:PAYLOAD_MAX_BYTES]
                await connection.execute(
                    statement("dead_letter"), (request.tenant, request.signal, request.digest, received_at, error, kept)
                )
    return outcome if outcome.duplicate else Stored(request.answer, refused=True)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One that is kept, without its payload."""

    tenant: str
    signal: str
    digest: bytes
    received_at: datetime
    payload_bytes: int

    @property
    def is_cut(self) -> bool:
        """Whether its payload was longer than what is kept."""
        return self.payload_bytes >= PAYLOAD_MAX_BYTES


async def listed(connection: AsyncConnection) -> list[DeadLetter]:
    """All of them, the oldest first. Raises StorageError."""
    with translated():
        cursor = await connection.execute(statement("list_dead_letters"))
        return [DeadLetter(*row) for row in await cursor.fetchall()]


async def payload(connection: AsyncConnection, letter: DeadLetter) -> bytes:
    """The request as it was received; empty when the letter is gone."""
    with translated():
        cursor = await connection.execute(statement("dead_letter_payload").encode(), _key(letter))
        row = await cursor.fetchone()
    return b"" if row is None else bytes(row[0])


async def forget_answer(connection: AsyncConnection, letter: DeadLetter) -> None:
    """Let the ledger forget what its sender was told: the same bytes would hear it again. A later answer stays."""
    with translated():
        await connection.execute(statement("forget_dead_letter_answer").encode(), _key(letter))


async def remove(connection: AsyncConnection, letter: DeadLetter) -> None:
    """Take it away."""
    with translated():
        await connection.execute(statement("remove_dead_letter").encode(), _key(letter))


def _key(letter: DeadLetter) -> tuple[str, str, bytes, datetime]:
    return letter.tenant, letter.signal, letter.digest, letter.received_at
