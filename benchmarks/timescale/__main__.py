"""`python -m benchmarks.timescale`: compression, rollups, retention and COPY on a TimescaleDB server, against their bars.

BENCH_DATABASE_URL names the server; its role may create databases. A database of the benchmark's own is made there, filled, and
dropped at the end. Its jobs are paused, and what they do is done and timed here, one thing at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from psycopg.conninfo import make_conninfo

from benchmarks.timescale import database
from benchmarks.timescale.bars import Bar
from benchmarks.timescale.compression import measure_compress, measure_size
from benchmarks.timescale.database import Refused, say
from benchmarks.timescale.dataset import Dataset
from benchmarks.timescale.growth import measure_growth
from benchmarks.timescale.ingest import Group
from benchmarks.timescale.machine import Patience
from benchmarks.timescale.retention import measure_retention
from benchmarks.timescale.rollups import measure_reads, measure_refresh

GROUPS = 6
"""Transactions that are encoded; they are written in turn, with other trace ids each time."""

HOUR = timedelta(hours=1)
ROWSTORE_BYTES, COLUMNSTORE_BYTES, SPARE_BYTES = 1_100, 170, 10 * 1024**3
"""What a span takes on disk, its row of the trace index included; and WAL, sorting and what COPY adds."""

Part = Callable[[argparse.Namespace, Dataset, AsyncExitStack], Awaitable[list[Bar]]]


async def _compress(options: argparse.Namespace, dataset: Dataset, _stack: AsyncExitStack) -> list[Bar]:
    days = await dataset.left_to_compress()
    if not days:
        days = [dataset.day(number - dataset.rowstore_days) for number in range(-options.repeat, 0)]
        await dataset.load_again(days)
    return await measure_compress(dataset, _groups(options, dataset.clock), days, Patience(options.patience))


async def _size(_options: argparse.Namespace, dataset: Dataset, _stack: AsyncExitStack) -> list[Bar]:
    return await measure_size(dataset)


async def _refresh(options: argparse.Namespace, dataset: Dataset, _stack: AsyncExitStack) -> list[Bar]:
    return await measure_refresh(dataset, options.repeat)


async def _read(_options: argparse.Namespace, dataset: Dataset, _stack: AsyncExitStack) -> list[Bar]:
    return await measure_reads(dataset)


async def _retention(options: argparse.Namespace, dataset: Dataset, _stack: AsyncExitStack) -> list[Bar]:
    return await measure_retention(dataset, _groups(options, dataset.clock), await dataset.oldest(options.repeat))


async def _growth(options: argparse.Namespace, dataset: Dataset, stack: AsyncExitStack) -> list[Bar]:
    if options.keep:
        await dataset.load_again([dataset.day(-1)])
    empty, patience = f"{options.database}_empty", Patience(options.patience)
    stack.push_async_callback(database.drop, options.server, empty)
    conninfo = await database.create(options.server, empty)
    newest, begun = _groups(options, dataset.clock - HOUR), _groups(options, dataset.clock)
    return await measure_growth(dataset, conninfo, newest, begun, patience, options.rounds)


PARTS: dict[str, Part] = {
    "compress": _compress,
    "size": _size,
    "refresh": _refresh,
    "read": _read,
    "retention": _retention,
    "growth": _growth,
}
"""In the order in which one leaves to the next what it needs."""


def _groups(options: argparse.Namespace, start: datetime) -> list[Group]:
    say(f"encoding {GROUPS} transactions")
    random = Random(2)  # noqa: S311 - ids, no secrets
    return [Group(random, options.transaction_rows, start, HOUR) for _ in range(GROUPS)]


async def _loaded(options: argparse.Namespace, stack: AsyncExitStack) -> Dataset:
    """The data set: loaded now, or kept by a run before. Raises Refused."""
    conninfo = make_conninfo(options.server, dbname=options.database)
    if await database.exists(options.server, options.database):
        kept = await Dataset.kept(conninfo) if options.keep else None
        if kept is None:
            raise Refused(f"there is a database {options.database}: drop it, or name another with --database")
        say(f"the data set is there from a run before, until {kept.clock}")
        return kept
    uncompressed = options.repeat if "compress" in options.only else 0
    await _make_sure_of_room(options, options.rowstore_days + uncompressed)
    if not options.keep:
        stack.push_async_callback(database.drop, options.server, options.database)
    await database.create(options.server, options.database)
    dataset = Dataset.until_today(conninfo, options.days, options.rows, options.rowstore_days)
    await dataset.load(uncompressed)
    return dataset


async def _make_sure_of_room(options: argparse.Namespace, rowstore_days: int) -> None:
    free = await database.free_bytes(options.server)
    if free is None:
        say("how much room the server has cannot be asked (pg_execute_server_program); going on")
        return
    rowstore = min(1, rowstore_days / options.days)
    needed = int(options.rows * (ROWSTORE_BYTES * rowstore + COLUMNSTORE_BYTES * (1 - rowstore))) + SPARE_BYTES
    if needed > free:
        raise Refused(f"about {needed / 1e9:.0f} GB are needed and {free / 1e9:.0f} GB are free: fewer --rows, please")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Load, measure, drop. Raises Refused."""
    async with AsyncExitStack() as stack:
        dataset = await _loaded(options, stack)
        bars = [bar for name, part in PARTS.items() if name in options.only for bar in await part(options, dataset, stack)]
        return {
            **await database.facts(dataset.conninfo),
            "options": {name: value for name, value in vars(options).items() if name not in {"server", "json"}},
            "bars": [bar.record() for bar in bars],
            "text": [str(bar) for bar in bars],
        }


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timescale", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PARTS", help="some of %(default)s")
    parser.add_argument("--rows", type=int, default=10_000_000, help="spans (%(default)s)")
    parser.add_argument("--days", type=int, default=30, help="over which they are spread (%(default)s)")
    parser.add_argument("--rowstore-days", type=int, default=7, help="the newest, which are not compressed (%(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="days that are compressed, dropped, refreshed (%(default)s)")
    parser.add_argument("--transaction-rows", type=int, default=5000, help="spans a COPY transaction (%(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="transactions into each place, for growth (%(default)s)")
    parser.add_argument(
        "--patience", type=float, default=0, metavar="SECONDS", help="to wait for others to let the cores be (%(default)s)"
    )
    parser.add_argument("--database", default="observatory_benchmark", help="its own, made and dropped (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="do not drop it, and use what a run before has kept")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    options.server = os.environ.get("BENCH_DATABASE_URL")
    if not options.server:
        parser.error("BENCH_DATABASE_URL names no server")
    if unknown := set(options.only) - PARTS.keys():
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    if options.days < options.rowstore_days + 2 * options.repeat:
        parser.error("--days: there must be days to compress and days to drop")
    return options


def main(argv: list[str] | None = None) -> int:
    """Run it. Returns the exit status: 0 when every bar holds."""
    options = _arguments(argv)
    try:
        result = asyncio.run(run(options))
    except Refused as refused:
        say(f"{refused}")
        return 2
    print("\n".join(result.pop("text")))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2, default=str) + "\n")
    return 0 if all(bar["holds"] for bar in result["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
