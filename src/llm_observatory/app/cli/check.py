"""`check`: every setting with its value, its origin and what it is for; what follows from them; what the database says."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llm_observatory.app import preflight
from llm_observatory.app.cli.explain import explained
from llm_observatory.app.memory import hostile_ceiling_bytes
from llm_observatory.errors import EmbeddedServerError, StorageError
from llm_observatory.settings import COLLECTOR_OPTIONS, Loaded, Settings, shown
from llm_observatory.storage.embedded import binaries_version, running_conninfo
from llm_observatory.storage.probe import DatabaseProbe, ServerFacts, words
from llm_observatory.storage.target import Target, data_dir, describe, target

PROBE_SECONDS = 5.0
FILE_WIDTH = 140
"""Of what is written to a file, unless COLUMNS says otherwise."""
TABLE_WIDTH = 120
"""What a table of four columns takes to be read; below it a setting has two lines."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found out. `error` is why the database could not be asked."""

    loaded: Loaded
    place: str
    facts: ServerFacts | None
    error: str | None
    latency_ms: float | None = None

    @property
    def usable(self) -> bool:
        """An embedded server that does not run yet is no fault: `serve` starts it."""
        if self.facts is None:
            return self.error is None
        return not self.facts.faults

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        settings = self.loaded.settings
        return {
            "usable": self.usable,
            "faults": [],
            "settings": {
                name.upper(): {
                    "value": shown(settings, name),
                    "from": self.loaded.origins.get(name, "default"),
                    "collector": list(COLLECTOR_OPTIONS.get(name, ())),
                }
                for name in Settings.model_fields
            },
            "receiving": list(explained(settings)),
            "notices": list(self.loaded.notices()),
            "memory_ceiling_bytes": hostile_ceiling_bytes(settings),
            "database": {
                "place": self.place,
                "error": self.error,
                "latency_ms": self.latency_ms,
                "version": self.facts.version if self.facts else None,
                "engine": self.facts.engine if self.facts else None,
                "server": self.facts.settings if self.facts else {},
                "pending_migrations": list(self.facts.pending) if self.facts else [],
                "faults": list(self.facts.faults) if self.facts else [],
            },
        }


def report(loaded: Loaded) -> Report:
    """Ask the database, if there is one to ask. Raises ConfigError where a setting cannot be followed here."""
    settings = loaded.settings
    preflight.demand(settings)
    if settings.embedded:
        place = f"embedded PostgreSQL in {data_dir(settings)}"
        try:
            place = f"embedded PostgreSQL {binaries_version()} in {data_dir(settings)}"
            conninfo = running_conninfo(data_dir(settings))
            if conninfo is None:
                preflight.inspect(settings)
                return Report(loaded, f"{place} (not running)", None, None)
        except EmbeddedServerError as error:
            return Report(loaded, place, None, str(error))
        where = target(settings, conninfo)
    else:
        where = target(settings)
        place = describe(where.write)
    try:
        latency_ms, facts = asyncio.run(_ask(where, settings))
    except StorageError as error:
        return Report(loaded, place, None, words(error))
    return Report(loaded, place, facts, None, round(latency_ms, 2))


async def _ask(where: Target, settings: Settings) -> tuple[float, ServerFacts]:
    probe = DatabaseProbe(where.write, settings.db_app_name, PROBE_SECONDS)
    try:
        facts = await probe.facts()
        return await probe.ping(), facts
    finally:
        await probe.close()


def show(found: Report, console: Console | None = None) -> None:
    """Print a report for people."""
    console = console or Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    if console.width >= TABLE_WIDTH:
        _show_table(found.loaded, console)
    else:
        _show_lines(found.loaded, console)
    console.print("\nIn brackets: the same in a Collector's otlpreceiver, below protocols.\n", style="dim", markup=False)
    for notice in found.loaded.notices():
        console.print(f"Note: {notice}.", markup=False)
    summary = Table.grid(padding=(0, 1))
    for title, text in _summary(found):
        summary.add_row(title, Text(text, overflow="fold"))
    console.print(summary)


def _show_table(loaded: Loaded, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold", no_wrap=title == "setting")
    table.add_column("what it is", overflow="fold")
    for name in Settings.model_fields:
        origin = loaded.origins.get(name, "")
        cells = (name.upper(), shown(loaded.settings, name), origin, _what_it_is(name))
        table.add_row(*(Text(cell) for cell in cells), style="" if origin else "dim")
    console.print(table)


def _show_lines(loaded: Loaded, console: Console) -> None:
    for name in Settings.model_fields:
        origin = loaded.origins.get(name, "")
        line = f"{name.upper()} = {shown(loaded.settings, name)}".rstrip() + (f"  ({origin})" if origin else "")
        console.print(Text(line, style="bold" if origin else "", overflow="fold"))
        console.print(Padding(Text(_what_it_is(name), style="dim"), (0, 0, 0, 4), expand=False))


def _what_it_is(name: str) -> str:
    options = COLLECTOR_OPTIONS.get(name)
    collector = f" [{', '.join(options)}]" if options else ""
    # Its beginning: the whole is in docs/reference/settings.md.
    beginning = re.split(r"[;.] ", Settings.model_fields[name].description or "", maxsplit=1)[0]
    return f"{beginning}{collector}"


def _summary(found: Report) -> list[tuple[str, str]]:
    """What follows from the settings and what the database said, each line with its title or none."""
    ceiling = hostile_ceiling_bytes(found.loaded.settings) / 1024**2
    receiving = [("" if number else "Receiving", line) for number, line in enumerate(explained(found.loaded.settings))]
    lines = [
        *receiving,
        ("Memory", f"at most about {ceiling:.0f} MiB, whatever clients send (READ_SLOTS, OTLP_MAX_REQUEST_BYTES)"),
        ("Database", found.place),
    ]
    if found.error is not None:
        lines.append(("", f"cannot be used: {found.error}"))
    if found.facts is not None:
        said = ", ".join(f"{name} {value}" for name, value in found.facts.settings.items())
        lines.append(("", f"PostgreSQL {found.facts.version}, {found.latency_ms} ms away, {said}"))
        lines.append(("", f"Facts are {found.facts.engine}"))
        lines += [("", line) for line in (*found.facts.faults, *found.facts.pending)]
        if found.facts.pending:
            lines.append(("", "`serve` applies them, or `llm-observatory migrate up`"))
    return lines
