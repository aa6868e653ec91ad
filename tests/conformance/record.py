"""What a run saw, as `--conformance-json` writes it and `docs/reference/otlp-conformance.json` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.manifest import Level
from tests.conformance.verdict import Result

FILE = Path(__file__).parents[2] / "docs" / "reference" / "otlp-conformance.json"


@dataclass(slots=True)
class Finding:
    """Of one test. `test` is its name with its parameters, `reason` that of a deviation or of what does not apply."""

    test: str
    requirements: list[tuple[str, Level]]
    result: Result = "fail"
    seen: list[str] = field(default_factory=list)
    reason: str = ""


@dataclass(slots=True)
class Run:
    """All findings of a run. `receiver` is `ours`, or the addresses of another one."""

    receiver: str
    date: str
    findings: list[Finding]


def read(file: Path = FILE) -> Run:
    """A run from its file."""
    loaded = json.loads(file.read_text(encoding="utf-8"))
    return Run(loaded["receiver"], loaded["date"], [finding(found) for found in loaded["findings"]])


def finding(found: dict[str, Any]) -> Finding:
    """A finding from its fields, where requirements may have become lists."""
    return Finding(**{**found, "requirements": [tuple(key) for key in found["requirements"]]})


def write(run: Run, file: Path = FILE) -> None:
    """A run into its file, tests by name."""
    findings = [asdict(found) for found in sorted(run.findings, key=lambda found: found.test)]
    content = {"receiver": run.receiver, "date": run.date, "findings": findings}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def of(key: tuple[str, Level], findings: Iterable[Finding]) -> Sequence[Finding]:
    """The findings on one requirement."""
    return [found for found in findings if key in found.requirements]
