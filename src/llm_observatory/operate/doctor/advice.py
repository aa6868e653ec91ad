"""What to do next: a command that exists, or the runbook of an alert."""

from __future__ import annotations

from llm_observatory.storage.upkeep.relations import declared

_CHUNK = "_timescaledb_internal."


def psql(statement: str) -> str:
    """A statement for people to run."""
    return f"""psql "$(llm-observatory dsn)" -c "{statement}\""""


def maintain(verb: str, name: str = "") -> str:
    """A verb of ours; on the table that the table, partition or index `name` is of, on all where that is not known."""
    own = max((table for table in declared() if name == table or name.startswith(f"{table}_")), key=len, default=None)
    return f"llm-observatory maintain {verb}" + (f" --table {own}" if own else "")


def is_ours(name: str) -> bool:
    """Whether the verbs of `maintain` reach the table or index `name`; others share the database."""
    return name.startswith(_CHUNK) or any(name == table or name.startswith(f"{table}_") for table in declared())


def runbook(alert: str) -> str:
    """What is written down for an alert."""
    return f"docs/runbooks/{alert}.md"


MAY_NOT_LOOK = psql("GRANT pg_monitor TO CURRENT_USER") + " as a superuser, with the service's role in place of CURRENT_USER"
