"""The database's and Redis' probes, and the read pool, against real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg.conninfo import make_conninfo

from llm_observatory import metrics
from llm_observatory.app.cache_probe import RedisProbe
from llm_observatory.app.health import Part
from llm_observatory.errors import StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.probe import DatabaseProbe, words
from tests.contract.otlp.waiting import until
from tests.plugins.database import execute


@asynccontextmanager
async def listener(*, answers: bool) -> AsyncIterator[int]:
    """A Redis that says PONG and OK to everything, or a server that takes connections and never says a word."""
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                if answers:
                    # RESP2 has no HELLO: the client falls back.
                    commands = data.count(b"*")
                    writer.write(b"-ERR unknown command\r\n" if b"HELLO" in data else b"+PONG\r\n" * commands)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_redis_answers() -> None:
    async with listener(answers=True) as port:
        probe, part = RedisProbe(f"redis://127.0.0.1:{port}/0?protocol=2"), Part()
        await probe.probe(part)
        await probe.close()
    assert part.error is None
    assert part.latency_ms is not None


@pytest.mark.alone("it judges time: no other test beside it")
async def test_redis_is_not_there_or_says_nothing() -> None:
    async with listener(answers=False) as port:
        for url in (f"redis://:canary@127.0.0.1:{port}", "redis://:canary@127.0.0.1:1"):
            probe, part = RedisProbe(url, timeout=0.2), Part(latency_ms=1.0, error=None)
            began = time.monotonic()
            await probe.probe(part)
            await probe.close()
            assert time.monotonic() - began < 2
            assert part.error is not None
            assert "canary" not in part.error
            assert part.latency_ms is None


@pytest.mark.alone("it judges time: no other test beside it")
async def test_a_database_that_says_nothing_is_given_up_in_time() -> None:
    async with listener(answers=False) as port:
        probe = DatabaseProbe(f"postgresql://u:canary@127.0.0.1:{port}/d", "test", timeout_seconds=0.3)
        began = time.monotonic()
        with pytest.raises(StorageUnavailable) as caught:
            await probe.ping()
        assert time.monotonic() - began < 2
        assert "canary" not in words(caught.value)
        await probe.close()


async def test_probe_of_a_good_database(database: str) -> None:
    probe = DatabaseProbe(database, "test")
    try:
        assert 0 < await probe.ping() < 1000
        facts = await probe.facts()
        assert facts.faults == ()
        assert facts.pending == ()
        assert facts.settings == {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}
    finally:
        await probe.close()


async def test_probe_of_a_database_that_is_not_fit(server: str, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = empty_database.rpartition("@/")[2].partition("?")[0]
    execute(
        server,
        f"DROP DATABASE {name}",
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
    )
    monkeypatch.setattr("llm_observatory.storage.probe.MINIMUM_VERSION", 990000)
    probe = DatabaseProbe(empty_database, "test")
    try:
        facts = await probe.facts()
        assert facts.faults == (
            f"PostgreSQL {facts.version} is too old; 15 or newer is needed",
            "the database is encoded as SQL_ASCII; create it with ENCODING 'UTF8'",
            "default_transaction_read_only is on; nothing can be written",
        )
        assert len(facts.pending) >= 1
    finally:
        await probe.close()


@pytest.mark.parametrize(
    "setting,fault",
    [
        ("fsync", "fsync is off: a crash loses acknowledged data; set fsync = on"),
        ("full_page_writes", "full_page_writes is off: a crash can tear pages; set full_page_writes = on"),
    ],
)
async def test_a_server_that_can_lose_data_is_not_fit(database: str, server: str, setting: str, fault: str) -> None:
    probe = DatabaseProbe(database, "test")
    try:
        execute(server, f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
        async with asyncio.timeout(10):
            while (await probe.facts()).settings[setting] == "on":
                pass
        assert (await probe.facts()).faults == (fault,)
    finally:
        execute(server, f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
        await probe.close()


async def test_a_standby_is_not_fit(database: str) -> None:
    """A function in front of PostgreSQL's own plays the standby: a real one takes two more servers."""
    name = database.rpartition("@/")[2].partition("?")[0]
    execute(
        database,
        "CREATE FUNCTION public.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true'",
        f"ALTER DATABASE {name} SET search_path = public, pg_catalog",
    )
    probe = DatabaseProbe(database, "test")
    try:
        assert (await probe.facts()).faults == ("the server is a standby in recovery; connect to the primary",)
    finally:
        await probe.close()


async def test_a_login_that_is_refused_is_said_as_such(database: str) -> None:
    """There is no SQLSTATE for what a server says while connecting: our message names both cases, the driver's the one."""
    for parts in ({"dbname": "nowhere"}, {"user": "nobody_at_all"}, {"host": "127.0.0.1", "port": "1"}):
        probe = DatabaseProbe(make_conninfo(database, **parts), "test")
        with pytest.raises(StorageUnavailable) as caught:
            await probe.ping()
        assert type(caught.value) is StorageUnavailable
        assert caught.value.sqlstate is None
        assert str(caught.value) == "the database cannot be reached, or does not let this login in"
        assert words(caught.value).startswith(f"{caught.value}: connection failed: ")


async def test_probe_comes_back_after_its_connection_was_killed(server: str, database: str) -> None:
    probe = DatabaseProbe(database, "killed")
    try:
        await probe.ping()
        execute(server, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'killed probe'")
        with pytest.raises(StorageUnavailable):
            await probe.ping()
        assert await probe.ping() > 0
    finally:
        await probe.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[ReadPool]:
    pool = ReadPool(url, Settings(db_pool_min_connections=1, db_pool_max_connections=2))
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


async def test_pool_counts_what_is_in_use(database: str) -> None:
    async with opened(database) as pool:
        async with pool.connection(), pool.connection():
            stats = pool.stats()
            assert (stats.size, stats.active, stats.idle, stats.max_connections) == (2, 2, 0, 2)
            assert stats.as_dict()["utilization_percent"] == 100.0
            assert stats.as_dict()["near_capacity"] is True
            assert metrics.REGISTRY.get_sample_value("storage_pool_connections", {"state": "active"}) == 2
        assert pool.stats().active == 0
        assert metrics.REGISTRY.get_sample_value("storage_pool_connections", {"state": "max"}) == 2


async def test_pool_connections_only_read(database: str) -> None:
    async with opened(database) as pool, pool.connection() as connection:
        cursor = await connection.execute("SELECT current_setting('default_transaction_read_only'), current_setting('jit')")
        assert await cursor.fetchone() == ("on", "off")
        assert connection.prepare_threshold is None


async def test_pool_without_a_database_says_so_in_time() -> None:
    pool = ReadPool("postgresql://u@127.0.0.1:1/d", Settings.model_validate({"db_pool_connect_timeout": "200ms"}))
    await pool.open()
    try:
        with pytest.raises(StorageUnavailable):
            async with pool.connection():
                pytest.fail("there is no database")
        assert pool.stats().size == 0
    finally:
        await pool.close()


async def test_pool_passes_over_connections_that_were_cut(server: str, database: str) -> None:
    """A failover cuts all at once. A pause after each of them would take longer than a query may wait."""
    count = 8
    settings = {"db_pool_min_connections": count, "db_pool_max_connections": count, "db_pool_connect_timeout": "5s"}
    pool = ReadPool(database, Settings.model_validate({**settings, "db_app_name": "cut"}))
    await pool.open()
    try:
        async with contextlib.AsyncExitStack() as filled:
            for _ in range(count):
                await filled.enter_async_context(pool.connection())
        execute(server, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'cut'")
        async with pool.connection() as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        # Closed while others are being opened in their place, the library may leave one of those to the garbage collector.
        await until(lambda: pool.stats().size == count)
    finally:
        await pool.close()


async def test_pool_goes_on_trying_at_the_same_pace() -> None:
    """With pauses that double, the eighth try would come two minutes after the first."""
    tries = asyncio.Semaphore(0)

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.release()
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    pool = ReadPool(
        f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&gssencmode=disable",
        Settings(db_pool_min_connections=1, db_pool_max_connections=1),
    )
    await pool.open()
    try:
        async with asyncio.timeout(60):
            for _ in range(8):
                await tries.acquire()
    finally:
        await pool.close()
        listener.close()
