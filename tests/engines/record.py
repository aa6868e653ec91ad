"""What runs have found, as `docs/reference/engines.json` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "reference" / "engines.json"


@dataclass(frozen=True, slots=True)
class Run:
    """What was found on an engine, and when. `build` is `embedded` or `WebAssembly`, '' of a server of its own."""

    engine: str
    version: str
    licence: str
    build: str
    postgresql: str
    date: str
    found: dict[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """A later run with the same key takes its place. Of what comes with the tests there is one version."""
        return (self.engine, self.licence, self.build, "" if self.build else self.version)

    @property
    def release(self) -> tuple[str, ...]:
        """What it has in common with its patches: of PostgreSQL the first number, of TimescaleDB the first two."""
        numbers = self.version.split(".")[: 2 if self.engine == "TimescaleDB" else 1]
        return (self.engine, self.licence, self.build, *numbers)

    @property
    def name(self) -> str:
        """`TimescaleDB 2.29.2 community`."""
        return " ".join(word for word in (self.engine, self.version, self.licence, self.build) if word)

    @property
    def order(self) -> tuple[object, ...]:
        """On the page: plain PostgreSQL first, what comes with the tests after what people install, by version."""
        numbers = [int(number) for number in self.version.partition("-")[0].split(".")]
        return (self.engine, bool(self.build), self.licence != "community", numbers)


def read() -> list[Run]:
    """All runs on record."""
    return [Run(**run) for run in json.loads(FILE.read_text(encoding="utf-8"))] if FILE.exists() else []


def merged(recorded: Iterable[Run], new: Iterable[Run]) -> list[Run]:
    """What was not run this time stays as it was."""
    return sorted({run.key: run for run in (*recorded, *new)}.values(), key=lambda run: run.order)


def write(runs: Iterable[Run]) -> None:
    """Write the file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps([asdict(run) for run in runs], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
