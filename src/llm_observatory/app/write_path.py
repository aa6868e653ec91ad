"""The write path put together: lanes, committers with a connection of their own each, and Ingest before them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from llm_observatory import codec
from llm_observatory.app.health import Health
from llm_observatory.app.probe import probe_request
from llm_observatory.app.write_check import WriteCheck
from llm_observatory.pipeline.admission import Admission
from llm_observatory.pipeline.commit import Committer, RetryPolicy
from llm_observatory.pipeline.ingest import Ingest, IngestLimits
from llm_observatory.pipeline.lane import Lane
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import Connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.engine.partitions import microseconds
from llm_observatory.storage.instrumented import InstrumentedWriter
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import WriteRequest

LATE_LANE = "late"


def terms(settings: Settings) -> codec.Terms:
    """On what terms records are taken in."""
    age = settings.accept_max_age
    return codec.Terms(
        None if age is None else microseconds(age), microseconds(settings.accept_max_ahead), settings.kept_content_bytes
    )


def limits(settings: Settings) -> IngestLimits:
    """What a request may hold."""
    return IngestLimits(settings.max_items_per_request, terms(settings), microseconds(settings.compress_after))


class LiveLimits:
    """Lets `ingest` follow settings that change while it runs."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def reload(self, settings: Settings) -> None:
        """Take `settings` from now on."""
        self._ingest.limits = limits(settings)


@asynccontextmanager
async def write_path(
    settings: Settings, connect: Connect, engine: CurrentEngine, health: Health, tasks: asyncio.TaskGroup
) -> AsyncIterator[tuple[Ingest, WriteCheck]]:
    """Ingest over running committers. On leaving, committers are ended and their connections closed.

    Drain first (`Ingest.drain`): what is in flight when the block is left is given up, its clients come back.
    """
    lanes = {signal.name: _lane(signal.writer_type, settings) for signal in SIGNALS}
    late_lane = _lane(LATE_LANE, settings)
    policy = RetryPolicy(
        settings.db_retry_max_attempts,
        settings.db_retry_initial_delay_ms / 1000,
        settings.db_retry_max_delay_ms / 1000,
        settings.db_retry_backoff_multiplier,
    )
    writer_types = {signal.name: signal.writer_type for signal in SIGNALS}
    copy_writer = CopyWriter(settings.insert_max_fields, lambda: engine.compressed_chunk_us)
    writer = InstrumentedWriter(copy_writer, writer_types)
    known = KnownDimensions()
    async with AsyncExitStack() as stack:
        check = WriteCheck(CommitSession(connect, writer, engine, known), health)
        stack.push_async_callback(check.close)
        for lane in (*lanes.values(), late_lane):
            for _ in range(settings.ingest_committers):
                session = CommitSession(connect, writer, engine, known)
                stack.push_async_callback(session.close)
                committer = Committer(session, policy, _good_request, check.suspect)
                loop = tasks.create_task(lane.commit_loop(committer.commit), name=f"commit-{lane.name}")
                stack.callback(loop.cancel)
        admission = Admission(settings.ingest_max_inflight_bytes, lanes)
        ingest = Ingest(limits(settings), admission, lanes, late_lane, tasks)
        stack.callback(ingest.close)
        yield ingest, check


def _good_request(signal: str) -> WriteRequest:
    return probe_request(signal, time.time_ns() // 1000)


def _lane(name: str, settings: Settings) -> Lane:
    return Lane(name, settings.batch_size, settings.flush_interval_ms / 1000)
