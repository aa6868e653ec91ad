"""`query …` and `tail`: a client of the query port, without SQL; tables for people, JSON for programs.

What they are made of, gRPC above all, takes longer to import than most other commands take in all: it is imported when it
is used.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from llm_observatory.app.cli.query.options import Attributes, Endpoint, Json, Services


class VerbsOnDemand(TyperGroup):
    """The verbs of `commands`, which is imported when one of them, or the list of them, is asked for."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of this name."""
        self._import()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all verbs."""
        self._import()
        return super().list_commands(ctx)

    def _import(self) -> None:
        if not self.commands:
            from llm_observatory.app.cli.query.commands import verbs

            self.commands.update(typer.main.get_group(verbs).commands)


query = typer.Typer(
    cls=VerbsOnDemand, no_args_is_help=True, help="Ask the query service: tables for people, --json for programs."
)


def tail(
    text: Annotated[str, typer.Argument(help="Words that the message or body contains.")] = "",
    service: Services = [],
    attr: Attributes = [],
    level: Annotated[str, typer.Option("--level", help="At least this severe: trace, debug, info, warn, error, fatal.")] = "",
    endpoint: Endpoint = "",
    *,
    as_json: Json = False,
) -> None:
    """Show log records as they come in, until Ctrl-C. With --json one a line."""
    from llm_observatory.app.cli.query.following import follow, log_selection

    follow(log_selection(text, service, attr, level, ""), endpoint, as_json=as_json)


__all__ = ["query", "tail"]
