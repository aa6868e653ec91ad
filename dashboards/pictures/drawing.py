"""A panel with the answers to its queries, and what all kinds are drawn with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from dashboards.grafana import Series, Shown, Table

COLORS = ("#3b78c2", "#e0752d", "#4f9d58", "#b04a9a", "#c9a227", "#5fb7c4", "#c4464b", "#7d6bb5", "#8a8f57", "#9b6b4f")
NAMED = {"green": "#3f9a4a", "orange": "#e08a1e", "red": "#c8363c", "text": "#222222"}
SOFT, DIM = "#e4e7eb", "#68707a"
SMALL = 6.5
Answers = Sequence[Sequence[Series] | Table]


class Drawing(NamedTuple):
    """One panel with what its queries gave; `inches` is the size of its axes."""

    panel: Mapping[str, Any]
    answers: Answers
    shown: Shown
    inches: tuple[float, float]

    @property
    def unit(self) -> str:
        """Of its numbers."""
        unit: str = self.panel["fieldConfig"]["defaults"]["unit"]
        return unit

    @property
    def series(self) -> list[Series]:
        """All series that have values."""
        return [one for answer in self.answers for one in _series_of(answer, self.panel["type"]) if one.values]

    @property
    def steps(self) -> list[tuple[float, str]]:
        """Thresholds: from which value on which color."""
        steps = self.panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        return [(-math.inf if step["value"] is None else step["value"], NAMED[step["color"]]) for step in steps]

    def color(self, value: float) -> str:
        """By its thresholds."""
        return next((color for least, color in reversed(self.steps) if value >= least), NAMED["text"])


def _series_of(answer: Sequence[Series] | Table, kind: str) -> Sequence[Series]:
    if not isinstance(answer, Table):
        return answer
    if "time" in answer.columns:
        return answer.over_time()
    if kind != "stat" or not answer.rows:
        return ()
    pairs = zip(answer.columns, answer.rows[0], strict=True)
    return [Series(name, (0.0,), (float(value),), {}) for name, value in pairs if value is not None]


def empty(axes: Axes, words: str) -> None:
    """Say why nothing is drawn."""
    axes.axis("off")
    axes.text(0.5, 0.5, words, ha="center", va="center", color=DIM, fontsize=9, transform=axes.transAxes)


def cycle() -> list[str]:
    """Colors for any number of series."""
    return list(COLORS) * 20
