"""What a check says: one line, with the number, the threshold and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "fail"]

_BADNESS: dict[Status, int] = {"ok": 0, "warn": 1, "fail": 2}

FAILED, WARNED = 1, 3
"""Exit codes. 2 is of settings and arguments that are wrong, as with every command."""


@dataclass(frozen=True, slots=True)
class Line:
    """`says` has the number in words, `value` the number itself in base units; `next` is empty where nothing is to be done."""

    check: str
    status: Status
    says: str
    threshold: str = ""
    next: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All lines, in the order of the checks."""

    lines: Sequence[Line]

    @property
    def status(self) -> Status:
        """The worst of all."""
        return max((line.status for line in self.lines), key=_BADNESS.__getitem__, default="ok")

    @property
    def exit_code(self) -> int:
        """0 where all is ok."""
        return {"ok": 0, "warn": WARNED, "fail": FAILED}[self.status]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"status": self.status, "checks": [asdict(line) for line in self.lines]}


def worst(lines: Sequence[Line]) -> Line:
    """The first of the worst. Raises ValueError where there is none."""
    return max(lines, key=lambda line: _BADNESS[line.status])
