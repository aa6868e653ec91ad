"""`maintenance`: have records refused while something is done to the database, and taken in again."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Annotated

import typer

from llm_observatory.app.cli.on_database import on_database
from llm_observatory.app.cli.output import Json
from llm_observatory.storage import maintenance_mode
from llm_observatory.storage.maintenance_mode import REASON_MAX_CHARACTERS, MaintenanceMode

maintenance = typer.Typer(
    no_args_is_help=True,
    help="Have records refused, in words that make clients send them again; questions are answered all the time.",
)


def _reason(text: str) -> str:
    found = " ".join(text.split())
    if not found or len(found) > REASON_MAX_CHARACTERS or not found.isprintable():
        message = f"one to {REASON_MAX_CHARACTERS} characters: every client whose records are refused is told them"
        raise typer.BadParameter(message)
    return found


@maintenance.command()
def on(
    reason: Annotated[
        str, typer.Option(parser=_reason, metavar="TEXT", help="What clients and /health are told.")
    ] = "maintenance of the database",
    *,
    as_json: Json = False,
) -> None:
    """Have every process refuse records, within two seconds and until `maintenance off`, also over restarts."""
    found = on_database(lambda connection: maintenance_mode.switch_on(connection, reason))
    _show(found, as_json=as_json)


@maintenance.command()
def off(*, as_json: Json = False) -> None:
    """Have every process take records in again, within two seconds."""
    was_on = on_database(maintenance_mode.switch_off)
    if as_json:
        typer.echo(json.dumps({"on": False, "was_on": was_on}))
    else:
        typer.echo("Records are taken in again." if was_on else "Maintenance mode was not on.")


@maintenance.command()
def status(*, as_json: Json = False) -> None:
    """Whether records are refused, since when and why."""
    _show(on_database(maintenance_mode.current), as_json=as_json)


def _show(found: MaintenanceMode | None, *, as_json: bool) -> None:
    if as_json:
        shown = {} if found is None else {"reason": found.reason, "since": found.since.astimezone(UTC).isoformat()}
        typer.echo(json.dumps({"on": found is not None, **shown}))
    elif found is None:
        typer.echo("Maintenance mode is off: records are taken in.")
    else:
        typer.echo(f"Maintenance mode is on since {found.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: {found.reason}")
