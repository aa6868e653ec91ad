"""Panels of numbers at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dashboards.grafana import Table
from dashboards.pictures import units
from dashboards.pictures.drawing import COLORS, DIM, NAMED, SMALL, SOFT, Drawing, cycle, empty


def number(axes: Axes, drawing: Drawing) -> None:
    """One number, or several below each other, colored by thresholds; words stand for values."""
    axes.axis("off")
    words = {
        value: result
        for mapping in drawing.panel["fieldConfig"]["defaults"].get("mappings", [])
        for value, result in mapping["options"].items()
    }
    found = drawing.series
    for place, one in enumerate(found):
        y = 1 - (place + 0.5) / len(found)
        word = words.get(f"{one.values[-1]:g}")
        text, color = (
            (word["text"], NAMED[word["color"]])
            if word
            else (units.number(one.values[-1], drawing.unit), drawing.color(one.values[-1]))
        )
        size = min(22.0, drawing.inches[0] * 60 / max(len(text), 4)) / (1 if len(found) == 1 else 1.6)
        axes.text(0.5, y, text, ha="center", va="center", fontsize=size, color=color, weight="bold", transform=axes.transAxes)


def dial(axes: Axes, drawing: Drawing) -> None:
    """Half a ring, filled by the share of the greatest value."""
    value, most = drawing.series[0].values[-1], drawing.panel["fieldConfig"]["defaults"]["max"]
    share = min(1.0, max(0.0, value / most))
    axes.set_aspect("equal")
    axes.pie(
        [share, 1 - share, 1],
        colors=[drawing.color(value), SOFT, "none"],
        startangle=180,
        counterclock=False,
        radius=1.25,
        wedgeprops={"width": 0.32},
    )
    axes.text(
        0,
        0.05,
        units.number(value, drawing.unit),
        ha="center",
        va="center",
        fontsize=14,
        weight="bold",
        color=drawing.color(value),
    )
    axes.set_ylim(-0.3, 1.3)


def ring(axes: Axes, drawing: Drawing) -> None:
    """Parts of a whole, with their numbers beside it."""
    found = [one for one in drawing.series if one.values[-1] > 0]
    if not found:
        empty(axes, "none")
        return
    total = sum(one.values[-1] for one in found)
    box = axes.get_position()
    axes.set_position((box.x0, box.y0, box.width * 0.42, box.height))
    wedges, *_ = axes.pie(
        [one.values[-1] for one in found],
        colors=COLORS,
        startangle=90,
        counterclock=False,
        radius=1.2,
        wedgeprops={"width": 0.45, "edgecolor": "white"},
    )
    names = [f"{one.name}  {units.number(one.values[-1], drawing.unit)}  ({one.values[-1] / total:.0%})" for one in found]
    axes.legend(
        wedges, names, loc="center left", bbox_to_anchor=(1.05, 0.5), fontsize=SMALL + 0.5, frameon=False, labelcolor=DIM
    )


def _named_bars(axes: Axes, names: Sequence[str], parts: Sequence[tuple[str, Sequence[float], Any]], drawing: Drawing) -> None:
    """Horizontal bars with the greatest on top; `parts` are name, values and color, side by side as one bar."""
    places = np.arange(len(names))[::-1]
    base = np.zeros(len(names))
    handles = []
    for _, values, color in parts:
        handles.append(axes.barh(places, values, left=base, color=color, height=0.62))
        base += np.array(values)
    most = max(float(base.max()), 1e-12)
    for place, value in zip(places, base, strict=True):
        axes.text(value + most * 0.015, place, units.number(float(value), drawing.unit), va="center", fontsize=SMALL, color=DIM)
    box = axes.get_position()
    longest = max(map(len, names)) * 0.052 / drawing.inches[0]
    left = box.width * min(0.55, longest)
    axes.set_position((box.x0 + left, box.y0, box.width - left, box.height))
    axes.set_yticks(places, names, fontsize=SMALL, color=NAMED["text"])
    axes.set_xlim(0, most * 1.22)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    if len(parts) > 1:
        axes.legend(handles, [name for name, *_ in parts], loc="lower right", fontsize=SMALL, frameon=False, labelcolor=DIM)


def ranking(axes: Axes, drawing: Drawing) -> None:
    """A bar for each series, the greatest on top."""
    found = sorted(drawing.series, key=lambda one: -one.values[-1])[: int(drawing.inches[1] / 0.14)]
    plain = len(drawing.steps) < 2
    colors = cycle()[: len(found)] if plain else [drawing.color(one.values[-1]) for one in found]
    _named_bars(axes, [one.name for one in found], [("", [one.values[-1] for one in found], colors)], drawing)


def bars(axes: Axes, drawing: Drawing) -> None:
    """A bar for each row of a table, made of its numbers."""
    (table,) = drawing.answers
    assert isinstance(table, Table)
    category = table.columns.index(drawing.panel["options"]["xField"])
    numbers = [place for place in range(len(table.columns)) if place != category]
    rows = [row for row in table.rows if any(row[place] is not None for place in numbers)]
    parts = [
        (table.columns[place], [float(row[place] or 0) for row in rows], color)
        for place, color in zip(numbers, COLORS, strict=False)
    ]
    _named_bars(axes, [str(row[category]) for row in rows], parts, drawing)
