"""Several statements and COPY streams in one message: all of it in order, or an error and nothing after it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from struct import pack

import psycopg
import pytest

from llm_observatory.storage import script
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.script import Step

COPY = "COPY {} (value) FROM STDIN (FORMAT binary)"


def rows(*values: bytes) -> bytes:
    """COPY rows of one text column."""
    return b"".join(pack(">hi", 1, len(value)) + value for value in values)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection]:
    connection = await connect(database)
    await connection.execute("CREATE TEMPORARY TABLE one (value text); CREATE TEMPORARY TABLE two (value text)")
    yield connection
    await connection.close()


async def stored(connection: AsyncConnection, table: str) -> list[str]:
    return [value for (value,) in await (await connection.execute(f"SELECT value FROM {table}".encode())).fetchall()]


async def test_streams_go_to_their_tables_and_the_last_command_tag_comes_back(connection: AsyncConnection) -> None:
    await connection.execute("BEGIN")
    steps = [
        Step(COPY.format("one"), [rows(b"a", b"b"), rows(b"c")]),
        Step("SET LOCAL lock_timeout = '7s'"),
        Step(COPY.format("two"), [rows(b"d")]),
    ]
    assert await script.run(connection, steps) == "COPY 1"
    assert await script.run(connection, [Step(COPY.format("two"), []), Step("COMMIT")]) == "COMMIT"
    assert (await stored(connection, "one"), await stored(connection, "two")) == (["a", "b", "c"], ["d"])


async def test_chunks_of_any_size_arrive_whole(connection: AsyncConnection) -> None:
    large = [b"x" * size for size in (script.BLOCK_MAX_BYTES - 6, script.BLOCK_MAX_BYTES - 5, 5_000_000, 1)]
    await script.run(connection, [Step(COPY.format("one"), [rows(value) for value in large])])
    assert [value.encode() for value in await stored(connection, "one")] == large


async def test_small_chunks_are_handed_over_together(connection: AsyncConnection, copy_blocks: list[int]) -> None:
    small = [b"%09d" % number * 1_000 for number in range(100)]
    await script.run(connection, [Step(COPY.format("one"), [rows(value) for value in small])])
    assert [value.encode() for value in await stored(connection, "one")] == small
    assert min(copy_blocks[:-1]) > script.BLOCK_MAX_BYTES - 10_000
    assert max(copy_blocks) <= script.BLOCK_MAX_BYTES


async def test_a_unix_socket_takes_more_than_the_system_gives_by_itself(connection: AsyncConnection) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as ours, socket.socket(ours.family) as another:
        sizes = [each.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for each in (ours, another)]
        if ours.family != socket.AF_UNIX:
            pytest.skip("the server is reached by TCP, whose buffers grow by themselves")
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("behind", [0, 8_000_000])
async def test_what_comes_after_a_failure_is_not_run(connection: AsyncConnection, behind: int) -> None:
    """However much of the stream is still to come when the server has had enough."""
    await connection.execute("BEGIN")
    refused = Step(COPY.format("one"), [rows(b"\0"), rows(b"x" * behind)])
    async with asyncio.timeout(20):
        with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
            await script.run(connection, [refused, Step(COPY.format("two"), [rows(b"a")]), Step("COMMIT")])
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    await connection.rollback()
    assert await stored(connection, "two") == []


async def test_a_statement_that_is_refused_says_why(connection: AsyncConnection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await script.run(connection, [Step(COPY.format("three"), [rows(b"a")])])
    assert await script.run(connection, [Step(COPY.format("one"), [rows(b"a")])]) == "COPY 1"


async def test_a_server_that_goes_away_is_an_operational_error(connection: AsyncConnection, database: str) -> None:
    lot = [rows(b"x" * 1_000_000)] * 50
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as other:
        running = asyncio.create_task(script.run(connection, [Step("SELECT pg_sleep(60)"), Step(COPY.format("one"), lot)]))
        while not (await (await other.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).fetchall()):
            pass
        await other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        with pytest.raises(psycopg.OperationalError):
            await running
    assert connection.closed
