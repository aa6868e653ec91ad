"""From turns to the figures of the report: medians over rounds, ratios within the run, and the bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from llm_observatory.operate.bench.ingest.options import LANES, Options
from llm_observatory.operate.bench.ingest.samples import quantile
from llm_observatory.operate.bench.ingest.turn import Turn
from llm_observatory.operate.bench.report import Better, Measurement

TOGETHER_BAR, PINNED_BAR = 0.70, 0.90
GROWTH_BAR = 0.90
SMALL_BAR = 0.5
HALF_P95_MS_BAR, SATURATED_P95_MS_BAR = 100.0, 250.0
ABOVE_NOOP_US_BAR = 4.0
MEMORY_MB_BAR = 400.0
FLAT_BAR = 1.1
BAR_ITEMS = 512
"""The bars are about requests of so many items; with others the figures stand without them."""

Figure = Callable[[Turn], float | None]


class Shown(NamedTuple):
    """A figure of a lane: `column` is its head where lanes are the rows of a table."""

    name: str
    column: str
    unit: str
    better: Better
    figure: Figure


FIGURES = (
    Shown("rate", "spans/s", "spans/s", "higher", lambda turn: turn.rate),
    Shown("ack p50", "p50", "ms", "lower", lambda turn: _milliseconds(turn, 0.5)),
    Shown("ack p95", "p95", "ms", "lower", lambda turn: _milliseconds(turn, 0.95)),
    Shown("ack p99", "p99", "ms", "lower", lambda turn: _milliseconds(turn, 0.99)),
    Shown("CPU of the service", "service", "µs a span", "lower", lambda turn: turn.cpu_us.get("service")),
    Shown("CPU of the database", "database", "µs a span", "lower", lambda turn: turn.cpu_us.get("database")),
    Shown("CPU of the client", "client", "µs a span", "lower", lambda turn: turn.cpu_us.get("client")),
    Shown("spans a commit", "commit", "spans", "higher", lambda turn: turn.rows_per_commit),
    Shown("WAL", "WAL", "B a span", "lower", lambda turn: turn.wal_bytes),
    Shown("stored", "stored", "B a span", "lower", lambda turn: turn.stored_bytes),
    Shown("memory of the service", "MB", "MB", "lower", lambda turn: max(turn.memory) / 1e6 if turn.memory else None),
    Shown("requests sent again", "again", "requests", "lower", lambda turn: float(turn.refused)),
    Shown("last request sent too late by", "late s", "s", "lower", lambda turn: turn.late),
)
"""What is told of every lane at every number of committers."""

_RATE, _CPU = FIGURES[0].figure, FIGURES[4].figure


class Figures:
    """All measurements of a run."""

    def __init__(self, options: Options, turns: Sequence[Turn]) -> None:
        self._options = options
        self._turns = turns

    def all(self) -> list[Measurement]:
        """Every lane by itself, then what is compared."""
        return [*self.lanes(), *self.compared()]

    def compared(self) -> list[Measurement]:
        """Ratios and what else has a bar."""
        return [*self.ratios(), *self.bars()]

    def table(self) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
        """Heads of columns, and a row for each lane and number of committers; nothing of figures that are 0 everywhere."""
        lanes = self._lanes()
        found = {shown.column: [self._median(*lane, shown.figure) for lane in lanes] for shown in FIGURES}
        told = {column: values for column, values in found.items() if any(values)}
        rows = [
            (f"{lane} {committers}", [values[place] for values in told.values()])
            for place, (lane, committers) in enumerate(lanes)
        ]
        return list(told), rows

    def ratios(self) -> Iterator[Measurement]:
        """What a lane reaches of another."""
        options, usual = self._options, self._options.usual
        bar = PINNED_BAR if options.pin else TOGETHER_BAR
        for committers in options.committers:
            yield from self._ratio("grpc", "copy", committers, bar if options.items == BAR_ITEMS else None)
            yield from self._ratio("http", "copy", committers, None)
        for codec in options.codecs[1:]:
            yield from self._ratio(f"grpc-{codec}", "copy", usual, None)
        for driver in ("asyncpg", "psycopg"):
            yield from self._ratio(driver, "copy", usual, None)
        yield from self._ratio("small", "grpc", usual, SMALL_BAR if options.items == BAR_ITEMS else None)
        yield from self._ratio("grpc", "grpc-empty", usual, GROWTH_BAR)
        # Of all processes together: on cores that other work takes a share of it says more than the rates do.
        one, other = (self._median(lane, usual, _total_cpu) for lane in ("copy", "grpc"))
        if one is not None and other:
            yield Measurement("CPU a span of all processes, copy to grpc", one / other, "x", "higher")

    def bars(self) -> Iterator[Measurement]:
        """What is promised without a second lane, or as a difference."""
        usual, at_512 = self._options.usual, self._options.items == BAR_ITEMS
        for lane, said, bar in (("half", "half load", HALF_P95_MS_BAR), ("grpc", "saturation", SATURATED_P95_MS_BAR)):
            latencies = [latency for turn in self._of(lane, usual) for latency in turn.latencies]
            if latencies:
                yield Measurement(f"ack p95 at {said}", 1e3 * quantile(latencies, 0.95), "ms", "lower", bar)
        service, noop = (self._median(lane, usual, _CPU) for lane in ("grpc", "noop"))
        if service is not None and noop is not None:
            bar_us = ABOVE_NOOP_US_BAR if at_512 else None
            yield Measurement("CPU of the service above a no-op server", service - noop, "µs a span", "lower", bar_us)
        seen = [size for turn in self._turns for size in turn.memory]
        if seen:
            yield Measurement("memory of the service, at most", max(seen) / 1e6, "MB", "lower", MEMORY_MB_BAR)
        flat = flatness([size for turn in self._of("flood", usual) for size in turn.memory])
        if flat is not None:
            yield Measurement("memory in the last third of the flood to that in the second", flat, "x", "lower", FLAT_BAR)
        # A turn in which less was stored than acknowledged has ended the run.
        kept = sum(turn.stored for turn in self._turns if turn.stored_bytes is not None)
        yield Measurement("acknowledged, and found stored", float(kept), "spans")

    def lanes(self) -> Iterator[Measurement]:
        """Every figure of every lane, at every number of committers."""
        for lane, committers in self._lanes():
            for shown in FIGURES:
                value = self._median(lane, committers, shown.figure)
                if value is not None:
                    yield Measurement(f"{_at(lane, committers)}: {shown.name}", value, shown.unit, shown.better)

    def _lanes(self) -> list[tuple[str, int]]:
        """In the order of their declaration, not of the rounds."""
        found = dict.fromkeys((turn.lane, turn.committers) for turn in self._turns)
        order = list(LANES)
        return sorted(found, key=lambda one: (one[1], order.index(one[0]) if one[0] in order else len(order), one[0]))

    def _of(self, lane: str, committers: int) -> list[Turn]:
        return [turn for turn in self._turns if (turn.lane, turn.committers) == (lane, committers)]

    def _median(self, lane: str, committers: int, figure: Figure) -> float | None:
        values = [value for turn in self._of(lane, committers) if (value := figure(turn)) is not None]
        return median(values) if values else None

    def _ratio(self, lane: str, of: str, committers: int, bar: float | None) -> Iterator[Measurement]:
        one, other = (self._median(name, committers, _RATE) for name in (lane, of))
        if one is not None and other:
            yield Measurement(f"{_at(lane, committers)}: rate to {of}", one / other, "x", "higher", bar)


def _at(lane: str, committers: int) -> str:
    return f"{lane}, {committers} committer{'' if committers == 1 else 's'}"


def _milliseconds(turn: Turn, share: float) -> float | None:
    return 1e3 * quantile(turn.latencies, share) if turn.latencies else None


def flatness(sizes: Sequence[int]) -> float | None:
    """The most memory in the last third of a series, as a multiple of the most in the second; None of too few."""
    third = len(sizes) // 3
    return max(sizes[-third:]) / max(sizes[third : 2 * third]) if third else None


def _total_cpu(turn: Turn) -> float | None:
    return sum(turn.cpu_us.values()) if "database" in turn.cpu_us else None
