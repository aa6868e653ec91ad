"""The ledger of committed requests: what makes a retry harmless.

A digest is claimed in the transaction that writes the rows. READ COMMITTED and the primary key do the rest: a second
claim of the same digest waits for the first transaction, then finds it committed (and answers with the first one's
answer) or rolled back (and claims it).

Requests with records that carry no time at all are not in it: the same bytes may be a retry or the same thing happening
again, and losing the second would be worse than storing a retry twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import psycopg
import psycopg.errors

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.statements import statement
from llm_observatory.storage.transaction import LOCK_TIMEOUT
from llm_observatory.storage.write import Busy, Outcome, Stored, WriteRequest

Claim = Callable[[AsyncConnection, Sequence[WriteRequest], str], Awaitable[list[Outcome]]]


async def claim(connection: AsyncConnection, group: Sequence[WriteRequest], begin: str = "") -> list[Outcome]:
    """Claim the digests of `group` inside the transaction that is open, or that `begin` opens in the same message.

    Returns Stored(duplicate=False) for each claimed or untimed request and Stored(duplicate=True) for each that was there
    before. Raises psycopg.errors.LockNotAvailable when another transaction holds one for longer than lock_timeout.
    """
    timed = [request for request in group if not request.encoded.untimed]
    if begin and not timed:
        await connection.execute(begin)
    claimed = iter(await _claim(connection, timed, begin) if timed else ())
    return [Stored(request.answer) if request.encoded.untimed else next(claimed) for request in group]


async def _claim(connection: AsyncConnection, group: Sequence[WriteRequest], begin: str) -> list[Outcome]:
    # Values are bound on this side: only so can a statement share its message with others.
    cursor = psycopg.AsyncClientCursor(connection)
    await cursor.execute(
        f"{begin}; {statement('claim_digests')}" if begin else statement("claim_digests"),
        (
            _array(request.tenant for request in group),
            _array(request.signal for request in group),
            _array(request.digest.hex() for request in group),
            _array(str(request.received_at) for request in group),
            _array(request.answer.hex() for request in group),
        ),
    )
    while cursor.nextset():
        pass
    rows = await cursor.fetchall()
    claimed = {bytes(digest) for (digest,) in rows}
    known = await _answers(connection, [request for request in group if request.digest not in claimed])
    return [Stored(request.answer) if request.digest in claimed else _duplicate(known.get(request.digest)) for request in group]


def _array(elements: Iterable[str]) -> str:
    """The text of a PostgreSQL array. psycopg binds a list element by element, which took as long as everything else here."""
    quoted = (element.replace("\\", r"\\").replace('"', r"\"") for element in elements)
    return "{" + ",".join(f'"{element}"' for element in quoted) + "}"


def _duplicate(answer: bytes | None) -> Outcome:
    """Without an answer the row was pruned between the two statements: the next try claims it."""
    return Busy() if answer is None else Stored(answer, duplicate=True)


async def _answers(connection: AsyncConnection, group: Sequence[WriteRequest]) -> dict[bytes, bytes]:
    if not group:
        return {}
    cursor = await connection.execute(
        statement("known_answers"),
        (
            [request.tenant for request in group],
            [request.signal for request in group],
            [request.digest for request in group],
        ),
    )
    return {bytes(digest): bytes(answer) for digest, answer in await cursor.fetchall()}


async def claim_one_by_one(connection: AsyncConnection, group: Sequence[WriteRequest], begin: str) -> list[Outcome]:
    """As `claim`, but what another transaction holds is Busy instead of failing the group.

    Used only after `claim` timed out: each digest under its own savepoint with a short lock_timeout.
    """
    outcomes: dict[WriteRequest, Outcome] = {}
    await connection.execute(f"{begin}; SET LOCAL lock_timeout = '20ms'")
    for request in sorted(group, key=lambda request: (request.tenant, request.signal, request.digest)):
        await connection.execute("SAVEPOINT claim")
        try:
            [outcomes[request]] = await claim(connection, [request])
        except psycopg.errors.LockNotAvailable:
            await connection.execute("ROLLBACK TO SAVEPOINT claim")
            outcomes[request] = Busy()
        else:
            await connection.execute("RELEASE SAVEPOINT claim")
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    return [outcomes[request] for request in group]
