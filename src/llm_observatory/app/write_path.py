"""The write path put together: lanes, committers with a connection of their own each, and Ingest before them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from llm_observatory import codec
from llm_observatory.app.probe import probe_request
from llm_observatory.pipeline.commit import Committer, RetryPolicy
from llm_observatory.pipeline.ingest import Ingest, IngestLimits
from llm_observatory.pipeline.lane import Lane
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.settings import Settings
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.instrumented import InstrumentedWriter
from llm_observatory.storage.session import CommitSession, Connect
from llm_observatory.storage.sources import KnownSources

LATE_LANE = "late"


def microseconds(duration: timedelta) -> int:
    """Whole microseconds of a duration."""
    return duration // timedelta(microseconds=1)


def accept_window(settings: Settings) -> codec.Window:
    """Which record times are let in."""
    age = settings.accept_max_age
    return codec.Window(None if age is None else microseconds(age), microseconds(settings.accept_max_ahead))


@asynccontextmanager
async def write_path(settings: Settings, connect: Connect, engine: CurrentEngine, tasks: asyncio.TaskGroup) -> AsyncIterator[Ingest]:
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
    writer = InstrumentedWriter(CopyWriter(settings.insert_max_fields), {signal.name: signal.writer_type for signal in SIGNALS})
    known_sources = KnownSources()
    limits = IngestLimits(
        settings.ingest_max_inflight_bytes,
        settings.max_items_per_request,
        accept_window(settings),
        microseconds(settings.compress_after),
    )
    async with AsyncExitStack() as stack:
        for lane in (*lanes.values(), late_lane):
            for _ in range(settings.ingest_committers):
                session = CommitSession(connect, writer, engine, known_sources)
                stack.push_async_callback(session.close)
                committer = Committer(session, policy, lambda: probe_request(time.time_ns() // 1000))
                loop = tasks.create_task(lane.commit_loop(committer.commit), name=f"commit-{lane.name}")
                stack.callback(loop.cancel)
        yield Ingest(limits, lanes, late_lane, tasks)


def _lane(name: str, settings: Settings) -> Lane:
    return Lane(name, settings.batch_size, settings.flush_interval_ms / 1000)
