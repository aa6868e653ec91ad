"""A report for people: a table, with colours only on a terminal."""

from __future__ import annotations

import os

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llm_observatory.operate.doctor.line import Report, Status

FILE_WIDTH = 140
"""Of what is written to a file, unless COLUMNS says otherwise."""
_COLOURS: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def show(report: Report, console: Console | None = None) -> None:
    """Print all lines, then the next steps of those that are not ok."""
    console = console or Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("", "check", "found", "threshold"):
        table.add_column(title, overflow="fold")
    for line in report.lines:
        status = Text(line.status, style=_COLOURS[line.status])
        table.add_row(status, Text(line.check), Text(_plain(line.says)), Text(line.threshold, style="dim"))
    console.print(table)
    todo = [line for line in report.lines if line.next]
    if todo:
        console.print(Text("\nNext", style="bold"))
    for line in todo:
        console.print(Text(f"{line.status:<4}  {line.check}", style=_COLOURS[line.status]))
        console.print(Padding(Text(_plain(line.next), overflow="fold"), (0, 0, 0, 6), expand=False))
    counts = ", ".join(f"{sum(line.status == status for line in report.lines)} {status}" for status in _COLOURS)
    console.print(Text(f"\n{counts}", style=_COLOURS[report.status]))


def _plain(text: str) -> str:
    """One line without control characters: names in a database are anybody's."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
