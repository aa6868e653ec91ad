"""Whether the service and its database run, and whether records are taken in."""

from __future__ import annotations

from collections.abc import Iterator

from llm_observatory.operate.doctor.advice import psql, runbook
from llm_observatory.operate.doctor.findings import Database, Findings, unknown
from llm_observatory.operate.doctor.line import Line, Status
from llm_observatory.operate.doctor.thresholds import shown

_OF_HEALTH: dict[str, Status] = {"healthy": "ok", "degraded": "warn", "unhealthy": "fail"}


def service(found: Findings) -> Iterator[Line]:
    """What /health says."""
    asked = found.service
    if asked.health is None or asked.seconds is None:
        advice = "llm-observatory serve, or HEALTH_CHECK_PORT of the service to look at"
        yield Line("service", "warn", f"{asked.place}: {asked.error}", "it answers", advice)
        return
    health = str(asked.health["status"])
    status = _OF_HEALTH.get(health, "fail")
    says = f"{health}, answers in {shown(asked.seconds, 'seconds')}"
    yield Line("service", status, says, "healthy", "" if status == "ok" else f"curl -s {asked.place}", asked.seconds)


def pool(found: Findings) -> Iterator[Line]:
    """Connections for queries."""
    if found.service.health is None:
        return
    stats = found.service.health["pool_stats"]
    active, most = int(stats["active"]), int(stats["max_connections"])
    says = f"{active} of {most} connections for queries are at work"
    yield found.thresholds.pool.line("read pool", active / max(1, most), says, runbook("StoragePoolNearCapacity"))


def database(found: Findings) -> Iterator[Line]:
    """A round trip, or why there is none."""
    if found.database is None:
        yield Line("database", "fail", found.unreachable, "it answers", "llm-observatory check")
        return
    seconds = found.database.seconds
    says = f"answers in {shown(seconds, 'seconds')}"
    yield found.thresholds.database_latency.line("database", seconds, says, runbook("StorageDatabaseUnreachable"))


def maintenance(_: Findings, database: Database) -> Iterator[Line]:
    """Whether records are refused."""
    state = database.seen.database
    if state is None:
        yield unknown("maintenance mode", database.seen.failed.get("database"))
    elif state.maintenance is not None:
        advice = "llm-observatory maintenance off, when the work is done"
        yield Line("maintenance mode", "warn", f"on, records are refused: {state.maintenance}", "off", advice)
    else:
        yield Line("maintenance mode", "ok", "off", "off")


def migrations(_: Findings, database: Database) -> Iterator[Line]:
    """What is pending."""
    server = database.upkeep.server
    if server is None:
        yield unknown("migrations", database.upkeep.failed.get("server"))
    elif server.pending:
        yield Line("migrations", "fail", "; ".join(server.pending), "none pending", "llm-observatory migrate up")
    else:
        yield Line("migrations", "ok", "none pending", "none pending")


def connections(found: Findings, database: Database) -> Iterator[Line]:
    """Of the whole server."""
    state = database.seen.database
    if state is None:
        yield unknown("connections", database.seen.failed.get("database"))
        return
    says = f"{state.connections} of max_connections {state.max_connections}"
    ratio = state.connections / state.max_connections
    yield found.thresholds.server_connections.line("connections", ratio, says, psql(_WHO))


_WHO = "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC"
