"""What verbs have in common when they speak: JSON for programs, lines of progress for people."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say(line: str) -> None:
    """A line of progress: for people, so to standard error."""
    typer.echo(f"  … {line}", err=True)
