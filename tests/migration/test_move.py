"""From partitions to hypertables in place: everything is there afterwards, whatever happened on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from llm_observatory.errors import SchemaMismatch, StorageError, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage import dbmate, migrate, move
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import CurrentEngine, detect
from llm_observatory.storage.engine.timescaledb import TimescaleDB
from llm_observatory.storage.locks import Lock, try_session_lock
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.move import rows, swap
from llm_observatory.storage.search_filters import absent_hours, words
from tests.contract.query.test_logs import record
from tests.contract.query.test_logs import request as records
from tests.contract.query.test_usage import spans
from tests.contract.test_rollups import SETTINGS, Store, now, spread
from tests.integration.test_usage_corrections import BEGIN, START, of_trace, twice
from tests.plugins.brute_force import read
from tests.plugins.database import execute
from tests.plugins.engines import SERVER, WEBASSEMBLY
from tests.plugins.query import opened

pytestmark = pytest.mark.timeout(180)

SUMS = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {} t"
FACTS = ("llm_traces", "llm_metrics", "trace_index", "llm_logs", "llm_content")


async def begin_on_partitions(url: str) -> None:
    """What a database looks like that began on plain PostgreSQL and got the extension afterwards."""
    connection = await connect(url)
    dbmate_url = dbmate.database_url(connection, url)
    await connection.close()
    root = migrate.root()
    assert await dbmate.run(dbmate_url, [root, root / "postgresql"], "migrate", lambda _line: None) == (0, [])
    await migrate.up(url, lambda _line: None, SETTINGS)


@pytest.fixture(params=[SERVER, WEBASSEMBLY])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == WEBASSEMBLY:
        url: str = request.getfixturevalue("wasm_timescale")
    elif request.getfixturevalue("licence") is None:
        pytest.skip("the server has no TimescaleDB; the WebAssembly one is moved to")
    else:
        url = request.getfixturevalue("empty_database")
        execute(url, "CREATE EXTENSION timescaledb")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, begin_on_partitions(url)).result()
    return Store(url)


def sums(url: str) -> dict[str, tuple[Any, ...] | None]:
    with psycopg.connect(url, autocommit=True) as connection:
        return {table: connection.execute(SUMS.format(table).encode()).fetchone() for table in FACTS}


async def engine_of(url: str) -> Any:
    connection = await connect(url)
    try:
        return await detect(connection, SETTINGS)
    finally:
        await connection.close()


async def fill(store: Store) -> None:
    await store.add(1, spread(1, now() - timedelta(days=5), timedelta(days=5), 150))
    execute(store.url, "INSERT INTO trace_index SELECT tenant, timestamp, timestamp, trace_id FROM llm_traces WHERE false")


async def test_all_rows_are_in_hypertables_and_nothing_is_left_behind(store: Store) -> None:
    await fill(store)
    await store.settle()
    before = sums(store.url)
    assert not isinstance(await engine_of(store.url), TimescaleDB)
    lines: list[str] = []
    moved = await move.to_timescaledb(store.url, SETTINGS, lines.append)
    assert isinstance(await engine_of(store.url), TimescaleDB)
    assert sums(store.url) == before
    assert {table.table: table.rows for table in moved} == {table: row[0] for table, row in before.items() if row}
    assert await migrate.verify(store.url) == []
    await store.settle()
    assert store.assert_exact() > 100
    with psycopg.connect(store.url, autocommit=True) as connection:
        left = connection.execute("SELECT relname FROM pg_class WHERE relname ~ '_partitions$|_p20'").fetchall()
    assert left == []
    assert any("100 % of all" in line for line in lines)


async def test_a_second_time_there_is_nothing_to_do(store: Store) -> None:
    await fill(store)
    await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
    again = await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
    assert [table.partitions for table in again] == [0] * len(FACTS)


async def test_indexes_views_grants_and_comments_are_those_of_before(store: Store) -> None:
    execute(
        store.url,
        "CREATE VIEW theirs AS SELECT service_name, count(*) FROM llm_traces GROUP BY 1",
        "GRANT SELECT ON llm_traces TO PUBLIC",
    )
    await fill(store)
    query = (
        "SELECT c.relname, regexp_replace(pg_get_indexdef(i.indexrelid), ' ON (ONLY )?', ' ON ')"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY(%s::text[]::regclass[]) ORDER BY 1"
    )
    comments = "SELECT obj_description(t::regclass) FROM unnest(%s::text[]) t"
    with psycopg.connect(store.url, autocommit=True) as connection:
        indexes = connection.execute(query, [list(FACTS)]).fetchall()
        said = connection.execute(comments, [list(FACTS)]).fetchall()
        theirs = sorted(connection.execute("SELECT * FROM theirs").fetchall())
    await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
    with psycopg.connect(store.url, autocommit=True) as connection:
        assert connection.execute(query, [list(FACTS)]).fetchall() == indexes
        assert connection.execute(comments, [list(FACTS)]).fetchall() == said
        assert sorted(connection.execute("SELECT * FROM theirs").fetchall()) == theirs
        granted = "SELECT has_table_privilege('pg_monitor', 'llm_traces', 'SELECT')"
        assert connection.execute(granted).fetchone() == (True,)


async def test_interrupted_it_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each partition anew: until then what was moved is moved, and the rest is where it was."""
    await fill(store)
    before = sums(store.url)
    finished = move._Meter.finished
    seen = 0

    def interrupt(*arguments: Any) -> None:
        nonlocal seen
        finished(*arguments)
        seen += 1
        if seen % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(move._Meter, "finished", interrupt)
    runs = 0
    while True:
        runs += 1
        try:
            await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
        except KeyboardInterrupt:
            continue
        break
    assert runs > 3
    assert sums(store.url) == before
    assert await migrate.verify(store.url) == []


async def test_rows_that_differ_are_not_moved(store: Store) -> None:
    """A rule on the new table that loses rows: the old partition stays, and the message says so."""
    await fill(store)
    connection = await connect(store.url)
    try:
        await swap.swap_table(connection, "llm_traces", timedelta(days=1), lambda _line: None)
        [*others, newest] = await rows.waiting(connection, "llm_traces")
        await connection.execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN CASE WHEN NEW.timestamp_nanos >= 0 THEN NULL END; END $$"
        )
        await connection.execute("CREATE TRIGGER lose BEFORE INSERT ON llm_traces FOR EACH ROW EXECUTE FUNCTION lose()")
        with pytest.raises(move.MoveFailed, match="was left where it was"):
            async for _ in rows.move(connection, "llm_traces", "timestamp", newest):
                pass
        assert [*others, newest] == await rows.waiting(connection, "llm_traces")
    finally:
        await connection.close()


async def test_sums_by_day_that_outlived_their_rows_are_kept(store: Store) -> None:
    await fill(store)
    await store.settle()
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO trace_metrics_daily_state SELECT (jsonb_populate_record(s,"
            " jsonb_build_object('bucket', date_trunc('day', now(), 'UTC') - INTERVAL '500 days'))).*"
            " FROM trace_metrics_daily_state s WHERE bucket = (SELECT min(bucket) FROM trace_metrics_daily_state)"
        )
        before = [row for row in read(connection, "trace_metrics_daily") if row["bucket"] < now() - timedelta(days=400)]
    assert before
    await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
    await store.settle()
    with psycopg.connect(store.url, autocommit=True) as connection:
        after = [row for row in read(connection, "trace_metrics_daily") if row["bucket"] < now() - timedelta(days=400)]
    assert sorted(after, key=repr) == sorted(before, key=repr)


async def test_a_plain_database_is_refused_in_words_that_say_what_to_do(database: str, licence: str | None) -> None:
    if licence is not None:
        pytest.skip("this server has TimescaleDB")
    with pytest.raises(SchemaMismatch, match="shared_preload_libraries"):
        await move.to_timescaledb(database, Settings(), lambda _line: None)


async def test_the_newest_of_all_tables_come_first(store: Store) -> None:
    """Who asks for a trace of today asks for its content and its logs too."""
    await fill(store)
    lines: list[str] = []
    await move.to_timescaledb(store.url, SETTINGS, lines.append)
    days = [line.partition("(")[2][:10] for line in lines if "checksums agree" in line]
    assert len(set(days)) > 5
    assert days == sorted(days, reverse=True)


async def test_each_part_reads_its_blocks_and_no_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a table that has no index on its time."""
    monkeypatch.setattr(rows, "STEP_BLOCKS", 3)
    noon = (now() - timedelta(days=1)).replace(hour=12)  # all of one partition, whatever time it is
    await store.add(2, spread(2, noon, timedelta(hours=2), 300))
    connection = await connect(store.url)
    try:
        await swap.swap_table(connection, "llm_metrics", timedelta(days=1), lambda _line: None)
        sizes = {
            partition: await rows.size(connection, partition) for partition in await rows.waiting(connection, "llm_metrics")
        }
        largest = max(sizes, key=lambda partition: sizes[partition])
        steps = await rows._steps(connection, "llm_metrics", largest)
        assert len(steps) > 1
        plans = [await (await connection.execute(sql.SQL("EXPLAIN {}").format(step))).fetchall() for step in steps]
        copied = [progress async for progress in rows.move(connection, "llm_metrics", "timestamp", largest)]
    finally:
        await connection.close()
    assert all("Tid Range Scan" in str(plan) for plan in plans)
    assert copied == sorted(copied)
    assert len(copied) == len(steps)


@pytest.mark.parametrize("hours, least", [(6, 20), (7 * 24, 1)])
async def test_chunks_longer_and_shorter_than_partitions(
    store: Store, monkeypatch: pytest.MonkeyPatch, hours: int, least: int
) -> None:
    """The settings' chunks from the first one on; all are there before the long transaction begins."""
    await fill(store)
    before = sums(store.url)
    settings = SETTINGS.model_copy(update={"chunk_interval": timedelta(hours=hours)})
    chunks = f"SELECT count(*) FROM timescaledb_information.chunks WHERE range_end - range_start = INTERVAL '{hours} hours'"
    repeatable_read, counts = rows._repeatable_read, list[Any]()

    @asynccontextmanager
    async def counted(connection: AsyncConnection) -> AsyncIterator[None]:
        counts.append(await (await connection.execute(chunks.encode())).fetchone())
        async with repeatable_read(connection):
            yield
        counts.append(await (await connection.execute(chunks.encode())).fetchone())

    monkeypatch.setattr(rows, "_repeatable_read", counted)
    await move.to_timescaledb(store.url, settings, lambda _line: None)
    assert counts[::2] == counts[1::2]
    assert counts[-1][0] >= least
    assert sums(store.url) == before
    with psycopg.connect(store.url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM timescaledb_information.chunks").fetchone() == counts[-1]


@pytest.mark.timescaledb("two sessions, and locks")
async def test_one_at_a_time(empty_database: str) -> None:
    execute(empty_database, "CREATE EXTENSION timescaledb")
    await begin_on_partitions(empty_database)
    async with await connect(empty_database) as other:
        assert await try_session_lock(other, Lock.MOVE)
        with pytest.raises(StorageUnavailable, match="another process"):
            await move.to_timescaledb(empty_database, SETTINGS, lambda _line: None)


@pytest.mark.timescaledb("two sessions, and locks")
async def test_a_table_in_use_is_tried_again_and_said_to_be(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(empty_database, "CREATE EXTENSION timescaledb")
    await begin_on_partitions(empty_database)
    monkeypatch.setattr(swap, "ATTEMPTS", 10)
    monkeypatch.setattr(swap, "LOCK_TIMEOUT", "20ms")
    lines: list[str] = []
    async with await connect(empty_database) as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM llm_traces")
        with pytest.raises(StorageError, match="always in use"):
            await move.to_timescaledb(empty_database, SETTINGS, lines.append)
    assert lines == ["llm_traces is in use, trying again (10 of 10)"]


async def test_what_others_made_over_rollups_is_named_and_nothing_is_changed(store: Store) -> None:
    """A continuous aggregate would have to take the place of what they read."""
    execute(
        store.url,
        "CREATE VIEW theirs AS SELECT sum(span_count) FROM trace_metrics_hourly",
        "CREATE MATERIALIZED VIEW copied AS SELECT * FROM llm_usage_daily_state",
        "CREATE FUNCTION told() RETURNS SETOF metric_stats_hourly LANGUAGE sql AS 'SELECT * FROM metric_stats_hourly'",
        "CREATE VIEW corrected AS SELECT * FROM usage_corrections_daily",  # which stays a table
    )
    with pytest.raises(SchemaMismatch, match="nothing was changed") as refused:
        await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
    said = sorted(str(refused.value).partition("the move: ")[2].split("; "))
    assert [words.partition(":")[0] for words in said] == [
        "copied reads llm_usage_daily_state",
        "theirs reads trace_metrics_hourly",
        "told() speaks of metric_stats_hourly",
    ]
    assert not isinstance(await engine_of(store.url), TimescaleDB)
    execute(store.url, "DROP VIEW theirs", "DROP MATERIALIZED VIEW copied", "DROP FUNCTION told")
    await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)
    execute(store.url, "CREATE VIEW theirs AS SELECT sum(span_count) FROM trace_metrics_hourly")
    assert [table.partitions for table in await move.to_timescaledb(store.url, SETTINGS, lambda _line: None)] == [0] * len(
        FACTS
    )


async def round_of(url: str) -> None:
    """One of maintenance, as a service that goes on does it."""
    maintenance = Maintenance(lambda: connect(url), SETTINGS, CurrentEngine(lambda: connect(url), SETTINGS))
    try:
        assert set((await maintenance.run_once()).values()) == {"success"}
    finally:
        await maintenance.close()


@pytest.mark.timescaledb("two sessions, and locks")
@pytest.mark.parametrize("known", [False, True])
async def test_a_round_while_rows_stand_aside_judges_nothing(empty_database: str, *, known: bool) -> None:
    """Traces seem to have no spans then, and hours no records. What was decided stays, the rest is decided afterwards."""
    execute(empty_database, "CREATE EXTENSION timescaledb")
    await begin_on_partitions(empty_database)
    async with opened(empty_database) as query:
        corrections = "SELECT verdict, trace_id::text FROM usage_corrections ORDER BY 2"
        filters = "SELECT signal, octet_length(bits) > 0 FROM search_filters ORDER BY 1"

        async def absent(text: str) -> bool:
            wanted = [[entry] for entry in words(text)]
            return bool(await absent_hours(query.reader, "default", "logs", BEGIN, BEGIN + timedelta(hours=1), wanted))

        await query.store(spans(*twice(1)), records(record("kettle", START)))
        if known:
            await round_of(empty_database)
        before = await query.reader.rows(sql.SQL(corrections), {})
        await query.store(spans(of_trace(1, 3), *twice(2)), records(record("teapot", START)))
        async with await connect(empty_database) as connection:
            for table in FACTS:
                await swap.swap_table(connection, table, timedelta(days=1), lambda _line: None)
        await round_of(empty_database)
        assert await query.reader.rows(sql.SQL(corrections), {}) == before
        assert not await absent("kettle")
        await move.to_timescaledb(empty_database, SETTINGS, lambda _line: None)
        await round_of(empty_database)
        found = await query.reader.rows(sql.SQL(corrections), {})
        assert [verdict for verdict, _ in found] == ["duplicate", "duplicate"]
        assert await query.reader.rows(sql.SQL(filters), {}) == [("logs", True), ("traces", True)]
        assert [await absent(text) for text in ("kettle", "teapot", "samovar")] == [False, False, True]
