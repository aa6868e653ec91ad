"""The fenced blocks of the documentation, and what each says about itself.

Behind the language stands what becomes of a block: `run` (a test executes it as it stands), `run timescaledb` (where the tests
run on TimescaleDB), `(tested: tests/…)` (a test of its own does), or `(not run: why)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[2]

EXECUTABLE = frozenset({"sh", "bash", "sql", "python", "console"})
"""Languages whose blocks readers copy and run."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*) *(?P<said>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One fenced block. `said` is what stands behind its language."""

    page: Path
    line: int
    language: str
    said: str
    text: str

    @property
    def name(self) -> str:
        """Page and line, as an editor takes them."""
        return f"{self.page.relative_to(TOP)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it is executed as it stands."""
        return self.said.split(" ")[0] == "run"


def pages() -> list[Path]:
    """All documents for readers; records of decisions are about the past."""
    return [
        TOP / "README.md",
        TOP / "CONTRIBUTING.md",
        *sorted(path for path in (TOP / "docs").rglob("*.md") if "adr" not in path.parts),
    ]


def blocks() -> Iterator[Block]:
    """Every block of every page."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            indent = found["indent"]
            lines = (line.removeprefix(indent) for line in found["text"].splitlines())
            yield Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["said"], "\n".join(lines) + "\n")
