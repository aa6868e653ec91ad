"""Whether what was acknowledged is stored, and who may do everything."""

from __future__ import annotations

from collections.abc import Iterator

from llm_observatory.operate.doctor.advice import psql
from llm_observatory.operate.doctor.findings import Database, Findings, unknown
from llm_observatory.operate.doctor.line import Line


def server_settings(_: Findings, database: Database) -> Iterator[Line]:
    """Those without which an acknowledged record may be lost."""
    server = database.upkeep.server
    if server is None:
        yield unknown("server settings", database.upkeep.failed.get("server"))
        return
    shown = ", ".join(f"{name} {value}" for name, value in server.settings.items())
    says, status = ("; ".join(server.faults), "fail") if server.faults else (shown, "ok")
    advice = "in postgresql.conf, then " + psql("SELECT pg_reload_conf()") if server.faults else ""
    yield Line("server settings", "fail" if status == "fail" else "ok", says, "fsync and full_page_writes on, UTF8", advice)


def superusers(found: Findings, database: Database) -> Iterator[Line]:
    """Roles that may do everything."""
    roles = database.upkeep.superusers
    if roles is None:
        yield unknown("superusers", database.upkeep.failed.get("superusers"))
        return
    names = ", ".join(role.name for role in roles)
    advice = psql("ALTER ROLE name NOSUPERUSER") + " for each that need not be one"
    yield found.thresholds.superusers.line("superusers", len(roles), f"{len(roles)} that can log in: {names}", advice)


def logins(_: Findings, database: Database) -> Iterator[Line]:
    """SQL does not show those that failed."""
    place = database.upkeep.place
    folder = "" if place is None or place.data_directory is None else f" (log_directory; the data is in {place.data_directory})"
    says = f"SQL does not show them: look for `authentication failed` in the log of PostgreSQL{folder}"
    yield Line("failed logins", "ok", says, "", psql("SHOW log_directory"))
