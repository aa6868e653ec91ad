"""Expected errors as one readable message and an exit code; tracebacks are for bugs."""

from __future__ import annotations

import errno
import os
from typing import Any

import typer
from typer.core import TyperGroup

from llm_observatory.errors import ConfigError, EmbeddedServerError, ObservatoryError, SchemaMismatch, StorageUnavailable

FAILED, WRONG_SETTINGS = 1, 2

_NEXT = (
    (EmbeddedServerError, ""),
    (SchemaMismatch, "Look at `llm-observatory migrate status` and at the login in DATABASE_URL or DB_*."),
    (StorageUnavailable, "Is PostgreSQL running, and do DATABASE_URL or DB_* lead to it? `llm-observatory check` tells more."),
)


class ExplainingGroup(TyperGroup):
    """A group of verbs whose expected errors end the process in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            explain_settings(error)
            raise typer.Exit(WRONG_SETTINGS) from None
        except ObservatoryError as error:
            explain(error)
            raise typer.Exit(FAILED) from None


def explain(error: ObservatoryError) -> None:
    """Print what happened and what to do next."""
    cause = error.__cause__
    said = str(cause).strip() if cause is not None else ""
    typer.echo(f"Error: {error}" + (f"\n  {said}" if said else ""), err=True)
    advice = next((words for kind, words in _NEXT if isinstance(error, kind)), "")
    if advice:
        typer.echo(advice, err=True)


def explain_settings(error: ConfigError) -> None:
    """Print every fault."""
    count = len(error.faults)
    typer.echo(f"{count} setting{'s are' if count > 1 else ' is'} wrong:", err=True)
    for fault in error.faults:
        typer.echo(f"  {fault}", err=True)
    typer.echo("Names, defaults and limits: docs/configuration.md, or `llm-observatory check` once these are mended.", err=True)


_PORTS = ("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "QUERY_PORT", "HEALTH_CHECK_PORT")

_PLACES = {
    errno.EADDRINUSE: "Is another llm-observatory running? Stop it, or set {setting} to another port; 0 takes a free one.",
    errno.EACCES: "Ports below 1024 are not for everyone: set {setting} to a higher one.",
    errno.EADDRNOTAVAIL: "LISTEN_HOST must be an address of this machine, or 0.0.0.0 for all of them.",
}


def explain_place(error: ConfigError) -> None:
    """Print why a port cannot be had, and what to do."""
    for fault in error.faults:
        typer.echo(f"Error: {fault}", err=True)
        setting = next((name for name in _PORTS if name in fault), "the port")
        # The layer that binds may not know of commands: the reason comes as the system's own words.
        advice = next((words for number, words in _PLACES.items() if fault.endswith(os.strerror(number))), "")
        if advice:
            typer.echo(advice.format(setting=setting), err=True)
