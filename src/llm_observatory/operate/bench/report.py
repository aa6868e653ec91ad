"""What a benchmark found, on which machine, of what versions: a file that another run is compared with."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import psutil

from llm_observatory import __version__, codec
from llm_observatory.errors import ConfigError

VERSION = 1
Better = Literal["higher", "lower"]

_LIBRARIES = ("grpcio", "protobuf", "psycopg", "asyncpg", "uvloop")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure. `bar` is what it must reach, at least or at most as `better` says."""

    name: str
    value: float
    unit: str
    better: Better | None = None
    bar: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.bar is None or self.better is None:
            return None
        return self.value >= self.bar if self.better == "higher" else self.value <= self.bar


def machine() -> dict[str, str]:
    """What it was measured on."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    """What was measured."""
    used = codec.chosen()
    found = {"llm-observatory": __version__, "codec": f"{used.name} {used.version}", "Python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, flags=re.MULTILINE)
    return found.group(1) if found else platform.machine()


@dataclass(frozen=True, slots=True)
class Report:
    """A run. `kind` is codec, ingest or query; `settings` are its options, as text."""

    kind: str
    settings: Mapping[str, str]
    measurements: Sequence[Measurement]
    machine: Mapping[str, str] = field(default_factory=machine)
    versions: Mapping[str, str] = field(default_factory=versions)
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def missed(self) -> list[Measurement]:
        """Where a bar is not reached."""
        return [one for one in self.measurements if one.holds is False]

    def to_json(self) -> str:
        """The file."""
        return json.dumps({"llm-observatory bench": VERSION, **asdict(self)}, indent=2) + "\n"


def read(path: Path) -> Report:
    """A file that was written before. ConfigError for anything else."""
    try:
        made: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except ValueError:
        raise ConfigError([f"{path}: no JSON; name a file that `bench … --json` wrote"]) from None
    version = made.pop("llm-observatory bench", None) if isinstance(made, dict) else None
    if version != VERSION:
        said = "no file of `bench … --json`" if version is None else f"of version {version}, this is version {VERSION}"
        raise ConfigError([f"{path}: {said}"])
    try:
        measurements = tuple(Measurement(**one) for one in made.pop("measurements"))
        return Report(measurements=measurements, **made)
    except (KeyError, TypeError) as error:
        raise ConfigError([f"{path}: damaged ({error})"]) from None
