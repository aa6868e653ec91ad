"""What the design promises of writing and of the wire, on a real PostgreSQL and real sockets, through the assembled parts."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from psycopg import sql

from llm_observatory import codec
from llm_observatory.app import dead_letters as app_dead_letters
from llm_observatory.app.health import Health
from llm_observatory.app.write_check import WriteCheck
from llm_observatory.app.write_path import write_path
from llm_observatory.errors import InvalidPayload, StorageUnavailable
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.ingest import Ingest
from llm_observatory.pipeline.signal import LOGS, METRICS, SIGNALS, TRACES, Signal
from llm_observatory.settings import Settings
from llm_observatory.storage import dead_letters, ledger, script
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from llm_observatory.tables import TABLES
from tests.plugins.database import execute
from tests.plugins.load import REQUESTS, llm_span, request_of, trace_request

DAY_NS = 86_400 * 10**9
CLAIM = "INSERT INTO ingest_ledger SELECT 'default', 'traces', %s, now(), 'theirs'"


@dataclass
class Running:
    """The write path as `serve` puts it together, on one database."""

    database: str
    ingest: Ingest
    check: WriteCheck
    health: Health

    async def export(self, payload: bytes, hold: float = 4.0, signal: Signal = TRACES) -> ExportResult:
        until = asyncio.get_running_loop().time() + hold
        return await self.ingest.export(signal, "default", payload, until, lambda: None)

    async def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        return await fetch(self.database, statement)


async def fetch(database: str, statement: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        return await (await connection.execute(statement.encode())).fetchall()


@asynccontextmanager
async def running(database: str, conninfo: str | None = None) -> AsyncIterator[Running]:
    """`conninfo`: how the service connects, if not as the test does."""
    settings, health = Settings(), Health()

    async def connecting() -> AsyncConnection:
        return await connect(conninfo or database)

    async with asyncio.TaskGroup() as tasks:
        engine = CurrentEngine(connecting, settings)
        async with write_path(settings, connecting, engine, health, tasks) as (ingest, check):
            await check.recheck()
            assert health.refusal is None
            yield Running(database, ingest, check, health)
            await ingest.drain(asyncio.get_running_loop().time() + 5)


@pytest.fixture
async def run(database: str) -> AsyncIterator[Running]:
    async with running(database) as run:
        yield run


def payload_of(service_name: str, *, days_ago: float = 0, spans: int = 2) -> bytes:
    made = [llm_span(uuid.uuid4().bytes, number) for number in range(spans)]
    for span in made:
        span.start_time_unix_nano -= int(days_ago * DAY_NS)
    return request_of(*made, service_name=service_name).SerializeToString()


def write_request(payload: bytes) -> WriteRequest:
    now = time.time_ns() // 1000
    digest = codec.digest("traces", "default", payload)
    encoded = codec.encode("traces", "default", payload, digest, now, codec.Terms(None, 86_400_000_000, 1024))
    return WriteRequest("default", "traces", digest, b"", now, encoded)


@asynccontextmanager
async def session_on(database: str, writer: CopyWriter | None = None) -> AsyncIterator[CommitSession]:
    engine = CurrentEngine(lambda: connect(database), Settings())
    session = CommitSession(lambda: connect(database), writer or CopyWriter(60), engine, KnownDimensions())
    try:
        yield session
    finally:
        await session.close()


async def lock_waits(database: str) -> None:
    """Return when some backend waits for a lock."""
    async with asyncio.timeout(5):
        while not await fetch(database, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            pass


# ---- one transaction


async def test_digests_are_claimed_in_their_order_whatever_that_of_the_group(database: str) -> None:
    """Two processes that share digests would deadlock otherwise. While the middle one is held, the lower is claimed."""
    low, middle, high = (replace(write_request(payload_of("checkout")), digest=bytes([n]) * 16) for n in (1, 2, 3))
    async with session_on(database) as session, await psycopg.AsyncConnection.connect(database) as other:
        await other.execute(CLAIM, (middle.digest,))
        writing = asyncio.create_task(session.write([high, middle, low]))
        await lock_waits(database)
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as third:
            await third.execute("SET lock_timeout = '50ms'")
            await third.execute(CLAIM, (high.digest,))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await third.execute(CLAIM, (low.digest,))
        await other.rollback()
        assert await writing == [Stored(b"theirs", duplicate=True), Stored(b""), Stored(b"")]


async def test_a_large_request_is_sent_in_slices_in_the_order_of_tables_in_one_transaction(
    database: str, monkeypatch: pytest.MonkeyPatch, copy_blocks: list[int]
) -> None:
    sent: list[str] = []
    run = script.run

    async def noted_run(connection: AsyncConnection, steps: Sequence[script.Step]) -> str:
        sent.extend(step.sql for step in steps)
        return await run(connection, steps)

    monkeypatch.setattr(script, "run", noted_run)
    requests = [write_request(payload_of(name, spans=4_000)) for name in ("one", "two")]
    async with session_on(database) as session:
        assert await session.write(requests) == [Stored(b"")] * 2
    order = [table.name for statement in sent for table in TABLES if statement.startswith(f"COPY {table.name} ")]
    names = [table.name for table in TABLES]
    assert order == sorted(order, key=names.index)
    assert {"llm_traces", "trace_index", "ingest_touched"} <= set(order)
    assert sent[-1] == "COMMIT"
    assert len(copy_blocks) > 10
    assert max(copy_blocks) <= script.BLOCK_MAX_BYTES
    transactions = await fetch(
        database,
        "SELECT xmin::text FROM llm_traces UNION SELECT xmin::text FROM trace_index"
        " UNION SELECT xmin::text FROM ingest_touched UNION SELECT xmin::text FROM ingest_ledger",
    )
    assert len(transactions) == 1


async def test_what_is_buried_is_as_durable_as_what_is_stored(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender is told OK with `partial_success` and throws its copy away."""
    [[name]] = await fetch(database, "SELECT current_database()")
    execute(database, sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
    seen: list[tuple[Any, ...]] = []
    claim = ledger.claim

    async def look_then_claim(connection: AsyncConnection, group: Sequence[WriteRequest]) -> Any:
        cursor = await connection.execute("SELECT current_setting('synchronous_commit'), current_setting('lock_timeout')")
        seen.extend(await cursor.fetchall())
        return await claim(connection, group)

    monkeypatch.setattr(dead_letters, "claim", look_then_claim)
    async with session_on(database) as session:
        await session.bury(write_request(payload_of("checkout")), b"payload", "why")
    assert seen == [("on", "1s")]


async def test_our_connections_never_compile_and_never_prepare(database: str) -> None:
    [[name]] = await fetch(database, "SELECT current_database()")
    execute(database, sql.SQL("ALTER DATABASE {} SET jit = on").format(sql.Identifier(name)))
    made: list[AsyncConnection] = []

    async def connecting() -> AsyncConnection:
        made.append(await connect(psycopg.conninfo.make_conninfo(database, options="-c jit=on -c work_mem=1234kB")))
        return made[-1]

    engine = CurrentEngine(connecting, Settings())
    session = CommitSession(connecting, CopyWriter(10_000), engine, KnownDimensions())
    for _ in range(8):
        await session.write([write_request(payload_of("checkout"))])
    cursor = await made[-1].execute(
        "SELECT current_setting('jit'), current_setting('work_mem'), (SELECT count(*) FROM pg_prepared_statements)"
    )
    assert await cursor.fetchall() == [("off", "1234kB", 0)]
    await session.close()


# ---- lanes and blame


@pytest.mark.alone("it judges time: no other test beside it")
async def test_a_locked_old_partition_holds_up_the_late_lane_only(run: Running) -> None:
    late, today = (payload_of("checkout", days_ago=days) for days in (10, 0))
    await run.export(payload_of("checkout", days_ago=10))
    await run.export(payload_of("checkout"))
    old = (await run.fetch("SELECT tableoid::regclass::text FROM llm_traces ORDER BY timestamp LIMIT 1"))[0][0]
    async with await psycopg.AsyncConnection.connect(run.database) as other:
        await other.execute(f"LOCK TABLE {old} IN ACCESS EXCLUSIVE MODE".encode())
        stuck = [asyncio.create_task(run.export(late))]
        # More than there are committers of a lane, one after the other, so that none is free.
        stuck += [asyncio.create_task(run.export(payload_of("checkout", days_ago=10))) for _ in range(5)]
        await lock_waits(run.database)
        began = time.monotonic()
        assert (await run.export(today)).accepted == 2
        assert time.monotonic() - began < 0.9, "less than lock_timeout"
        assert not any(task.done() for task in stuck)
        await other.rollback()
    assert [result.accepted for result in await asyncio.gather(*stuck)] == [2] * 6


async def test_the_guilty_request_is_kept_and_its_neighbours_are_stored(run: Running) -> None:
    execute(run.database, "ALTER TABLE llm_traces ADD CONSTRAINT no_guilt CHECK (service_name <> 'guilty')")
    payloads = {name: payload_of(name) for name in ("one", "guilty", "two", "three")}
    # The first keeps a committer busy while the others gather in a group.
    results = dict(zip(payloads, await asyncio.gather(*map(run.export, payloads.values())), strict=True))
    assert {name: (result.accepted, result.rejected) for name, result in results.items()} == {
        "one": (2, 0), "guilty": (0, 2), "two": (2, 0), "three": (2, 0),
    }  # fmt: skip
    assert await run.fetch("SELECT payload FROM dead_letters") == [(payloads["guilty"],)]
    assert await run.export(payloads["guilty"]) == ExportResult(results["guilty"].answer, 0, 0)


async def test_dead_letters_are_sent_again_when_their_cause_is_mended(run: Running) -> None:
    execute(run.database, "ALTER TABLE llm_traces ADD CONSTRAINT no_guilt CHECK (service_name <> 'guilty') NOT VALID")
    payloads = [payload_of("guilty", days_ago=days) for days in (0, 1)]
    for payload in payloads:
        assert (await run.export(payload)).rejected == 2
    lines: list[str] = []
    refused = await app_dead_letters.resend(run.database, Settings(), lines.append)
    assert [piece.error for piece in refused.done] == [app_dead_letters.REFUSED] * 2
    assert len(await run.fetch("SELECT FROM dead_letters")) == 2
    execute(run.database, "ALTER TABLE llm_traces DROP CONSTRAINT no_guilt")
    assert (await run.export(payloads[0])).accepted == 0, "the ledger holds the refusal"
    stored = await app_dead_letters.resend(run.database, Settings(accept_max_age="1h"), lines.append)
    assert stored.complete
    assert len(stored.done) == 2
    spans = "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM llm_traces"
    assert await run.fetch(spans) == [(4, 4)]
    assert await run.fetch("SELECT digest FROM dead_letters") == []
    assert (await app_dead_letters.resend(run.database, Settings(), lines.append)).note == "there are no dead letters"
    assert [(await run.export(payload)).accepted for payload in payloads] == [0, 0]
    assert await run.fetch(spans) == [(4, 4)]


async def test_a_dead_letter_that_was_stored_and_stayed_is_not_stored_again(run: Running) -> None:
    """As when it was ended between the two."""
    payload = payload_of("checkout")
    assert (await run.export(payload)).accepted == 2
    execute(
        run.database,
        "INSERT INTO dead_letters SELECT tenant, signal, digest, received_at - interval '1 hour', 'why', '\\x"
        + payload.hex()
        + "' FROM ingest_ledger",
    )
    assert (await app_dead_letters.resend(run.database, Settings(), lambda _line: None)).complete
    assert await run.fetch("SELECT count(*) FROM llm_traces") == [(2,)]
    assert await run.fetch("SELECT digest FROM dead_letters") == []


async def test_a_dead_letter_that_was_cut_stays(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "PAYLOAD_MAX_BYTES", 10)
    execute(run.database, "INSERT INTO dead_letters VALUES ('default', 'traces', '\\x00', now(), 'why', '0123456789')")
    [piece] = (await app_dead_letters.resend(run.database, Settings(), lambda _line: None)).done
    assert piece.error == app_dead_letters.CUT
    assert len(await run.fetch("SELECT FROM dead_letters")) == 1


@pytest.mark.parametrize("requests", [1, 3], ids=["alone", "together"])
async def test_a_database_that_refuses_everything_is_our_fault_and_buries_nothing(run: Running, requests: int) -> None:
    execute(run.database, "ALTER TABLE llm_traces ADD CONSTRAINT nothing_passes CHECK (false) NOT VALID")
    payloads = [payload_of(f"service-{number}") for number in range(requests)]
    results = await asyncio.gather(*map(run.export, payloads), return_exceptions=True)
    assert all(isinstance(result, StorageUnavailable) for result in results)
    assert await run.fetch("SELECT digest FROM dead_letters") == []
    assert await run.fetch("SELECT digest FROM ingest_ledger") == []
    execute(run.database, "ALTER TABLE llm_traces DROP CONSTRAINT nothing_passes")
    assert [(await run.export(payload)).accepted for payload in payloads] == [2] * requests


async def test_locked_facts_are_answered_within_the_hold(run: Running) -> None:
    await assert_answered_within_the_hold(run, "llm_traces")


async def test_locked_sources_are_answered_within_the_hold(run: Running) -> None:
    await assert_answered_within_the_hold(run, "telemetry_sources")


async def assert_answered_within_the_hold(run: Running, table: str) -> None:
    await run.export(payload_of("known"))
    async with await psycopg.AsyncConnection.connect(run.database) as other:
        await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        waiting = asyncio.create_task(run.export(payload_of("new"), hold=1.0))
        await asyncio.wait([waiting], timeout=5)
        in_time = waiting.done()
    with pytest.raises(StorageUnavailable):
        await waiting
    assert in_time
    assert (await run.export(payload_of("new"))).accepted == 2


# ---- readiness


async def test_a_missing_table_of_facts_ends_readiness_until_it_is_back(run: Running) -> None:
    await assert_readiness_follows_a_missing_table(run, "llm_traces")


@pytest.mark.parametrize("table", ["ingest_ledger", "telemetry_sources"])
async def test_a_missing_table_beside_the_facts_ends_readiness_until_it_is_back(run: Running, table: str) -> None:
    await assert_readiness_follows_a_missing_table(run, table)


async def assert_readiness_follows_a_missing_table(run: Running, table: str) -> None:
    execute(run.database, f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(StorageUnavailable):
        await run.export(payload_of("new"))
    assert run.health.refusal is not None
    await run.check.recheck()
    assert run.health.refusal is not None, "ready although every request is refused"
    execute(run.database, f"ALTER TABLE elsewhere RENAME TO {table}")
    await run.check.recheck()
    assert run.health.refusal is None
    assert (await run.export(payload_of("new"))).accepted == 2


@pytest.mark.parametrize(
    "signal, table",
    [(METRICS, "llm_metrics"), (METRICS, "metric_labels"), (LOGS, "llm_logs")],
    ids=["metrics-facts", "metrics-labels", "logs-facts"],
)
async def test_a_missing_table_of_one_signal_ends_readiness_and_leaves_the_others_their_way(
    run: Running, signal: Signal, table: str
) -> None:
    execute(run.database, f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(StorageUnavailable):
        await run.export(REQUESTS[signal](3)[1], signal=signal)
    await run.check.recheck()
    assert run.health.refusal is not None, "ready although every request of a signal is refused"
    for other in set(SIGNALS) - {signal}:
        assert (await run.export(REQUESTS[other](3)[1], signal=other)).accepted == 3
    execute(run.database, f"ALTER TABLE elsewhere RENAME TO {table}")
    await run.check.recheck()
    assert run.health.refusal is None
    assert (await run.export(REQUESTS[signal](3)[1], signal=signal)).accepted == 3


@pytest.mark.alone("it judges time: no other test beside it")
@pytest.mark.parametrize("table", ["llm_traces", "llm_metrics", "llm_logs"])
async def test_a_locked_table_takes_no_readiness_and_little_time_of_the_check(run: Running, table: str) -> None:
    async with await psycopg.AsyncConnection.connect(run.database) as other:
        await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        run.health.refusal = "a doubt"
        began = time.monotonic()
        await run.check.recheck()
        assert time.monotonic() - began < 2.5, "the lock_timeout of one table is 1 s"
    assert run.health.refusal is None


async def test_a_refused_request_is_judged_by_the_rows_of_its_signal(run: Running) -> None:
    """Good spans say nothing of a table of logs that takes no row."""
    execute(run.database, "ALTER TABLE llm_logs ADD CONSTRAINT nothing_passes CHECK (false) NOT VALID")
    with pytest.raises(StorageUnavailable):
        await run.export(REQUESTS[LOGS](3)[1], signal=LOGS)
    assert await run.fetch("SELECT digest FROM dead_letters") == []
    execute(
        run.database,
        "ALTER TABLE llm_logs DROP CONSTRAINT nothing_passes",
        "ALTER TABLE llm_logs ADD CONSTRAINT no_guilt CHECK (service_name <> 'checkout')",
    )
    assert (await run.export(REQUESTS[LOGS](3)[1], signal=LOGS)).rejected == 3
    assert await run.fetch("SELECT signal FROM dead_letters") == [("logs",)]


# ---- requests of one signal sent to another's service


def sent_to_the_wrong_service() -> Iterator[tuple[Signal, Signal, bytes]]:
    """Sender, service, and what the sender's SDK would send, in its plainest forms too."""
    now = time.time_ns()
    scope_of: dict[Signal, Callable[[Any], bytes]] = {
        TRACES: lambda span: request_of(span).SerializeToString(),
        METRICS: lambda metric: MetricsData(
            resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])])]
        ).SerializeToString(),
        LOGS: lambda record: LogsData(
            resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])])]
        ).SerializeToString(),
    }
    point = NumberDataPoint(time_unix_nano=now, as_int=1)
    histogram = HistogramDataPoint(time_unix_nano=now, count=1, bucket_counts=[1])

    def span(name: str) -> Span:
        made = llm_span(b"\1" * 16, 1)
        made.name = name
        del made.attributes[:]
        return made

    records: dict[Signal, list[Any]] = {
        # A name is read as a body there: nothing, an unknown field, and what is a message by chance.
        TRACES: [span(name) for name in ("", "hi", "\n\x05hello", "GET /")],
        METRICS: [
            Metric(name="calls", sum=Sum(data_points=[point])),
            Metric(name="level", gauge=Gauge(data_points=[point])),
            Metric(name="seconds", histogram=Histogram(data_points=[histogram])),
            Metric(name="sixteen.letters.", description="8 bytes.", gauge=Gauge(data_points=[point])),
        ],
        LOGS: [
            LogRecord(time_unix_nano=now, body=AnyValue(string_value="hello")),
            LogRecord(time_unix_nano=now, severity_text="INFO", event_name="x", trace_id=b"\1" * 16, span_id=b"\1" * 8),
        ],
    }
    for sender in SIGNALS:
        payloads = [REQUESTS[sender](3)[1], *map(scope_of[sender], records[sender])]
        for service in SIGNALS:
            if service is not sender:
                yield from ((sender, service, payload) for payload in payloads)


async def test_nothing_bogus_is_stored_of_a_request_for_another_service(run: Running) -> None:
    stored = []
    for sender, service, payload in sent_to_the_wrong_service():
        try:
            result = await run.export(payload, signal=service)
        except InvalidPayload:
            continue
        if result.accepted:
            stored.append((sender.name, service.name, payload))
    assert stored == []
    for table in ("llm_traces", "llm_metrics", "llm_logs"):
        assert await run.fetch(f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_revoked_privilege_ends_readiness_until_it_is_granted_again(database: str) -> None:
    role = f"observatory_limited_{uuid.uuid4().hex}"
    everything = f"ALL ON ALL TABLES IN SCHEMA public TO {role}"
    execute(database, f"CREATE ROLE {role}", f"GRANT {everything}", f"GRANT ALL ON SCHEMA public TO {role}")
    execute(database, *(f"ALTER TABLE {table.name} OWNER TO {role}" for table in TABLES if table.partitioned))
    try:
        async with running(database, psycopg.conninfo.make_conninfo(database, options=f"-c role={role}")) as run:
            await run.export(payload_of("before"))
            execute(database, f"REVOKE INSERT ON ingest_touched FROM {role}")
            with pytest.raises(StorageUnavailable):
                await run.export(payload_of("without"))
            await run.check.recheck()
            assert "permission denied" in str(run.health.refusal)
            execute(database, f"GRANT {everything}")
            await run.check.recheck()
            assert run.health.refusal is None
            assert (await run.export(payload_of("after"))).accepted == 2
    finally:
        execute(database, f"REASSIGN OWNED BY {role} TO CURRENT_USER", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


# ---- known dimensions


async def test_a_source_is_written_again_on_the_next_day_and_once_a_day() -> None:
    known, encoded = KnownDimensions(), write_request(payload_of("checkout")).encoded
    [(table, rows)] = encoded.dimensions.items()
    assert known.missing([encoded], day=7) == {table: rows}
    known.add(table, rows, day=7, generation=known.generation)
    assert known.missing([encoded], day=7) == {}
    assert known.missing([encoded], day=8) == {table: rows}


async def test_a_copy_that_joins_a_blocked_request_gets_its_answer(run: Running) -> None:
    async with await psycopg.AsyncConnection.connect(run.database) as other:
        await other.execute("LOCK TABLE llm_traces IN ACCESS EXCLUSIVE MODE")
        payload = trace_request(2)[1]
        short = asyncio.create_task(run.export(payload, hold=0.1))
        await lock_waits(run.database)
        long = asyncio.create_task(run.export(payload, hold=10))
        await other.rollback()
        assert (await short).accepted == 2
        assert await long == ExportResult(b"", 0, 0)
