"""Two runs side by side: before and after a change, and what else was different."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.report import Measurement, Report

NOISE = 0.02
"""A change below that is none."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of both runs; None where only the other one has it."""

    name: str
    unit: str
    before: float | None
    after: float | None
    verdict: str

    @property
    def share(self) -> float | None:
        """The change as a share of what was before."""
        if self.before is None or self.after is None or not self.before:
            return None
        return self.after / self.before - 1


def changes(before: Report, after: Report) -> list[Change]:
    """Every figure of either run. ConfigError where they are of two kinds."""
    if before.kind != after.kind:
        raise ConfigError([f"one is of `bench {before.kind}`, the other of `bench {after.kind}`: compare two of a kind"])
    old, new = ({one.name: one for one in report.measurements} for report in (before, after))
    return [_change(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))]


def differences(before: Report, after: Report) -> Iterator[tuple[str, str, str]]:
    """What was different beside the figures: its name, before, after."""
    for part in ("machine", "versions", "settings"):
        old, new = getattr(before, part), getattr(after, part)
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name):
                yield name, old.get(name, "-"), new.get(name, "-")


def _change(name: str, before: Measurement | None, after: Measurement | None) -> Change:
    known = after or before
    assert known is not None  # noqa: S101 - the name is of one of them
    old, new = (None if one is None else one.value for one in (before, after))
    return Change(name, known.unit, old, new, _verdict(known, old, new))


def _verdict(known: Measurement, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "only after" if before is None else "only before"
    if known.better is None or not before:
        return ""
    share = after / before - 1
    if abs(share) < NOISE:
        return "same"
    return "better" if (share > 0) == (known.better == "higher") else "worse"
