"""Retention: dropping a day while COPY goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from statistics import median

from benchmarks.timescale.bars import Bar, spread
from benchmarks.timescale.database import opened, say
from benchmarks.timescale.dataset import Dataset, drop_days
from benchmarks.timescale.ingest import Group, Ingest
from llm_observatory.operate.bench.query.pool import DAY

WINDOW_SECONDS = 2.0


async def measure_retention(dataset: Dataset, groups: Sequence[Group], days: Sequence[datetime]) -> list[Bar]:
    """Drop `days`, the oldest, one after the other; COPY writes to the day after the data set."""
    ingest = Ingest(dataset.conninfo, groups)
    took, ordinary, longest = [], [], []
    async with opened(dataset.conninfo) as connection:
        async with ingest.running():
            for day in days:
                began = time.monotonic()
                await asyncio.sleep(WINDOW_SECONDS)
                dropping = time.monotonic()
                took.append(await drop_days(connection, day, day + DAY))
                end = time.monotonic()
                await asyncio.sleep(ingest.longest(began, end))  # until a transaction that had to wait is recorded
                ordinary.append(ingest.longest(began, dropping))
                longest.append(ingest.longest(dropping, end))
                say(f"retention {day:%m-%d}: dropped in {took[-1]:.3f} s, longest transaction {longest[-1]:.3f} s")
        await drop_days(connection, dataset.clock, dataset.clock + DAY)
    details = {"seconds": spread(took), "longest transaction before": spread(ordinary), "longest meanwhile": spread(longest)}
    return [Bar("drop_chunks of a day, COPY beside it", median(took), "s", 1, details=details)]
