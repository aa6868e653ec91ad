"""The write transaction on a real PostgreSQL: its settings, its ledger, its sources, its deadline, what holds it up."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from struct import pack

import psycopg
import pytest

from llm_observatory import codec
from llm_observatory.errors import DataRejected, MissingPartition, SchemaMismatch, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import dimensions, script, transaction
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Busy, Stored, WriteRequest
from llm_observatory.tables import METRIC_LABELS
from tests.plugins.load import llm_span, request_of

DAY_NS = 86_400 * 10**9
DAY_US = DAY_NS // 1000
TERMS = codec.Terms(None, 86_400_000_000, 1024)
CLAIM = "INSERT INTO ingest_ledger SELECT 'default', 'traces', %s, now(), 'theirs'"


def request(*, days_ago: Sequence[int] = (0,), service_name: str = "checkout", spans: int = 3) -> WriteRequest:
    """A request with `spans` spans on each of the days."""
    trace_id = uuid.uuid4().bytes
    made = [llm_span(trace_id, number) for number in range(spans * len(days_ago))]
    for number, span in enumerate(made):
        span.start_time_unix_nano -= days_ago[number % len(days_ago)] * DAY_NS
    payload = request_of(*made, service_name=service_name).SerializeToString()
    now = time.time_ns() // 1000
    digest = codec.digest("traces", "default", payload)
    encoded = codec.encode("traces", "default", payload, digest, now, TERMS)
    return WriteRequest("default", "traces", digest, b"", now, encoded)


def spoiled() -> WriteRequest:
    """A request whose values PostgreSQL refuses: a JSONB document with a NUL escape, which no codec of ours writes."""
    good = request()
    facts = good.encoded.tables[0]
    chunks = tuple(chunk.replace(b"app.step", b"ap\\u0000") for chunk in facts.chunks)
    return replace(good, encoded=replace(good.encoded, tables=(replace(facts, chunks=chunks),)))


class Sessions:
    """Makes sessions on one database."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.known = KnownDimensions()
        self.engine = CurrentEngine(lambda: connect(database), Settings())
        self.made: list[CommitSession] = []
        self.connections: list[AsyncConnection] = []

    async def new(self, writer: CopyWriter | None = None, deadline_seconds: float = 20) -> CommitSession:
        async def connecting() -> AsyncConnection:
            self.connections.append(await connect(self.database))
            return self.connections[-1]

        self.made.append(CommitSession(connecting, writer or CopyWriter(60), self.engine, self.known, deadline_seconds))
        return self.made[-1]

    async def fetch(self, sql: str) -> list[tuple[object, ...]]:
        async with await psycopg.AsyncConnection.connect(self.database, autocommit=True) as connection:
            return await (await connection.execute(sql.encode())).fetchall()

    async def count(self, table: str) -> int:
        [[found]] = await self.fetch(f"SELECT count(*) FROM {table}")
        assert isinstance(found, int)
        return found


@pytest.fixture
async def sessions(database: str) -> AsyncIterator[Sessions]:
    sessions = Sessions(database)
    yield sessions
    for session in sessions.made:
        await session.close()


@pytest.mark.parametrize("fields", [0, 10_000], ids=["copy", "insert"])
async def test_copy_and_insert_store_the_same_rows(sessions: Sessions, fields: int) -> None:
    session = await sessions.new(CopyWriter(fields))
    assert await session.write([request(spans=5), request(spans=7)]) == [Stored(b""), Stored(b"")]
    assert await sessions.count("llm_traces") == 12
    assert await sessions.count("trace_index") == 2
    assert await sessions.count("ingest_touched") >= 2
    [row] = await sessions.fetch("SELECT DISTINCT service_name, operation, input_tokens, temperature FROM llm_traces")
    assert row == ("checkout", "chat", 812, 0.2)


async def test_the_transaction_is_set_up_as_promised(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("synchronous_commit", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "jit")
    seen: dict[str, str] = {}
    run = script.run

    async def look_then_run(connection: AsyncConnection, steps: Sequence[script.Step]) -> str:
        for name in names:
            row = await (await connection.execute("SELECT current_setting(%s)", (name,))).fetchone()
            assert row is not None
            seen[name] = row[0]
        return await run(connection, steps)

    monkeypatch.setattr(script, "run", look_then_run)
    await (await sessions.new()).write([request()])
    assert seen == dict(zip(names, ("on", "1s", "15s", "10s", "off"), strict=True))


async def test_a_request_over_many_days_gets_all_its_partitions(sessions: Sessions) -> None:
    session = await sessions.new()
    assert await session.write([request(days_ago=(0, 1, 40, 80), spans=2)]) == [Stored(b"")]
    assert await sessions.count("llm_traces") == 8


def only_of(table: str, whole: WriteRequest) -> WriteRequest:
    """`whole` without its rows in other tables."""
    tables = tuple(part for part in whole.encoded.tables if part.name == table)
    return replace(whole, encoded=replace(whole.encoded, tables=tables))


@pytest.mark.alone("it judges time: no other test beside it")
async def test_a_locked_table_holds_up_no_request_that_does_not_write_it(sessions: Sessions) -> None:
    """Neither its rows nor its partitions, those of the locked table being made at the same time."""
    first, second = await sessions.new(), await sessions.new()
    await first.write([request()])
    async with await psycopg.AsyncConnection.connect(sessions.database) as other:
        await other.execute("LOCK TABLE trace_index IN ACCESS EXCLUSIVE MODE")
        stuck = asyncio.create_task(first.write([only_of("trace_index", request(days_ago=(5,)))]))
        await blocked(sessions)
        began = time.monotonic()
        assert await second.write([only_of("llm_traces", request(days_ago=(6,)))]) == [Stored(b"")]
        assert time.monotonic() - began < 0.9, "less than lock_timeout"
        assert not stuck.done()
    with contextlib.suppress(StorageUnavailable):
        await stuck


async def test_each_request_of_a_mixed_group_gets_the_partitions_of_its_own_tables(sessions: Sessions) -> None:
    session = await sessions.new()
    await session.write([request()])
    mixed = [only_of("llm_traces", request(days_ago=(5,))), only_of("trace_index", request(days_ago=(6,)))]
    before = {table: await partitions(sessions, table) for table in ("llm_traces", "trace_index")}
    assert await session.write(mixed) == [Stored(b""), Stored(b"")]
    made = {table: len(await partitions(sessions, table)) - len(before[table]) for table in before}
    assert made == {"llm_traces": 1, "trace_index": 1}


async def partitions(sessions: Sessions, table: str) -> list[tuple[object, ...]]:
    return await sessions.fetch(f"SELECT inhrelid FROM pg_inherits WHERE inhparent = '{table}'::regclass")


@pytest.mark.postgresql("partitions")
async def test_a_partition_dropped_by_another_process_is_missed_once_and_made_again(sessions: Sessions) -> None:
    session = await sessions.new()
    await session.write([request(days_ago=(3,))])
    [[partition]] = await sessions.fetch("SELECT DISTINCT tableoid::regclass::text FROM llm_traces")
    async with await psycopg.AsyncConnection.connect(sessions.database, autocommit=True) as connection:
        await connection.execute(f"DROP TABLE {partition}".encode())
    again = request(days_ago=(3,))
    with pytest.raises(MissingPartition):
        await session.write([again])
    assert await session.write([again]) == [Stored(b"")]


async def test_sources_are_stored_before_and_apart_and_an_orphan_is_harmless(sessions: Sessions) -> None:
    session = await sessions.new()
    with pytest.raises(DataRejected):
        await session.write([spoiled()])
    assert await sessions.count("telemetry_sources") == 1
    assert await sessions.count("llm_traces") == 0
    assert await session.write([request()]) == [Stored(b"")]


async def test_last_seen_moves_on_by_day_and_never_back(sessions: Sessions) -> None:
    session = await sessions.new()
    today = request()
    day = 86_400_000_000
    for shift in (0, -2 * day, day):
        shifted = request(service_name="same")
        payload_now = shifted.received_at + shift
        encoded = codec.encode("traces", "default", _payload(), today.digest, payload_now, codec.Terms(None, 3 * day, 1024))
        await session.write([replace(shifted, encoded=encoded, received_at=payload_now)])
    rows = await sessions.fetch("SELECT (last_seen - (now() AT TIME ZONE 'UTC')::date) FROM telemetry_sources")
    assert rows == [(1,)], today


def of_series(series: bytes, day: int) -> WriteRequest:
    """A request whose points would be of one series, as received on `day` (days since 2000-01-01)."""
    whole = request()
    fields = (b"default", series, b"checkout", b"http.calls", b"sum", b"1", b"", None, b"\1", None, b"\1{}", bytes(16))
    row = pack(">h", len(METRIC_LABELS.columns))
    for value in (*fields, pack(">i", day)):
        row += pack(">i", -1) if value is None else pack(">i", len(value)) + value
    dimensions = {**whole.encoded.dimensions, METRIC_LABELS.name: {series: row}}
    return replace(whole, encoded=replace(whole.encoded, dimensions=dimensions), received_at=whole.received_at + day * DAY_US)


async def test_series_are_stored_and_moved_on_as_sources_are(sessions: Sessions) -> None:
    session, series = await sessions.new(), bytes(range(16))
    for day in (7, 5, 8):
        await session.write([of_series(series, day)])
    assert await sessions.fetch("SELECT series_id::text, last_seen - date '2000-01-01' FROM metric_labels") == [
        (str(uuid.UUID(bytes=series)), 8)
    ]


async def test_a_group_over_midnight_moves_every_series_on(sessions: Sessions) -> None:
    session = await sessions.new()
    await session.write([of_series(b"b" * 16, 8), of_series(b"a" * 16, 7)])
    await session.write([of_series(b"a" * 16, 8)])
    assert await sessions.fetch("SELECT DISTINCT last_seen - date '2000-01-01' FROM metric_labels") == [(8,)]


async def test_a_dry_run_sends_the_dimensions_too(sessions: Sessions) -> None:
    session = await sessions.new()
    await session.dry_run(of_series(bytes(16), 7))
    assert await sessions.count("metric_labels") == 0
    async with await psycopg.AsyncConnection.connect(sessions.database, autocommit=True) as connection:
        await connection.execute("ALTER TABLE metric_labels RENAME TO elsewhere")
    with pytest.raises(SchemaMismatch):
        await session.dry_run(of_series(bytes(16), 7))


def _payload() -> bytes:
    return request_of(llm_span(uuid.uuid4().bytes, 1), service_name="same").SerializeToString()


async def test_what_a_session_stored_while_another_reconnected_is_not_taken_for_known(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's connection may go to another database, after a failover."""
    session, upsert = await sessions.new(), dimensions.upsert

    async def upsert_while_another_reconnects(connection: AsyncConnection, table: str, rows: dimensions.Rows) -> None:
        await upsert(connection, table, rows)
        await (await sessions.new()).dry_run(request())

    monkeypatch.setattr(dimensions, "upsert", upsert_while_another_reconnects)
    await session.write([request()])
    monkeypatch.undo()
    async with await psycopg.AsyncConnection.connect(sessions.database, autocommit=True) as connection:
        await connection.execute("TRUNCATE telemetry_sources")
    await session.write([request()])
    assert await sessions.count("telemetry_sources") == 1


async def test_two_sessions_with_the_same_new_sources_do_not_block_or_deadlock(sessions: Sessions) -> None:
    first, second = await sessions.new(), await sessions.new()
    for number in range(10):
        names = [f"service-{number}-{n}" for n in range(10)]
        groups = [[request(service_name=name) for name in order] for order in (names, names[::-1])]
        async with asyncio.timeout(10):
            await asyncio.gather(first.write(groups[0]), second.write(groups[1]))
    assert await sessions.count("telemetry_sources") == 100


async def test_known_sources_are_forgotten_on_reconnect(sessions: Sessions) -> None:
    session = await sessions.new()
    await session.write([request()])
    async with await psycopg.AsyncConnection.connect(sessions.database, autocommit=True) as connection:
        await connection.execute("TRUNCATE telemetry_sources")
        await session.write([request()])
        assert await sessions.count("telemetry_sources") == 0, "known within the connection: not written again"
        await connection.execute("SELECT pg_terminate_backend(%s)", (sessions.connections[-1].info.backend_pid,))
    with pytest.raises(StorageUnavailable):
        await session.write([request()])
    await session.write([request()])
    assert await sessions.count("telemetry_sources") == 1


async def test_a_digest_held_elsewhere_is_busy_and_the_rest_commits(sessions: Sessions) -> None:
    session = await sessions.new()
    held, free = request(), request()
    async with await psycopg.AsyncConnection.connect(sessions.database) as other:
        await other.execute(CLAIM, (held.digest,))
        outcomes = await session.write([held, free])
        assert isinstance(outcomes[0], Busy)
        assert outcomes[1] == Stored(b"")
        await other.commit()
    assert await session.write([held]) == [Stored(b"theirs", duplicate=True)]


async def test_a_digest_whose_holder_rolls_back_is_stored_here(sessions: Sessions) -> None:
    session = await sessions.new()
    held = request()
    async with await psycopg.AsyncConnection.connect(sessions.database) as other:
        await other.execute(CLAIM, (held.digest,))
        writing = asyncio.create_task(session.write([held]))
        await blocked(sessions)
        await other.rollback()
        assert await writing == [Stored(b"")]


async def blocked(sessions: Sessions) -> None:
    """Wait until some backend waits for a lock."""
    async with asyncio.timeout(5):
        while not await sessions.fetch("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            pass


@pytest.mark.alone("it judges time: no other test beside it")
async def test_a_deadline_severs_a_connection_that_no_longer_answers(sessions: Sessions) -> None:
    session = await sessions.new(deadline_seconds=0.2)
    await session.write([request()])
    async with await psycopg.AsyncConnection.connect(sessions.database) as other:
        await other.execute("LOCK TABLE llm_traces IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(StorageUnavailable):
            await session.write([request()])
        assert time.monotonic() - started < 0.9, "before lock_timeout: the client's side has ended it"
    assert await session.write([request()]) == [Stored(b"")]


async def test_a_lock_on_facts_is_unavailable_not_forever(sessions: Sessions) -> None:
    session = await sessions.new()
    waiting = request()
    await session.write([request()])
    async with await psycopg.AsyncConnection.connect(sessions.database) as other:
        await other.execute("LOCK TABLE llm_traces IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StorageUnavailable):
            await session.write([waiting])
    assert await session.write([waiting]) == [Stored(b"")]


async def test_a_commit_that_was_a_rollback_is_no_success(sessions: Sessions) -> None:
    connection = await connect(sessions.database)
    await connection.execute("BEGIN")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await connection.execute("SELECT 1/0")
    with pytest.raises(StorageUnavailable):
        await transaction.commit(connection)
    await connection.close()


async def test_a_missing_table_is_a_schema_mismatch(sessions: Sessions) -> None:
    session = await sessions.new()
    async with await psycopg.AsyncConnection.connect(sessions.database, autocommit=True) as connection:
        await connection.execute("ALTER TABLE ingest_ledger RENAME TO elsewhere")
    with pytest.raises(SchemaMismatch):
        await session.write([request()])


async def test_a_write_leaves_no_open_transaction_behind_whatever_happens(sessions: Sessions) -> None:
    session = await sessions.new()
    await session.write([request()])
    with pytest.raises(DataRejected):
        await session.write([spoiled()])
    assert sessions.connections[-1].info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert await session.write([request()]) == [Stored(b"")]
