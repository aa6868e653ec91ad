"""What to do next: a command that exists, or the runbook of an alert."""

from __future__ import annotations


def psql(statement: str) -> str:
    """A statement for people to run."""
    return f"""psql "$(llm-observatory dsn)" -c "{statement}\""""


def runbook(alert: str) -> str:
    """What is written down for an alert."""
    return f"docs/runbooks/{alert}.md"


MAY_NOT_LOOK = psql("GRANT pg_monitor TO CURRENT_USER") + " as a superuser, with the service's role in place of CURRENT_USER"
