"""`report`: how the figures of `bench` went, as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer


def report(
    output: Annotated[Path, typer.Option(help="The HTML file to write.")],
    period: Annotated[Literal["weekly", "monthly", "quarterly", "yearly"], typer.Option(help="How far back.")] = "monthly",
    runs: Annotated[Path, typer.Option(help="The folder with files of `bench … --json`.")] = Path("results"),
) -> None:
    """Draw all runs of `bench` in a folder over time, figure by figure, into one HTML page."""
    from llm_observatory.operate import report as work

    now = datetime.now(UTC)
    found = work.runs(runs, period, now)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(work.page(found, period, now), encoding="utf-8")
    typer.echo(f"{output}: {len(found)} runs")
