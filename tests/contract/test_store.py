"""What every store of the pipeline does: the one in memory that the policy is tested on, and the one on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from llm_observatory import codec
from llm_observatory.codec.request import EncodedTable
from llm_observatory.errors import DataRejected
from llm_observatory.pipeline.commit import Store
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Busy, Stored, WriteRequest
from tests.plugins.load import trace_request
from tests.plugins.memory_store import MemoryStore

CLAIM = "INSERT INTO ingest_ledger SELECT 'default', 'traces', %s, now(), 'theirs'"
TERMS = codec.Terms(None, 86_400_000_000, 1024)


def good(answer: bytes = b"") -> WriteRequest:
    _, payload = trace_request(3)
    now = time.time_ns() // 1000
    digest = codec.digest("traces", "default", payload)
    encoded = codec.encode("traces", "default", payload, digest, now, TERMS)
    return WriteRequest("default", "traces", digest, answer, now, encoded)


def poisoned(store: Store) -> WriteRequest:
    """A request whose values the database refuses: a JSONB document with a NUL escape, which no codec of ours writes."""
    request = good()
    if isinstance(store, MemoryStore):
        store.poison.add(request.digest)
    facts, *rest = request.encoded.tables
    spoiled = tuple(chunk.replace(b"app.step", b"ap\\u0000") for chunk in facts.chunks)
    assert spoiled != facts.chunks
    tables = (EncodedTable(facts.name, facts.rows, spoiled), *rest)
    return replace(request, encoded=replace(request.encoded, tables=tables))


@pytest.fixture(params=["memory", "postgresql"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    session = await session_on(request.getfixturevalue("database"))
    yield session
    await session.close()


async def session_on(database: str) -> CommitSession:
    engine = CurrentEngine(lambda: connect(database), Settings())
    return CommitSession(lambda: connect(database), CopyWriter(60), engine, KnownDimensions())


async def test_what_is_written_is_stored_and_what_was_written_is_known_with_its_first_answer(store: Store) -> None:
    first = good(b"first answer")
    assert await store.write([first]) == [Stored(b"first answer")]
    again = replace(first, answer=b"another")
    other = good()
    assert await store.write([again, other]) == [Stored(b"first answer", duplicate=True), Stored(b"")]


async def test_a_tenant_may_have_any_name(store: Store) -> None:
    request = replace(good(), tenant='a "b" \\ c, {d}')
    assert await store.write([request, good()]) == [Stored(b""), Stored(b"")]
    assert await store.write([request]) == [Stored(b"", duplicate=True)]


async def test_a_group_is_refused_whole_and_nothing_of_it_stays(store: Store) -> None:
    innocent = good(b"first answer")
    with pytest.raises(DataRejected):
        await store.write([innocent, poisoned(store)])
    assert await store.write([innocent]) == [Stored(b"first answer")]


async def test_a_dry_run_stores_nothing_and_refuses_what_a_write_refuses(store: Store) -> None:
    request = good()
    await store.dry_run(request)
    assert await store.write([request]) == [Stored(b"")]
    with pytest.raises(DataRejected):
        await store.dry_run(poisoned(store))


async def test_what_is_buried_keeps_its_answer_for_a_retry(store: Store) -> None:
    request = replace(poisoned(store), answer=b"refused")
    assert await store.bury(request, b"payload", "why") == Stored(b"refused", refused=True)
    assert await store.write([request]) == [Stored(b"refused", duplicate=True)]
    assert await store.bury(request, b"payload", "why") == Stored(b"refused", duplicate=True)


def without_time(request: WriteRequest) -> WriteRequest:
    return replace(request, encoded=replace(request.encoded, untimed=True))


async def test_what_has_no_time_is_stored_as_often_as_it_is_written(store: Store) -> None:
    timed, untimed = good(b"timed"), without_time(good(b"untimed"))
    assert await store.write([untimed, timed]) == [Stored(b"untimed"), Stored(b"timed")]
    assert await store.write([timed, untimed]) == [Stored(b"timed", duplicate=True), Stored(b"untimed")]
    assert await store.write([untimed]) == [Stored(b"untimed")]
    assert await store.write([replace(untimed, encoded=good().encoded)]) == [Stored(b"untimed")], "its digest was kept"


async def test_what_has_no_time_is_buried_as_often_as_it_is_refused(store: Store) -> None:
    request = without_time(replace(poisoned(store), answer=b"refused"))
    for _ in range(2):
        assert await store.bury(request, b"payload", "why") == Stored(b"refused", refused=True)


async def test_what_has_no_time_waits_for_no_digest(database: str) -> None:
    """Not even where the digests of a group are claimed one by one because another process holds one."""
    session = await session_on(database)
    held, untimed = good(), without_time(good())
    async with await psycopg.AsyncConnection.connect(database) as other:
        for request in (held, untimed):
            await other.execute(CLAIM, (request.digest,))
        busy, stored = await session.write([held, untimed])
        assert isinstance(busy, Busy)
        assert stored == Stored(b"")
    await session.close()


async def test_two_sessions_with_the_same_request_at_once_store_it_once(database: str) -> None:
    sessions = [await session_on(database) for _ in range(4)]
    for _ in range(20):
        request = replace(good(), answer=uuid.uuid4().bytes)
        outcomes = await asyncio.gather(*(session.write([request]) for session in sessions))
        stored = [outcome for [outcome] in outcomes if isinstance(outcome, Stored)]
        assert len(stored) == 4
        assert sorted(outcome.duplicate for outcome in stored) == [False, True, True, True]
        assert {outcome.answer for outcome in stored} == {request.answer}
    for session in sessions:
        await session.close()
