"""Growth: whether COPY into the newest chunk is as fast in a full database as in an empty one."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles

from benchmarks.timescale.bars import Bar, spread
from benchmarks.timescale.database import opened, row, rows, say
from benchmarks.timescale.dataset import Dataset
from benchmarks.timescale.ingest import Group, session, write_group
from benchmarks.timescale.machine import Patience

EMPTIED_EVERY = 10
"""Transactions after which the empty database is emptied again."""

_EMPTY = "TRUNCATE llm_traces, trace_index, ingest_touched, ingest_ledger"


async def measure_growth(dataset: Dataset, empty: str, groups: Sequence[Group], pairs: int, patience: Patience) -> list[Bar]:
    """One transaction into the empty database, one into the newest day of the full one, in turn, `pairs` times."""
    took: dict[str, list[float]] = {"empty": [], "full": []}
    async with opened(empty) as connection, session(empty) as into_empty, session(dataset.conninfo) as into_full:
        for number in range(pairs):
            if number % EMPTIED_EVERY == 0:
                await patience.quiet()
                await rows(connection, _EMPTY)
                for unmeasured in (into_empty, into_full):
                    await write_group(unmeasured, groups[number % len(groups)])
            turn = {"empty": into_empty, "full": into_full}
            for name in turn if number % 2 else reversed(turn):
                one = await write_group(turn[name], groups[number % len(groups)])
                took[name].append(1000 * (one.ended - one.began) / one.rows * 1000)
            if (number + 1) % EMPTIED_EVERY == 0:
                said = ", ".join(f"{name} {1e6 / median(all_[-EMPTIED_EVERY:]):,.0f}" for name, all_ in took.items())
                say(f"growth, {number + 1} of {pairs} pairs: spans/s {said}")
    async with opened(dataset.conninfo) as connection:
        (spans,) = await row(connection, "SELECT approximate_row_count('llm_traces')")
    ratio = median(took["empty"]) / median(took["full"])
    paired = quantiles([one / other for one, other in zip(took["empty"], took["full"], strict=True)], n=4)
    return [
        Bar(
            f"COPY into the newest chunk at about {spans:,} spans, of its rate at none",
            ratio,
            "",
            0.9,
            at_least=True,
            details={
                "spans a transaction": groups[0].rows,
                **{f"ms per 1,000 spans, {name}": spread(all_, 2) for name, all_ in took.items()},
                "ratio of pairs, quartiles": [round(one, 3) for one in paired],
            },
        )
    ]
