"""A database on trial: what the service does to it, and what its jobs would do, on demand."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import psycopg
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from llm_observatory import codec
from llm_observatory.settings import Settings
from llm_observatory.storage import script
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine import CurrentEngine, Engine, detect
from llm_observatory.storage.engine.partitions import DAY_US, time_us
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from tests.plugins.load import llm_span, request_of

JOB_SECONDS = 60.0
"""How long a job is tried: of two refreshes at once one is refused."""

_JOB = "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = %s AND proc_name = %s"

_CHUNK = """
SELECT format('%%I.%%I', chunk_schema, chunk_name), is_compressed FROM timescaledb_information.chunks
WHERE hypertable_name = %s AND range_start <= %s AND range_end > %s
"""


COMPRESSED, UNORDERED, PARTIAL = 1, 2, 8


def noon(days_ago: int) -> datetime:
    """Of a day (UTC): far from where days and their partitions end."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    return day.replace(hour=12, minute=0, second=0, microsecond=0)


@contextmanager
def one_statement_a_message() -> Iterator[None]:
    """The WebAssembly server ends where a message has several statements and a COPY among them."""
    run = script.run

    async def one_by_one(connection: AsyncConnection, steps: Sequence[script.Step]) -> str:
        return [await run(connection, [step]) for step in steps][-1]

    with patch.object(script, "run", one_by_one):
        yield


class Target:
    """`connection` is autocommit, and the settings of its role are in force. `large`: it may be given gigabytes."""

    def __init__(self, url: str, connection: AsyncConnection, engine: Engine, *, large: bool) -> None:
        self.url = url
        self.connection = connection
        self.engine = engine
        self.large = large

    async def fetch(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return await (await self.connection.execute(statement.encode(), parameters or None)).fetchall()

    async def one(self, statement: str, *parameters: Any) -> Any:
        """The value of a statement that has one; None without a row."""
        rows = await self.fetch(statement, *parameters)
        return rows[0][0] if rows else None

    async def write(
        self, at: datetime, *contents: str, spans: int = 1, service: str = "checkout", settings: Settings | None = None
    ) -> None:
        """Commit a request as a committer does: `spans` spans from `at` on, a microsecond each, the first with `contents`."""
        trace_id = uuid.uuid4().bytes
        made = [llm_span(trace_id, number) for number in range(spans)]
        for number, span in enumerate(made):
            span.start_time_unix_nano = (time_us(at) + number) * 1000
            span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
        for span, content in zip(made, contents, strict=False):
            span.attributes.append(KeyValue(key="gen_ai.input.messages", value=AnyValue(string_value=content)))
        payload = request_of(*made, service_name=service).SerializeToString()
        now = time.time_ns() // 1000
        digest = codec.digest("traces", "default", payload)
        encoded = codec.encode("traces", "default", payload, digest, now, codec.Terms(None, 2 * DAY_US, 1024**2))
        engine = CurrentEngine(lambda: connect(self.url), settings or Settings())
        await engine.get(self.connection)
        writer = CopyWriter(60, lambda: engine.compressed_chunk_us)
        session = CommitSession(lambda: connect(self.url), writer, engine, KnownDimensions(), deadline_seconds=60)
        try:
            with one_statement_a_message():
                outcome = await session.write([WriteRequest("default", "traces", digest, b"", now, encoded)])
        finally:
            await session.close()
        assert outcome == [Stored(b"")]
        assert encoded.accepted == spans

    async def maintain(self, settings: Settings | None = None) -> None:
        """A round of the maintenance loop."""
        settings = settings or Settings()
        engine = CurrentEngine(lambda: connect(self.url), settings)
        maintenance = Maintenance(lambda: connect(self.url), settings, engine)
        try:
            steps = await maintenance.run_once()
        finally:
            await maintenance.close()
        assert set(steps.values()) == {"success"}, steps

    async def run_job(self, kind: str, relation: str) -> bool:
        """Do now what the policy of this kind on `relation` does; False when there is none."""
        if not await self.one("SELECT to_regclass('timescaledb_information.jobs') IS NOT NULL"):
            return False
        job = await self.one(_JOB, relation, kind)
        if job is None:
            return False
        async with asyncio.timeout(JOB_SECONDS):
            while True:
                try:
                    await self.connection.execute(f"CALL run_job({job})".encode())
                except psycopg.errors.LockNotAvailable:
                    await asyncio.sleep(0.1)
                else:
                    return True

    async def count(self, table: str, at: datetime) -> int:
        """Rows of the hour that begins with `at`."""
        statement = f"SELECT count(*) FROM {table} WHERE timestamp >= %s AND timestamp < %s"
        return int(await self.one(statement, at, at + timedelta(hours=1)))

    async def chunk(self, table: str, at: datetime) -> str | None:
        """The chunk that holds `at`; None where there are no chunks, or none of that time."""
        found = await self._chunk(table, at)
        return found[0] if found else None

    async def is_compressed(self, table: str, at: datetime) -> bool:
        """Whether the chunk that holds `at` is in the columnstore."""
        found = await self._chunk(table, at)
        return bool(found and found[1])

    async def status(self, table: str, at: datetime) -> int:
        """Of that chunk, the sum of COMPRESSED, UNORDERED and PARTIAL; 0 without one."""
        chunk = await self.chunk(table, at)
        return int(await self.one("SELECT _timescaledb_functions.chunk_status(%s::regclass)", chunk)) if chunk else 0

    async def _chunk(self, table: str, at: datetime) -> tuple[Any, ...] | None:
        if not await self.one("SELECT to_regclass('timescaledb_information.chunks') IS NOT NULL"):
            return None
        rows = await self.fetch(_CHUNK, table, at, at)
        return rows[0] if rows else None


@asynccontextmanager
async def target(url: str, *, large: bool) -> AsyncIterator[Target]:
    """The database at `url`, which is migrated."""
    connection = await connect(url)
    try:
        yield Target(url, connection, await detect(connection, Settings()), large=large)
    finally:
        await connection.close()
