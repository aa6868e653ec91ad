"""Growth: whether COPY into the newest chunk is as fast in a full database as in an empty one.

A chunk slows COPY down as it fills, whatever else the database holds. So it is measured both where the newest day has just
begun, as it has in the empty database, and where it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, median, quantiles

from benchmarks.cores import cpu_seconds
from benchmarks.timescale.bars import Bar, spread
from benchmarks.timescale.database import opened, row, rows, say
from benchmarks.timescale.dataset import Dataset, drop_days
from benchmarks.timescale.ingest import Group, write_group
from benchmarks.timescale.machine import Patience, server_processes
from llm_observatory.operate.bench.query.pool import DAY, session
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.session import CommitSession

EMPTIED_EVERY = 10
"""Rounds after which the empty database, and the day that has just begun, are emptied again."""

_EMPTY = "TRUNCATE llm_traces, trace_index, ingest_touched, ingest_ledger"
_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'"


@dataclass
class Lane:
    """Where COPY writes to, and what a span took in each transaction: microseconds, those of the server's CPU, bytes of WAL."""

    connection: AsyncConnection
    session: CommitSession
    groups: Sequence[Group]
    took: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)

    async def write(self, number: int) -> None:
        """One transaction."""
        servers = await server_processes(self.connection)
        (wal,), cpu = await row(self.connection, _WAL), cpu_seconds(servers)
        one = await write_group(self.session, self.groups[number % len(self.groups)])
        self.cpu.append(1e6 * (cpu_seconds(servers) - cpu) / one.rows)
        self.wal.append(float((await row(self.connection, _WAL))[0] - wal) / one.rows)
        self.took.append(1e6 * (one.ended - one.began) / one.rows)


async def measure_growth(
    dataset: Dataset, empty: str, newest: Sequence[Group], begun: Sequence[Group], patience: Patience, rounds: int
) -> list[Bar]:
    """A transaction into each lane in turn, `rounds` times; each round begins with another."""
    async with (
        opened(empty) as none,
        opened(dataset.conninfo) as full,
        session(empty) as into_empty,
        session(dataset.conninfo) as into_full,
    ):
        lanes = {
            "empty": Lane(none, into_empty, newest),
            "a day that has begun": Lane(full, into_full, begun),
            "a day that is over": Lane(full, into_full, newest),
        }
        for number in range(rounds):
            if number % EMPTIED_EVERY == 0:
                await patience.quiet()
                await rows(none, _EMPTY)
                await drop_days(full, dataset.clock, dataset.clock + DAY)
                for lane in lanes.values():
                    await write_group(lane.session, lane.groups[number % len(lane.groups)])
            names = list(lanes)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                await lanes[name].write(number)
            if (number + 1) % EMPTIED_EVERY == 0:
                said = ", ".join(f"{name} {1e6 / median(lane.took[-EMPTIED_EVERY:]):,.0f}" for name, lane in lanes.items())
                say(f"growth, {number + 1} of {rounds} rounds, spans/s: {said}")
        await drop_days(full, dataset.clock, dataset.clock + DAY)
        (spans,) = await row(full, "SELECT approximate_row_count('llm_traces')")
    return [_bar(name, lane, lanes["empty"], spans) for name, lane in list(lanes.items())[1:]]


def _bar(name: str, lane: Lane, empty: Lane, spans: int) -> Bar:
    pairs = [one / other for one, other in zip(empty.took, lane.took, strict=True)]
    return Bar(
        f"COPY into {name} at about {spans:,} spans, of its rate into an empty database",
        median(empty.took) / median(lane.took),
        "",
        0.9,
        at_least=True,
        details={
            "spans a transaction": lane.groups[0].rows,
            "microseconds a span": spread(lane.took, 1),
            "empty": spread(empty.took, 1),
            "ratio of each round, quartiles": [round(one, 2) for one in quantiles(pairs, n=4)],
            "CPU microseconds of the server a span": {"here": round(mean(lane.cpu), 1), "empty": round(mean(empty.cpu), 1)},
            "WAL bytes a span": {"here": round(median(lane.wal)), "empty": round(median(empty.wal))},
        },
    )
