"""One turn of one lane, measured from outside: rate, latencies, CPU of each process, memory, commits, WAL and stored bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_observatory.operate.bench.ingest.database import Database
from llm_observatory.operate.bench.ingest.process import LaneFailed, Process, cpu_seconds
from llm_observatory.operate.bench.ingest.samples import Outcome
from llm_observatory.operate.bench.ingest.service import ServiceProcess

LOOK_SECONDS = 0.1
"""Between two looks at the service's memory."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn came to. Latencies in seconds, `cpu_us` by process and the bytes are for one item."""

    lane: str
    committers: int
    items: int
    acknowledged: int
    stored: int
    rate: float
    latencies: tuple[float, ...]
    cpu_us: Mapping[str, float]
    rows_per_commit: float | None
    wal_bytes: float | None
    stored_bytes: float | None
    memory: tuple[int, ...]
    refused: int
    late: float


@dataclass(frozen=True, slots=True)
class Stage:
    """Who takes part in a turn: the process that performs, where it stores (None: nowhere), the service between (or None).

    `watched` are other processes whose CPU is taken, by name.
    """

    performer: Process
    database: Database | None
    service: ServiceProcess | None
    watched: Mapping[str, int]

    def measure(self, lane: str, committers: int, items: int, turn: object) -> Turn:
        """Prepare it, let it be done, and look. Raises LaneFailed, also when not all that was acknowledged is stored."""
        stored = self.database.begin_turn() if self.database else None
        self.performer.prepare(turn)
        pids = {"client": self.performer.pid, **self.watched}
        if self.service is not None:
            pids["service"] = self.service.pid
        cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
        commits = self.service.commits() if self.service else (0.0, 0.0)
        self.performer.start()
        memory = []
        while not self.performer.done(LOOK_SECONDS):
            if self.service is not None:
                memory.append(self.service.memory())
        outcome = self.performer.outcome()
        cpu = {name: cpu_seconds(pid) - cpu[name] for name, pid in pids.items()}
        written = self.database.stored() if self.database else None
        spans = written.spans - stored.spans if written and stored else outcome.items
        _compare(lane, outcome, spans)
        during = sum(sample.items for sample in outcome.samples if sample.began >= outcome.began) or 1
        return Turn(
            lane,
            committers,
            items,
            outcome.items,
            spans,
            outcome.rate,
            tuple(outcome.latencies),
            {name: 1e6 * seconds / during for name, seconds in cpu.items()},
            _rows_per_commit(self.service, commits, outcome),
            (written.wal_bytes - stored.wal_bytes) / outcome.items if written and stored else None,
            (written.table_bytes - stored.table_bytes) / outcome.items if written and stored else None,
            tuple(memory),
            outcome.refused,
            outcome.late,
        )


def _compare(lane: str, outcome: Outcome, spans: int) -> None:
    if not outcome.items:
        raise LaneFailed(f"{lane}: nothing was acknowledged; give it more --seconds")
    if not outcome.items <= spans <= outcome.items + outcome.doubtful:
        doubt = f" and {outcome.doubtful:,} may have been" if outcome.doubtful else ""
        raise LaneFailed(f"{lane}: {outcome.items:,} spans were acknowledged{doubt}, {spans:,} are stored")


def _rows_per_commit(service: ServiceProcess | None, before: tuple[float, float], outcome: Outcome) -> float | None:
    if service is None:
        return outcome.items / outcome.transactions if outcome.transactions else None
    commits, rows = (now - then for now, then in zip(service.commits(), before, strict=True))
    return rows / commits if commits else None
