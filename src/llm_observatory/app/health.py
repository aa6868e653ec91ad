"""What is known about the health of this process, and what follows from it. No I/O: others write here, the sidecar reads.

Live: the loop turns. Ready: records sent now would be stored. Healthy: ready to an operator's eye, beside what is optional.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from llm_observatory import codec
from llm_observatory.storage.pool import PoolStats

Status = Literal["healthy", "degraded", "unhealthy"]
NOT_PROBED = "not reached yet"


@dataclass(slots=True)
class Part:
    """The last probe of PostgreSQL or Redis. `error` is None after a good one."""

    latency_ms: float | None = None
    error: str | None = NOT_PROBED

    def succeeded(self, latency_ms: float) -> None:
        """It answered."""
        self.latency_ms, self.error = round(latency_ms, 2), None

    def failed(self, error: str) -> None:
        """It did not."""
        self.latency_ms, self.error = None, error

    def as_dict(self) -> dict[str, Any]:
        """As /health shows it."""
        shown = {"status": "unhealthy" if self.error else "healthy", "latency_ms": self.latency_ms}
        return {**shown, "error": self.error} if self.error else shown


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
    draining: bool = False

    @property
    def reasons(self) -> list[str]:
        """Why the process is not ready, most important first. Empty: ready."""
        reasons = ["draining: the process is shutting down"] if self.draining else []
        if self.starting is not None:
            reasons.append(f"starting: {self.starting}")
        if self.postgres.error is not None:
            reasons.append(f"database: {self.postgres.error}")
        if self.refusal is not None:
            reasons.append(f"write check: {self.refusal}")
        return [*reasons, *self.faults]

    @property
    def ready(self) -> bool:
        """Whether records sent now would be stored."""
        return not self.reasons

    @property
    def status(self) -> Status:
        """`degraded` when something optional is missing or little is left."""
        if self.postgres.error is not None or self.starting is not None or self.refusal or self.faults:
            return "unhealthy"
        crowded = self.pool is not None and self.pool.as_dict()["near_capacity"]
        return "degraded" if crowded or (self.redis is not None and self.redis.error is not None) else "healthy"

    def as_dict(self) -> dict[str, Any]:
        """The body of /health."""
        database = {"postgres": self.postgres.as_dict()}
        if self.redis is not None:
            database["redis"] = self.redis.as_dict()
        pool = self.pool or PoolStats(size=0, active=0, idle=0, max_connections=self.max_connections)
        return {
            "status": self.status,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "database": database,
            "pool_stats": pool.as_dict(),
            "codec": codec.chosen().name,
        }
