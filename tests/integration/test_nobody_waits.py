"""No reader and no writer waits for maintenance: with a reader that never ends, lanes that are always full, and much to do."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import CurrentEngine, protocol
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.write import Stored
from tests.contract.test_rollups import Store, now, spread
from tests.integration.test_promises import payload_of, session_on, write_request

pytestmark = pytest.mark.timeout(180)

ROUNDS = 2

LONGEST_WAIT = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.datname = current_database() AND a.application_name NOT LIKE '%maintenance'
"""

BOUND_SECONDS = 0.5
"""Maintenance gives up a lock after 100 ms (LOCK_TIMEOUT). Five times that is for a machine that stands still at times; without
the bound the wait would last as long as the reader, which is the whole test."""


async def test_nobody_waits_for_maintenance(database: str) -> None:
    store = Store(database)
    await store.add(1, spread(1, now() - timedelta(days=9), timedelta(days=9), 120))
    done = asyncio.Event()
    settings = Settings(retention="4d", chunk_interval="1d", compress_after="2d")

    async def upkeep() -> None:
        """Retention of five days, rollups of nine, settings, partitions ahead, statistics: again and again."""
        process = Maintenance(lambda: connect(database), settings, CurrentEngine(lambda: connect(database), settings))
        try:
            for _ in range(ROUNDS):
                process._analyze_due.clear()
                assert set(await process.run_once()) > {"retention", "rollups"}
        finally:
            await process.close()
            done.set()

    async def write() -> int:
        written = 0
        async with session_on(database) as session:
            while not done.is_set():
                assert await session.write([write_request(payload_of("shop", spans=20))]) == [Stored(b"")]
                written += 1
        return written

    async def read() -> int:
        looked = 0
        async with await connect(database) as connection:
            while not done.is_set():
                await connection.execute("SELECT count(*) FROM llm_traces WHERE timestamp > now() - INTERVAL '1 hour'")
                await connection.execute("SELECT count(*) FROM trace_metrics_hourly WHERE bucket > now() - INTERVAL '3 hours'")
                looked += 1
        return looked

    async with await connect(database) as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM llm_traces")
        await reader.execute("SELECT count(*) FROM trace_metrics_daily")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(upkeep())
            work = [tasks.create_task(write()), tasks.create_task(write()), tasks.create_task(read())]
            longest = tasks.create_task(_watch(database, done))
    assert longest.result() < BOUND_SECONDS
    assert all(task.result() > ROUNDS for task in work)


async def _watch(database: str, done: asyncio.Event) -> float:
    """The longest time that anybody but maintenance was seen waiting for a lock."""
    longest = 0.0
    connection: AsyncConnection
    async with await connect(database) as connection:
        while not done.is_set():
            row = await (await connection.execute(LONGEST_WAIT.encode())).fetchone()
            longest = max(longest, row[0] if row else 0.0)
    return longest


def test_the_bound_is_what_maintenance_asks_for() -> None:
    assert protocol.LOCK_TIMEOUT == "100ms"
