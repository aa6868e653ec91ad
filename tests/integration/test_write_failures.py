"""A write that goes wrong at any place leaves nothing behind and the next goes through; values may be as odd as they like."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from llm_observatory.errors import DataRejected, StorageUnavailable
from llm_observatory.storage import script
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.write import Stored
from tests.integration.test_commit_session import Sessions, request

COPIES = CopyWriter(0)
WRITTEN = ("llm_traces", "trace_index", "ingest_touched", "ingest_ledger")
ODD_TENANTS = ("it's", "back\\slash", 'quo"te', "ünï 日本", "{a,b}", "NULL", "$$x$$", "100%s", "")


@pytest.fixture
async def sessions_of() -> AsyncIterator[Callable[[str], Sessions]]:
    """Sessions on a database, closed at the end."""
    made: list[Sessions] = []

    def on(conninfo: str) -> Sessions:
        made.append(Sessions(conninfo))
        return made[-1]

    yield on
    for session in [session for sessions in made for session in sessions.made]:
        await session.close()


async def run(database: str, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


def trigger(table: str, body: str, *, at_commit: bool) -> tuple[str, str]:
    """The statements that put a trigger on `table` that runs for each row, when it comes or at COMMIT."""
    function = f"CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
    kind, deferred = (
        ("CONSTRAINT TRIGGER in_the_way AFTER", "INITIALLY DEFERRED") if at_commit else ("TRIGGER in_the_way BEFORE", "")
    )
    return function, f"CREATE {kind} INSERT ON {table} {deferred} FOR EACH ROW EXECUTE FUNCTION in_the_way()"


REFUSE = "RAISE check_violation USING CONSTRAINT = 'ours'"


@pytest.mark.parametrize("table, at_commit", [*((table, False) for table in WRITTEN), ("ingest_ledger", True)])
async def test_a_failure_in_any_copy_or_at_commit_rolls_all_back(
    database: str, sessions_of: Callable[[str], Sessions], table: str, *, at_commit: bool
) -> None:
    sessions, wanted = sessions_of(database), request()
    session = await sessions.new(COPIES)
    await run(database, *trigger(table, REFUSE, at_commit=at_commit))
    with pytest.raises(DataRejected):
        await session.write([wanted])
    assert [await sessions.count(name) for name in WRITTEN] == [0] * len(WRITTEN)
    await run(database, f"DROP TRIGGER in_the_way ON {table}")
    assert await session.write([wanted]) == [Stored(b"")]
    assert len(sessions.connections) == 1, "the connection was usable"


async def test_a_server_process_that_ends_during_commit_is_no_success(
    database: str, sessions_of: Callable[[str], Sessions]
) -> None:
    sessions, wanted = sessions_of(database), request()
    session = await sessions.new(COPIES)
    await run(database, *trigger("ingest_ledger", "PERFORM pg_sleep(60)", at_commit=True))
    writing = asyncio.create_task(session.write([wanted]))
    async with asyncio.timeout(10):
        while not await sessions.fetch("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            pass
    await run(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    with pytest.raises(StorageUnavailable):
        await writing
    await run(database, "DROP TRIGGER in_the_way ON ingest_ledger")
    assert await session.write([wanted]) == [Stored(b"")]


async def test_a_stream_that_breaks_off_on_our_side_costs_its_connection_only(
    database: str, sessions_of: Callable[[str], Sessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking_off(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield next(iter(chunks))
        raise MemoryError

    sessions, wanted = sessions_of(database), request()
    session = await sessions.new(COPIES)
    monkeypatch.setattr(script, "_blocks", breaking_off)
    with pytest.raises(MemoryError):
        await session.write([wanted])
    monkeypatch.undo()
    assert await session.write([wanted]) == [Stored(b"")]


@pytest.mark.parametrize("strings", ["on", "off"])
async def test_digests_answers_and_tenants_of_any_bytes(
    database: str, sessions_of: Callable[[str], Sessions], strings: str
) -> None:
    """However the server reads a backslash: they are bound on this side."""
    sessions = sessions_of(make_conninfo(database, options=f"-c standard_conforming_strings={strings}"))
    session = await sessions.new(COPIES)
    group = [
        replace(request(spans=1), tenant=tenant, digest=os.urandom(16) + b"\\'\"\0\xff", answer=bytes(range(256)))
        for tenant in ODD_TENANTS
    ]
    assert await session.write(group) == [Stored(one.answer) for one in group]
    assert await session.write(group) == [Stored(one.answer, duplicate=True) for one in group]
    ledger = await sessions.fetch("SELECT tenant, digest, answer FROM ingest_ledger")
    assert set(ledger) == {(one.tenant, one.digest, one.answer) for one in group}


@pytest.mark.parametrize("by", ["address", "environment"])
async def test_rows_are_utf8_whatever_encoding_is_asked_for(
    database: str, sessions_of: Callable[[str], Sessions], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    asked = {"client_encoding": "LATIN1"} if by == "address" else {}
    session = await sessions_of(make_conninfo(database, **asked)).new(COPIES)
    await session.write([request(service_name="café")])
    monkeypatch.undo()
    assert await sessions_of(database).fetch("SELECT DISTINCT service_name FROM llm_traces") == [("café",)]
