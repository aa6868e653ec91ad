"""What is known about the health of this process, and what follows from it. No I/O: others write here, the sidecar reads.

Live: the loop turns. Ready: records sent now would be stored, or where the process takes none, questions would be answered.
Healthy: ready to an operator's eye, beside what is optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from llm_observatory import codec
from llm_observatory.storage.maintenance_mode import MaintenanceMode
from llm_observatory.storage.pool import PoolStats

Status = Literal["healthy", "degraded", "unhealthy"]
NOT_PROBED = "not reached yet"


@dataclass(slots=True)
class Part:
    """The last probe of PostgreSQL or Redis. `error` is None after a good one."""

    latency_ms: float | None = None
    error: str | None = NOT_PROBED
    lag_seconds: float | None = None
    """Of a standby behind its primary."""

    def succeeded(self, latency_ms: float) -> None:
        """It answered."""
        self.latency_ms, self.error = round(latency_ms, 2), None

    def failed(self, error: str) -> None:
        """It did not."""
        self.latency_ms, self.error = None, error

    def as_dict(self) -> dict[str, Any]:
        """As /health shows it."""
        shown: dict[str, Any] = {"status": "unhealthy" if self.error else "healthy", "latency_ms": self.latency_ms}
        if self.lag_seconds is not None:
            shown["lag_seconds"] = self.lag_seconds
        return {**shown, "error": self.error} if self.error else shown


@dataclass(slots=True)
class Reading:
    """Whether questions can be answered."""

    postgres: Part = field(default_factory=Part)
    """The database that queries go to."""
    faults: tuple[str, ...] = ()
    """Why they cannot be answered although it answers: its schema is older."""
    replica: bool = False
    """Whether it is another one than records are written to."""

    @property
    def reasons(self) -> list[str]:
        """Empty: they can."""
        found = [] if self.postgres.error is None else [f"database of queries: {self.postgres.error}"]
        return [*found, *self.faults]


@dataclass(slots=True)
class Health:
    """One per process."""

    max_connections: int = 0
    postgres: Part = field(default_factory=Part)
    redis: Part | None = None
    pool: PoolStats | None = None
    starting: str | None = "starting"
    """What the start is at; None once records can be stored."""
    faults: tuple[str, ...] = ()
    """Why nothing may be stored although the database answers: server settings, pending migrations, the schema."""
    refusal: str | None = "no row was sent yet"
    """Why a row that is known to be good cannot be written."""
    maintenance: MaintenanceMode | None = None
    """On, as far as is known: while the database is away, what it said last. None: off."""
    draining: bool = False
    ingests: bool = True
    """Whether this process takes records in."""
    reading: Reading | None = None
    """None where it answers no questions."""

    @property
    def reasons(self) -> list[str]:
        """Why the process is not ready, most important first. Empty: ready."""
        if not self.ingests:
            return self.query_reasons
        maintenance = [] if self.maintenance is None else [f"maintenance: {self.maintenance.reason}"]
        return [*self._draining, *maintenance, *self._why_nothing_is_stored]

    @property
    def under_maintenance(self) -> str | None:
        """For what records are refused although they could be stored; None: they are not."""
        return None if self.maintenance is None else self.maintenance.reason

    @property
    def query_reasons(self) -> list[str]:
        """Why no questions are answered. Empty: they are."""
        return [*self._draining, *self._why_nothing_is_answered]

    @property
    def _draining(self) -> list[str]:
        return ["draining: the process is shutting down"] if self.draining else []

    @property
    def _why_nothing_is_answered(self) -> list[str]:
        return [] if self.reading is None else self.reading.reasons

    @property
    def _why_nothing_is_stored(self) -> list[str]:
        reasons = []
        if self.starting is not None:
            reasons.append(f"starting: {self.starting}")
        if self.postgres.error is not None:
            reasons.append(f"database: {self.postgres.error}")
        if self.refusal is not None:
            reasons.append(f"write check: {self.refusal}")
        return [*reasons, *self.faults]

    @property
    def ready(self) -> bool:
        """Whether records sent now would be stored; where none are taken, whether questions would be answered."""
        return not self.reasons

    @property
    def status(self) -> Status:
        """`degraded` when something optional is missing, little is left, or an operator had records refused."""
        if self._why_nothing_is_stored if self.ingests else self._why_nothing_is_answered:
            return "unhealthy"
        if self._why_nothing_is_answered or self.maintenance is not None:
            return "degraded"
        crowded = self.pool is not None and self.pool.as_dict()["near_capacity"]
        return "degraded" if crowded or (self.redis is not None and self.redis.error is not None) else "healthy"

    def as_dict(self) -> dict[str, Any]:
        """The body of /health."""
        database = {"postgres": self.postgres.as_dict()} if self.ingests else {}
        if self.reading is not None and (self.reading.replica or not self.ingests):
            database["replica" if self.reading.replica else "postgres"] = self.reading.postgres.as_dict()
        if self.redis is not None:
            database["redis"] = self.redis.as_dict()
        pool = self.pool or PoolStats(size=0, active=0, idle=0, max_connections=self.max_connections)
        query = {} if self.reading is None else {"query": {"ready": not self.query_reasons, "reasons": self.query_reasons}}
        return {
            "status": self.status,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "database": database,
            "pool_stats": pool.as_dict(),
            **query,
            **self._shown_maintenance,
            "codec": codec.chosen().name,
        }

    @property
    def _shown_maintenance(self) -> dict[str, Any]:
        if self.maintenance is None:
            return {}
        since = self.maintenance.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"maintenance": {"reason": self.maintenance.reason, "since": since}}
