"""Everything that the checks judge, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_observatory.operate.doctor.advice import MAY_NOT_LOOK
from llm_observatory.operate.doctor.disk import Disk
from llm_observatory.operate.doctor.line import Line
from llm_observatory.operate.doctor.service import Service
from llm_observatory.operate.doctor.thresholds import Thresholds
from llm_observatory.settings import Settings
from llm_observatory.storage.observe.observation import Observation
from llm_observatory.storage.observe.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Database:
    """What was read of it."""

    seen: Observation
    upkeep: Upkeep
    seconds: float
    """Of one round trip."""


@dataclass(frozen=True, slots=True)
class Findings:
    """`unreachable` is why `database` is None."""

    settings: Settings
    service: Service
    database: Database | None
    unreachable: str = ""
    disks: Sequence[Disk] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)


def unknown(check: str, why: str | None) -> Line:
    """What could not be read, and what mostly helps."""
    return Line(check, "warn", f"not known: {why or 'it was not read'}", next=MAY_NOT_LOOK)
