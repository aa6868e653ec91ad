"""From when on a number is a warning or a failure, declared once.

The alerts in deploy/prometheus use the same numbers, which tests/deploy/test_thresholds.py holds together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Literal

from llm_observatory.operate.doctor.line import Line, Status

Unit = Literal["seconds", "ratio", "count", "bytes"]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_MILLION = 1_000_000
_WHOLE = 100
"""What is larger is told without decimals."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number above `warn` (`below`: below it) is a warning, above `fail` a failure; None: never. Base units."""

    unit: Unit
    warn: float | None = None
    fail: float | None = None
    below: bool = False

    def status(self, value: float) -> Status:
        """What `value` is."""
        if self._beyond(value, self.fail):
            return "fail"
        return "warn" if self._beyond(value, self.warn) else "ok"

    def _beyond(self, value: float, bound: float | None) -> bool:
        if bound is None:
            return False
        return value < bound if self.below else value > bound

    def __str__(self) -> str:
        sign = "<" if self.below else ">"
        bounds = {"warn": self.warn, "fail": self.fail}
        return ", ".join(f"{name} {sign} {shown(bound, self.unit)}" for name, bound in bounds.items() if bound is not None)

    def line(self, check: str, value: float, says: str, advice: str) -> Line:
        """The line that says `value`; the advice only where something is to be done."""
        status = self.status(value)
        return Line(check, status, says, str(self), "" if status == "ok" else advice, value)


_STEPS: dict[Unit, tuple[tuple[float, float, str], ...]] = {
    "seconds": ((2 * _DAY, _DAY, "d"), (2 * _HOUR, _HOUR, "h"), (2 * _MINUTE, _MINUTE, "min"), (1, 1, "s"), (0, 0.001, "ms")),
    "bytes": ((1024**3, 1024**3, "GiB"), (1024**2, 1024**2, "MiB"), (1024, 1024, "KiB"), (0, 1, "B")),
    "ratio": ((0, 0.01, "%"),),
}
"""From when on a number is told in which unit, and how large that is."""


def shown(value: float, unit: Unit) -> str:
    """A number for people."""
    for since, size, name in _STEPS.get(unit, ()):
        if abs(value) >= since:
            return f"{value / size:,.3g} {name}" if value / size < _WHOLE else f"{value / size:,.0f} {name}"
    return f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All of them. `docs/doctor.md` has the table."""

    database_latency: Limit = Limit("seconds", warn=0.01, fail=0.1)
    pool: Limit = Limit("ratio", fail=0.85)
    server_connections: Limit = Limit("ratio", warn=0.8, fail=0.9)
    replication_lag: Limit = Limit("seconds", warn=_MINUTE, fail=5 * _MINUTE)
    backup_age_dump: Limit = Limit("seconds", fail=26 * _HOUR)
    backup_age_physical: Limit = Limit("seconds", fail=25 * _HOUR)
    backup_size: Limit = Limit("ratio", warn=0.5, below=True)
    wal_archive: Limit = Limit("seconds", fail=15 * _MINUTE)
    disk: Limit = Limit("ratio", warn=0.8, fail=0.9)
    slow_queries: Limit = Limit("seconds", warn=1)
    cache_hit_ratio: Limit = Limit("ratio", warn=0.95, below=True)
    rollup_lag: Limit = Limit("seconds", warn=2 * _HOUR, fail=6 * _HOUR)
    partitions_ahead: Limit = Limit("seconds", warn=2 * _DAY, fail=_HOUR, below=True)
    retention_overdue: Limit = Limit("seconds", warn=2 * _DAY)
    late_chunks: Limit = Limit("count", warn=0)
    failed_jobs: Limit = Limit("count", fail=0)
    certificate: Limit = Limit("seconds", warn=30 * _DAY, fail=7 * _DAY, below=True)
    dead_tuples: Limit = Limit("ratio", warn=0.1)
    invalid_indexes: Limit = Limit("count", warn=0)
    unused_indexes: Limit = Limit("count", warn=0)
    bloat: Limit = Limit("ratio", warn=0.5)
    waiting_locks: Limit = Limit("seconds", warn=5, fail=_MINUTE)
    long_transactions: Limit = Limit("seconds", warn=10 * _MINUTE, fail=6 * _HOUR)
    idle_in_transaction: Limit = Limit("seconds", warn=_MINUTE, fail=_HOUR)
    transactions_id_age: Limit = Limit("count", warn=200 * _MILLION, fail=1000 * _MILLION)
    superusers: Limit = Limit("count", warn=1)
    dead_letters: Limit = Limit("count", warn=0)

    def ledger_oldest(self, retention: timedelta) -> Limit:
        """It follows LEDGER_RETENTION."""
        return Limit("seconds", warn=2 * retention.total_seconds())


ENOUGH_BLOCKS = 100_000
"""Before so many blocks were asked for the share of hits says nothing."""


def table() -> list[tuple[str, str]]:
    """Name and limit of each, as docs/doctor.md has them."""
    limits = [(field.name, str(getattr(Thresholds(), field.name))) for field in fields(Thresholds)]
    return [*limits, ("ledger_oldest", "warn > 2 * `LEDGER_RETENTION`")]
