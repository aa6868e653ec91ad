"""Several statements in one message to the server, COPY streams among them: nothing waits for what nobody looks at.

psycopg's own COPY is a conversation of four parts for every table, each with its wait on the event loop: the statement, the
word that it may begin, the rows, the word that they were taken. In a script the server goes from one statement to the next by
itself, and the event loop is asked only when the socket has nothing to read or no room to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from psycopg.abc import Buffer, PQGen
from psycopg.errors import error_from_result
from psycopg.generators import fetch, send
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Wait

from llm_observatory.storage.connection import AsyncConnection

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"

BLOCK_MAX_BYTES = 128 * 1024
"""libpq takes a block whole into its buffer, which it doubles until the block fits."""

UNSENT_MAX_BYTES = 256 * 1024
"""So much is handed to libpq before what it holds has to be on its way: its buffer never shrinks."""


class Step(NamedTuple):
    """One statement without parameters; `rows`, chunks of whole COPY rows, if it is a `COPY … FROM STDIN (FORMAT binary)`."""

    sql: str
    rows: Sequence[bytes] | None = None


async def run(connection: AsyncConnection, steps: Sequence[Step]) -> str:
    """Run the statements in order; returns the command tag of the last. Raises psycopg.Error at the first that fails.

    Nothing after it is run. Begin a transaction before: statements that share a message without one are one by themselves.
    Whatever is raised, the connection can run the next statement or is closed.
    """
    sql = "; ".join(step.sql for step in steps).encode()
    streams = iter([step.rows for step in steps if step.rows is not None])
    async with connection.lock:
        try:
            result = await connection.wait(_run(connection.pgconn, sql, streams))
        finally:
            # Left in the middle of a stream, by a lack of memory say: it would refuse every statement from now on.
            if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                connection.pgconn.finish()
    if result is None:
        return ""
    if result.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(result, encoding="utf-8")
    return (result.command_status or b"").decode()


def _run(pgconn: PGconn, sql: bytes, streams: Iterator[Sequence[bytes]]) -> PQGen[PGresult | None]:
    """The last result, there is none after a failure."""
    pgconn.send_query(sql)
    yield from send(pgconn)
    last: PGresult | None = None
    result: PGresult | None
    while (result := (yield from fetch(pgconn))) is not None:
        last = result
        if result.status == ExecStatus.COPY_IN:
            yield from _copy(pgconn, next(streams))
    return last


def _copy(pgconn: PGconn, rows: Sequence[bytes]) -> PQGen[None]:
    unsent = 0
    for block in _blocks(chain((COPY_HEADER,), rows, (COPY_TRAILER,))):
        while pgconn.put_copy_data(block) == 0:
            while not (yield Wait.W):
                pass
        unsent += len(block)
        if unsent >= UNSENT_MAX_BYTES:
            yield from send(pgconn)
            unsent = 0
    while pgconn.put_copy_end() == 0:
        while not (yield Wait.W):
            pass
    yield from send(pgconn)


def _blocks(chunks: Iterable[bytes]) -> Iterator[Buffer]:
    """`chunks` in blocks for libpq: small ones together, for each block is a message and a system call; large ones cut."""
    small: list[bytes] = []
    size = 0
    for chunk in chunks:
        if small and size + len(chunk) > BLOCK_MAX_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(chunk) > BLOCK_MAX_BYTES:
            view = memoryview(chunk)
            yield from (view[start : start + BLOCK_MAX_BYTES] for start in range(0, len(chunk), BLOCK_MAX_BYTES))
        else:
            small.append(chunk)
            size += len(chunk)
    yield b"".join(small)
