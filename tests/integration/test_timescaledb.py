"""TimescaleDB set up as its makers would: policies, columnstore, late and large rows, COPY into the columnstore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from llm_observatory import metrics
from llm_observatory.errors import StorageError, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import rollups
from llm_observatory.storage.connection import AsyncConnection, connect, connected
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.engine import compaction, detect
from llm_observatory.storage.engine.kept import refresh_window
from llm_observatory.storage.engine.partitions import HOUR_US, time_us
from llm_observatory.storage.engine.timescaledb import TimescaleDB
from llm_observatory.storage.engine.whole import rows_whole_since
from llm_observatory.storage.observe.readings import engine_has
from llm_observatory.storage.observe.rollup_lag import rollup_lag
from llm_observatory.storage.observe.upkeep import Smallest, look
from llm_observatory.storage.rollups import existing, kept
from llm_observatory.storage.write import Stored, WriteRequest
from llm_observatory.tables import AGGREGATE_VIEWS, BY_NAME, PARTITIONED
from llm_observatory.tables.rollups import GRAINS, RollupView
from tests.contract.test_rollups import Store, now, spread
from tests.integration.test_engine import has_lz4
from tests.integration.test_promises import payload_of, session_on, write_request
from tests.plugins.database import execute

pytestmark = pytest.mark.timeout(180)

JOBS = """
SELECT hypertable_name, proc_name, config ->> 'compress_after', config ->> 'drop_after', config ->> 'start_offset'
FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2
"""
STATUS = """
SELECT _timescaledb_functions.chunk_status(format('%%I.%%I', chunk_schema, chunk_name)::regclass)
FROM timescaledb_information.chunks WHERE hypertable_name = %s ORDER BY range_start
"""
COMPRESSED, UNORDERED, PARTIAL = 1, 2, 8


@pytest.fixture(params=["server", "webassembly"])
def url(request: pytest.FixtureRequest) -> str:
    """A migrated database on TimescaleDB with the Timescale licence."""
    if request.param == "server" and request.getfixturevalue("licence") != "timescale":
        pytest.skip("the server has no TimescaleDB with the Timescale licence; the WebAssembly one is tested")
    found: str = request.getfixturevalue("database" if request.param == "server" else "wasm_database")
    if request.param == "server":
        execute(found, "SELECT _timescaledb_functions.stop_background_workers()")  # tests run jobs themselves
    return found


@pytest.fixture
async def connection(url: str) -> AsyncIterator[AsyncConnection]:
    connection = await connect(url)
    await (await engine_on(connection)).reconcile(connection, Settings())  # a clone has not the settings of roles
    yield connection
    await connection.close()


async def fetch(connection: AsyncConnection, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode(), parameters)).fetchall()


async def engine_on(connection: AsyncConnection, settings: Settings | None = None) -> TimescaleDB:
    engine = await detect(connection, settings or Settings())
    assert isinstance(engine, TimescaleDB)
    return engine


async def test_everything_that_doctor_reads_can_be_read(connection: AsyncConnection) -> None:
    found = await look(connection, Settings(), Smallest(unused_seconds=0, index_bytes=1))
    assert found.failed == {}
    assert found.failed_jobs is not None
    assert found.late_chunks == []
    assert not any(index.name.startswith("_") for index in found.unused_indexes or ())


async def test_every_policy_is_there_once(connection: AsyncConnection) -> None:
    jobs = await fetch(connection, JOBS)
    of_facts = {(table, kind) for table in PARTITIONED for kind in ("policy_compression", "policy_retention")}
    of_rollups = {
        (view.name, kind) for view in AGGREGATE_VIEWS for kind in ("policy_refresh_continuous_aggregate", "policy_retention")
    }
    assert [(job[0], job[1]) for job in jobs] == sorted(of_facts | of_rollups)


async def test_changed_settings_change_the_jobs_and_back_leaves_nothing(connection: AsyncConnection) -> None:
    before = await fetch(connection, JOBS)
    engine = await engine_on(connection)
    other = Settings(retention="30d", content_retention="10d", compress_after="2d", chunk_interval="6h", rollup_retention="60d")
    assert await engine.reconcile(connection, other) != []
    jobs = {(job[0], job[1]): job[2:] for job in await fetch(connection, JOBS)}
    assert len(jobs) == len(before)
    assert jobs["llm_traces", "policy_retention"] == (None, "30 days", None)
    assert jobs["llm_content", "policy_retention"] == (None, "10 days", None)
    assert jobs["llm_traces", "policy_compression"] == ("2 days", None, None)
    assert jobs["trace_metrics_daily", "policy_retention"] == (None, "60 days", None)
    assert jobs["trace_metrics_hourly", "policy_refresh_continuous_aggregate"] == (None, None, "29 days 19:00:00")
    intervals = "SELECT DISTINCT time_interval FROM timescaledb_information.dimensions WHERE hypertable_name = ANY(%s)"
    assert await fetch(connection, intervals, list(PARTITIONED)) == [(timedelta(hours=6),)]
    assert await engine.reconcile(connection, other) == []
    await engine.drop_expired(connection, time_us(datetime.now(UTC)))
    await engine.reconcile(connection, Settings())
    # How far back rollups are refreshed does not come back at once: what was dropped meanwhile must not be summed up anew.
    after = await fetch(connection, JOBS)
    assert [job[:4] for job in after] == [job[:4] for job in before]
    assert {job[4] for job in after} == {None, "29 days 01:00:00", "30 days"}
    assert await fetch(connection, intervals, list(PARTITIONED)) == [(timedelta(days=1),)]


async def test_policies_that_others_added_are_replaced(connection: AsyncConnection) -> None:
    """As newer versions of TimescaleDB do by themselves. What is paused stays paused."""
    before = await fetch(connection, JOBS)
    await connection.execute("SELECT remove_retention_policy('llm_logs')")
    await connection.execute("SELECT add_retention_policy('llm_logs', INTERVAL '3 days')")
    await connection.execute("SELECT remove_compression_policy('llm_traces')")
    await connection.execute("SELECT add_compression_policy('llm_traces', INTERVAL '1 day')")
    await connection.execute("SELECT remove_continuous_aggregate_policy('llm_usage_daily')")
    [(paused,)] = await fetch(
        connection,
        "SELECT job_id FROM timescaledb_information.jobs"
        " WHERE hypertable_name = 'llm_metrics' AND proc_name = 'policy_retention'",
    )
    await connection.execute("SELECT alter_job(%s, scheduled => false)", [paused])
    engine = await engine_on(connection)
    changed = await engine.reconcile(connection, Settings())
    assert await fetch(connection, JOBS) == before
    assert changed == [
        "llm_usage_daily: refresh from 90d to 1h before now",
        "llm_traces: compress after 7d",
        "llm_logs: drop after 90d",
    ]
    assert await fetch(connection, "SELECT scheduled FROM timescaledb_information.jobs WHERE job_id = %s", paused) == [(False,)]


@pytest.mark.parametrize("retention", ["2h", "26h", "3d", "90d", "3650d"])
async def test_any_retention_has_policies_that_timescaledb_takes(connection: AsyncConnection, retention: str) -> None:
    settings = Settings(retention=retention, chunk_interval="1h", compress_after="1h")
    engine = await engine_on(connection)
    await engine.reconcile(connection, settings)
    assert await engine.reconcile(connection, settings) == []
    for view in AGGREGATE_VIEWS:
        window = refresh_window(view.grain, settings, settings.retention)
        assert window.start - window.end >= (timedelta(hours=2) if view.grain == "hourly" else timedelta(days=2))


async def test_the_columnstore_is_as_declared(connection: AsyncConnection) -> None:
    settings = {
        table: (segment_by, order_by)
        for table, segment_by, order_by in await fetch(
            connection,
            "SELECT hypertable::text, segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings"
            " WHERE hypertable::text = ANY(%s)",
            list(PARTITIONED),
        )
    }
    assert settings == {
        "llm_traces": ("tenant,service_name", '"timestamp" DESC'),
        "llm_content": ("tenant,service_name", '"timestamp" DESC'),
        "llm_logs": ("tenant,service_name", '"timestamp" DESC'),
        "llm_metrics": ("tenant,metric_name,service_name", 'series_id,"timestamp" DESC'),
        "trace_index": ("tenant", 'trace_id,"timestamp" DESC'),
    }


async def test_a_changed_columnstore_is_set_right_again(connection: AsyncConnection) -> None:
    await connection.execute("ALTER TABLE llm_logs SET (timescaledb.compress, timescaledb.compress_segmentby = 'level')")
    engine = await engine_on(connection)
    changed = await engine.reconcile(connection, Settings())
    assert changed == ["llm_logs: columnstore segmented by tenant, service_name, ordered by timestamp DESC"]
    assert await engine.reconcile(connection, Settings()) == []


async def test_old_chunks_are_compressed_and_late_rows_are_stored_in_them(url: str, connection: AsyncConnection) -> None:
    """A bloom filter of the trace id is in the compressed chunk; what comes late is found, and compressed by the next run."""
    session_of = session_on(url, CopyWriter(10_000))  # by INSERT: the WebAssembly server has one connection
    async with session_of as session:
        await session.write([write_request(payload_of("shop", days_ago=10, spans=30))])
        await session.close()
        await run_job(connection, "llm_traces", "policy_compression")
        assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED,)]
        late = write_request(payload_of("shop", days_ago=10, spans=5))
        assert await session.write([late]) == [Stored(b"")]
        assert await session.write([late]) == [Stored(b"", duplicate=True)]
    assert await fetch(connection, "SELECT count(*) FROM llm_traces") == [(35,)]
    assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED | PARTIAL,)]
    await run_job(connection, "llm_traces", "policy_compression")
    assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED,)]
    assert await fetch(connection, "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM llm_traces") == [(35, 35)]


async def run_job(connection: AsyncConnection, relation: str, kind: str) -> None:
    [(job,)] = await fetch(
        connection,
        "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = %s AND proc_name = %s",
        relation,
        kind,
    )
    await connection.execute(f"CALL run_job({job})".encode())


@pytest.mark.timescaledb("a gigabyte of text is too much for the WebAssembly one")
async def test_bodies_of_a_megabyte_are_compressed(database: str) -> None:
    """A thousand of them are one batch, and a batch of a column one datum: more than 1 GB, which PostgreSQL refuses."""
    connection = await connect(database)
    try:
        await (await engine_on(connection)).reconcile(connection, Settings())
        await connection.execute(
            "INSERT INTO llm_content SELECT 'default', now() - INTERVAL '10 days' + n * INTERVAL '1 second', 'shop', NULL,"
            " NULL, NULL, 'input', 'span_attribute', NULL, 'a', false, repeat(md5(n::text), 41000), 1312000"
            " FROM generate_series(1, 900) n"
        )
        await connection.execute("SET timescaledb.enable_compressor_batch_limit = off")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            await connection.execute("SELECT compress_chunk(c) FROM show_chunks('llm_content') c")
    finally:
        await connection.close()
    connection = await connect(database)  # with the settings of the role, as jobs have them
    try:
        await run_job(connection, "llm_content", "policy_compression")
        assert COMPRESSED in {status for (status,) in await fetch(connection, STATUS, "llm_content")}
        assert await fetch(connection, "SELECT count(*), sum(length(body)) FROM llm_content") == [(900, 900 * 1312000)]
    finally:
        await connection.close()


async def test_from_tables_to_continuous_aggregates_and_back(url: str, connection: AsyncConnection) -> None:
    """What a change of the licence does: both forms say the same, and what cannot be computed any more is taken over."""
    store = Store(url)
    await store.add(1, spread(1, now() - timedelta(days=4), timedelta(days=4), 100))
    await connection.execute(
        "INSERT INTO telemetry_sources SELECT tenant, source_id, '', '{}', 0, '', NULL, '', '', '{}', 0, '', current_date"
        " FROM llm_traces"
    )
    await store.settle()
    since = dict.fromkeys(GRAINS, await rows_whole_since(connection, Settings(), datetime.now(UTC)))
    tables = await rollups.ensure(connection, "tables", since)
    assert tables == [f"rollup {name}: tables" for name in ("trace_metrics", "llm_usage", "metric_stats")]
    store.assert_exact()
    await rollups.work_off(connection, now(), now() - timedelta(days=90))
    store.assert_exact()
    await connection.execute(
        "INSERT INTO llm_usage_daily_state (tenant, bucket, call_count)"
        " VALUES ('default', date_trunc('day', now(), 'UTC') - INTERVAL '700 days', 7)"
    )
    await store.settle()
    taken_over = "SELECT call_count FROM llm_usage_daily WHERE bucket < now() - INTERVAL '600 days'"
    assert await fetch(connection, taken_over) == [(7,)]
    again = await rollups.ensure(connection, "tables", since)
    assert len(again) == 3
    assert await fetch(connection, taken_over) == [(7,)]


async def test_a_rollup_that_a_view_keeps_a_table_is_kept_up_as_one(url: str, connection: AsyncConnection) -> None:
    """Beside a continuous aggregate of the same signal. What is pending of it stays until it has become one too."""
    store, settings = Store(url), Settings()
    begin = now() - timedelta(days=4)
    await store.add(1, spread(1, begin, timedelta(days=4), 100))
    await store.settle()
    await rollups.ensure(connection, "tables", dict.fromkeys(GRAINS, now() - timedelta(days=90)))
    await connection.execute("CREATE VIEW theirs AS SELECT sum(span_count) FROM trace_metrics_hourly")
    engine = await engine_on(connection, settings)
    pending = "SELECT DISTINCT signal FROM rollup_pending"
    counted = (
        "SELECT (SELECT count(*) FROM llm_traces), (SELECT * FROM theirs),"
        " (SELECT sum(span_count) FROM trace_metrics_hourly), (SELECT sum(span_count) FROM trace_metrics_daily)"
    )
    await connection.execute("SELECT remove_retention_policy('llm_traces')")
    with pytest.raises(StorageError):
        await engine.reconcile(connection, settings)
    jobs = {(relation, kind) for relation, kind, *_ in await fetch(connection, JOBS)}
    assert {("llm_traces", "policy_retention"), ("llm_usage_hourly", "policy_refresh_continuous_aggregate")} <= jobs
    assert [rollup.name for rollup in await rollups.that_are_tables(connection)] == ["trace_metrics", "usage_corrections"]

    async def assert_counted() -> None:
        [(rows, *sums)] = await fetch(connection, counted)
        assert sums == [rows] * 3

    await engine.follow_changes(connection, now())
    assert await fetch(connection, pending) == [("traces",)]
    await assert_counted()
    await connection.execute("UPDATE rollup_pending SET pending_since = pending_since - INTERVAL '1 hour'")
    lag = await rollup_lag(connection, settings, await engine_has(connection), now())
    assert 3000 < lag["trace_metrics_hourly"] < 3600
    await engine.follow_changes(connection, now())
    await store.add(2, spread(2, begin, timedelta(days=3), 50))
    await assert_counted()
    await engine.follow_changes(connection, now())
    assert await fetch(connection, f"{pending} WHERE hour < now() - INTERVAL '2 hours'") == []
    await assert_counted()
    await connection.execute("DROP VIEW theirs")
    await store.settle()
    assert [rollup.name for rollup in await rollups.that_are_tables(connection)] == ["usage_corrections"]
    assert await fetch(connection, pending) == []
    store.assert_exact()


@pytest.mark.timescaledb("locks")
async def test_nobody_waits_for_the_rows_while_what_is_kept_is_put_back(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted just then it is put back the next time, and nothing is there twice."""
    store = Store(database)
    execute(database, "SELECT _timescaledb_functions.stop_background_workers()")
    await store.add(1, spread(1, now() - timedelta(days=4), timedelta(days=4), 100))
    put_back = kept.put_back
    locks = "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'llm_traces'::regclass"
    held = list[tuple[Any, ...]]()

    async def interrupted(connection: AsyncConnection, view: RollupView) -> None:
        held.extend(await fetch(connection, locks))
        await put_back(connection, view)
        raise StorageError("interrupted")

    connection = await connect(database)
    try:
        await store.settle()
        [(behind,)] = await fetch(connection, kept._BEHIND_CONTINUOUS_AGGREGATE, "trace_metrics_daily")
        long_ago = "date_trunc('day', now(), 'UTC') - INTERVAL '700 days'"
        insert = f"INSERT INTO {behind} (tenant, bucket, span_count) VALUES ('default', {long_ago}, 7)"
        await connection.execute(insert.encode())
        await connection.execute("COMMENT ON VIEW trace_metrics_daily IS 'of another version'")
        monkeypatch.setattr(existing, "put_back", interrupted)
        with pytest.raises(StorageError):
            await (await engine_on(connection)).reconcile(connection, Settings())
        assert held == []
        monkeypatch.undo()
        assert await (await engine_on(connection)).reconcile(connection, Settings()) == []
        await store.settle()
        left = "SELECT span_count FROM trace_metrics_daily WHERE bucket < now() - INTERVAL '600 days'"
        assert await fetch(connection, left) == [(7,)]
        assert await fetch(connection, "SELECT relname FROM pg_class WHERE relname ~ '_kept$'") == []
    finally:
        await connection.close()


@pytest.fixture
async def direct(database: str) -> CopyWriter:
    """Writes as COPY_DIRECT_COMPRESS has it."""
    async with connected(database) as connection:
        chunk_us = (await engine_on(connection, Settings(copy_direct_compress=True))).compressed_chunk_us
    return CopyWriter(60, lambda: chunk_us)


async def stored_with(connection: AsyncConnection) -> set[str]:
    """How large values of the compressed chunks of `llm_traces` are compressed once more."""
    [(chunk,)] = await fetch(
        connection,
        "SELECT format('%%I.%%I', compressed.schema_name, compressed.table_name) FROM _timescaledb_catalog.chunk"
        " JOIN _timescaledb_catalog.hypertable ON hypertable.id = chunk.hypertable_id AND hypertable.table_name = %s"
        " JOIN _timescaledb_catalog.chunk compressed ON compressed.id = chunk.compressed_chunk_id",
        "llm_traces",
    )
    columns = await fetch(
        connection,
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attlen = -1",
        chunk,
    )
    found: set[str] = set()
    for (column,) in columns:
        found |= {
            method for (method,) in await fetch(connection, f"SELECT DISTINCT pg_column_compression({column}) FROM {chunk}")
        }
    return {method for method in found if method}


def of_services(services: list[str], spans: int, days_ago: int = 1) -> list[WriteRequest]:
    return [write_request(payload_of(service, days_ago=days_ago, spans=spans)) for service in services]


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_large_commits_go_into_the_columnstore_and_small_ones_do_not(database: str, direct: CopyWriter) -> None:
    connection = await connect(database)
    try:
        if not (await engine_on(connection)).edition.has_direct_compress:
            pytest.skip("this version cannot")
        async with session_on(database, direct) as session:
            await session.write(of_services(["a", "b"], 99, days_ago=2))
            await session.write(of_services(["a", "b"], 100, days_ago=1))
        assert await fetch(connection, STATUS, "llm_traces") == [(0,), (COMPRESSED | UNORDERED,)]
        assert await fetch(connection, "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM llm_traces") == [(398, 398)]
        Store(database).assert_exact()
    finally:
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_batches_of_a_commit_are_stored_with_lz4(database: str, direct: CopyWriter) -> None:
    """Those of a job are with pglz: it may have a batch of 1 GB."""
    connection = await connect(database)
    try:
        if not (await engine_on(connection)).edition.has_direct_compress or not await has_lz4(connection):
            pytest.skip("this version, or its server, cannot")
        async with session_on(database, direct) as session:
            await session.write(of_services(["a"], 1000))
        assert await stored_with(connection) == {"lz4"}
    finally:
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_segments_are_counted_by_chunks(database: str) -> None:
    """150 spans in two hours: enough for one chunk of a day, too few for two chunks of an hour."""
    spans = [write_request(payload_of("a", days_ago=days, spans=75)) for days in (1, 1 + 1 / 24)]
    connection = await connect(database)
    try:
        if not (await engine_on(connection)).edition.has_direct_compress:
            pytest.skip("this version cannot")
        await connection.execute("SELECT set_chunk_time_interval('llm_traces', INTERVAL '1 hour')")
        async with session_on(database, CopyWriter(60, lambda: HOUR_US)) as session:
            await session.write(spans)
        assert set(await fetch(connection, STATUS, "llm_traces")) == {(0,)}
    finally:
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_small_commits_are_not_compressed_whatever_the_session_says(database: str, direct: CopyWriter) -> None:
    connection = await connect(database)
    try:
        if not (await engine_on(connection)).edition.has_direct_compress:
            pytest.skip("this version cannot")
        database_name = connection.info.dbname
        await connection.execute(f"ALTER DATABASE {database_name} SET timescaledb.enable_direct_compress_copy = on".encode())
        async with session_on(database, direct) as session:
            await session.write(of_services(["a"], 20))
        assert await fetch(connection, STATUS, "llm_traces") == [(0,)]
    finally:
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_a_compressed_commit_is_atomic_with_the_ledger(database: str, direct: CopyWriter) -> None:
    """The last table of the transaction refuses; then it is sent again, twice."""
    connection = await connect(database)
    requests = of_services(["a", "b"], 200)
    try:
        await connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON ingest_touched FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        async with session_on(database, direct) as session:
            with pytest.raises(StorageError):
                await session.write(requests)
            assert await fetch(connection, "SELECT count(*) FROM llm_traces") == [(0,)]
            assert await fetch(connection, "SELECT count(*) FROM ingest_ledger") == [(0,)]
            await connection.execute("DROP TRIGGER refuse ON ingest_touched")
            assert await session.write(requests) == [Stored(b""), Stored(b"")]
            assert await session.write(requests) == [Stored(b"", duplicate=True)] * 2
        assert await fetch(connection, "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM llm_traces") == [(400, 400)]
    finally:
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_what_was_compressed_by_copy_is_put_in_order_when_its_time_is_over(database: str, direct: CopyWriter) -> None:
    connection = await connect(database)
    try:
        if not (await engine_on(connection)).edition.has_direct_compress:
            pytest.skip("this version cannot")
        async with session_on(database, direct) as session:
            for _ in range(3):
                await session.write(of_services(["a"], 150, days_ago=1))
            await session.write(of_services(["a"], 5, days_ago=1))
        assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED | UNORDERED | PARTIAL,)]
        assert await compaction.compact(connection, datetime.now(UTC) - timedelta(days=1), Settings()) == 0
        assert await compaction.compact(connection, datetime.now(UTC) + timedelta(days=1), Settings()) > 0
        assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED,)]
        assert await fetch(connection, "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM llm_traces") == [(455, 455)]
    finally:
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_a_chunk_that_cannot_be_put_in_order_keeps_no_other_waiting(database: str, direct: CopyWriter) -> None:
    """Of three days of spans the first is held by somebody; the other two, and the next table, are put in order."""
    connection = await connect(database)
    holder = await connect(database)
    status = "SELECT _timescaledb_functions.chunk_status(chunk) FROM show_chunks(%s) chunk ORDER BY chunk::text"
    try:
        if not (await engine_on(connection)).edition.has_direct_compress:
            pytest.skip("this version cannot")
        async with session_on(database, direct) as session:
            for days in (3, 2, 1):
                await session.write(of_services(["a"], 150, days_ago=days))
        await connection.execute("SET lock_timeout = '50ms'")
        failed = metrics.ERRORS.labels("unavailable")._value.get()
        async with holder.transaction():
            [(first,)] = await fetch(holder, "SELECT min(chunk::text) FROM show_chunks('llm_traces') chunk")
            await holder.execute(f"LOCK TABLE {first} IN ROW EXCLUSIVE MODE".encode())
            with pytest.raises(StorageUnavailable):
                await compaction.compact(connection, datetime.now(UTC) + timedelta(days=1), Settings())
        unordered, ordered = (COMPRESSED | UNORDERED,), (COMPRESSED,)
        assert await fetch(connection, status, "llm_traces") == [unordered, ordered, ordered]
        assert set(await fetch(connection, status, "trace_index")) == {ordered}
        assert metrics.ERRORS.labels("unavailable")._value.get() == failed + 1
        assert await compaction.compact(connection, datetime.now(UTC) + timedelta(days=1), Settings()) == 1
    finally:
        await holder.close()
        await connection.close()


@pytest.mark.timescaledb("COPY goes into the columnstore")
async def test_small_commits_between_do_not_keep_the_policy_from_a_chunk_that_is_written_to(
    database: str, direct: CopyWriter
) -> None:
    connection = await connect(database)
    try:
        engine = await engine_on(connection)
        if not engine.edition.has_compaction_policy:
            pytest.skip("this version has none")
        await engine.reconcile(connection, Settings(copy_direct_compress=True))
        async with session_on(database, direct) as session:
            for spans in (150, 5, 150):
                await session.write(of_services(["a"], spans, days_ago=0))
        assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED | UNORDERED | PARTIAL,)]
        await run_job(connection, "llm_traces", "policy_compaction")
        assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED | UNORDERED | PARTIAL,)]
        assert await compaction.restore_partial(connection, datetime.now(UTC)) > 0
        await run_job(connection, "llm_traces", "policy_compaction")
        assert await fetch(connection, STATUS, "llm_traces") == [(COMPRESSED,)]
        assert await fetch(connection, "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM llm_traces") == [(305, 305)]
    finally:
        await connection.close()


@pytest.mark.timescaledb("what newer versions add")
async def test_compaction_is_a_policy_where_there_is_one(database: str) -> None:
    connection = await connect(database)
    try:
        engine = await engine_on(connection)
        await engine.reconcile(connection, Settings(copy_direct_compress=True))
        jobs = {job[0] for job in await fetch(connection, JOBS) if job[1] == "policy_compaction"}
        assert jobs == (set(PARTITIONED) if engine.edition.has_compaction_policy else set())
        await engine.reconcile(connection, Settings())
        assert not [job for job in await fetch(connection, JOBS) if job[1] == "policy_compaction"]
    finally:
        await connection.close()


async def test_expired_chunks_are_dropped(url: str, connection: AsyncConnection) -> None:
    """By policies with the Timescale licence. Our own hand, which does it without, is tried on the same chunks."""
    store = Store(url)
    await store.add(1, [now() - timedelta(days=days) for days in (1, 95, 100)])
    await run_job(connection, "llm_traces", "policy_retention")
    assert await fetch(connection, "SELECT count(*) FROM llm_traces WHERE timestamp < now() - INTERVAL '90 days'") == [(0,)]
    assert await fetch(connection, "SELECT count(*) FROM llm_metrics WHERE timestamp < now() - INTERVAL '90 days'") == [(2,)]


async def test_every_partitioned_table_declares_its_columnstore() -> None:
    for name in PARTITIONED:
        table = BY_NAME[name]
        assert table.order_by
        assert table.segment_by[0] == "tenant"
        columns = {column.name for column in table.columns}
        assert {column for _, column in table.sparse_indexes} <= columns
        assert {order.split()[0] for order in table.order_by} <= columns
