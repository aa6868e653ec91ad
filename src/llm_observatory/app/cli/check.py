"""`check`: every setting with its value, where it came from and what it is for; and what the database says of itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from llm_observatory.app.cli.database import running
from llm_observatory.app.memory import hostile_ceiling_bytes
from llm_observatory.errors import EmbeddedServerError, StorageError
from llm_observatory.settings import Loaded, Settings, shown
from llm_observatory.storage.embedded import binaries_version
from llm_observatory.storage.probe import DatabaseProbe, ServerFacts, words
from llm_observatory.storage.target import Target, data_dir, describe, target

PROBE_SECONDS = 5.0
WIDTH = 140
"""Of what is written to a file."""


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
            "settings": {
                name.upper(): {"value": shown(settings, name), "from": self.loaded.origins.get(name, "default")}
                for name in Settings.model_fields
            },
            "notices": list(self.loaded.notices()),
            "memory_ceiling_bytes": hostile_ceiling_bytes(settings),
            "database": {
                "place": self.place,
                "error": self.error,
                "latency_ms": self.latency_ms,
                "version": self.facts.version if self.facts else None,
                "server": self.facts.settings if self.facts else {},
                "pending_migrations": list(self.facts.pending) if self.facts else [],
                "faults": list(self.facts.faults) if self.facts else [],
            },
        }


def report(loaded: Loaded) -> Report:
    """Ask the database, if there is one to ask. Raises ConfigError when an URL is no URL."""
    settings = loaded.settings
    if settings.embedded:
        place = f"embedded PostgreSQL {binaries_version()} in {data_dir(settings)}"
        try:
            where = running(settings)
        except EmbeddedServerError:
            return Report(loaded, f"{place} (not running)", None, None)
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


def show(found: Report) -> None:
    """Print a report for people."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold", no_wrap=title == "setting")
    table.add_column("what it is", overflow="fold")
    for name, field in Settings.model_fields.items():
        origin = found.loaded.origins.get(name, "")
        table.add_row(
            name.upper(), shown(found.loaded.settings, name), origin, field.description, style="" if origin else "dim"
        )
    console.print(table)
    console.print()
    for notice in found.loaded.notices():
        console.print(f"Note: {notice}.", markup=False)
    ceiling = hostile_ceiling_bytes(found.loaded.settings) / 1024**2
    console.print(f"Memory   at most about {ceiling:.0f} MiB, whatever clients send (READ_SLOTS x OTLP_MAX_REQUEST_BYTES)")
    console.print(f"Database {found.place}", markup=False)
    if found.error is not None:
        console.print(f"         cannot be used: {found.error}", markup=False)
    if found.facts is not None:
        said = ", ".join(f"{name} {value}" for name, value in found.facts.settings.items())
        console.print(f"         PostgreSQL {found.facts.version}, {found.latency_ms} ms away, {said}", markup=False)
        for line in (*found.facts.faults, *found.facts.pending):
            console.print(f"         {line}", markup=False)
        if found.facts.pending:
            console.print("         `serve` applies them, or `llm-observatory migrate up`")
