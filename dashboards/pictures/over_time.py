"""Panels with an axis of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from dashboards.pictures.drawing import DIM, SMALL, SOFT, Drawing, cycle
from dashboards.pictures.units import PLAIN, number

DATES: Any = dates
"""Its functions have no types."""
LEGEND_LINES = 4


def _dates(times: Sequence[float]) -> Any:
    return DATES.date2num([datetime.fromtimestamp(time, UTC) for time in times])


def _time_axis(axes: Axes, drawing: Drawing) -> None:
    begin, end = (DATES.date2num(time) for time in (drawing.shown.begin, drawing.shown.end))
    axes.set_xlim(begin, end)
    locator = DATES.AutoDateLocator(minticks=2, maxticks=max(3, int(drawing.inches[0] * 1.4)))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DATES.DateFormatter("%H:%M" if end - begin <= 2 else "%m-%d"))
    axes.tick_params(labelsize=SMALL, colors=DIM, length=2, width=0.5, pad=1.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)


def lines(axes: Axes, drawing: Drawing) -> None:
    """Lines, areas or bars, with thresholds and a legend."""
    custom = drawing.panel["fieldConfig"]["defaults"]["custom"]
    bars, stacked = custom["drawStyle"] == "bars", custom["stacking"]["mode"] == "normal"
    found = drawing.series
    if stacked or len(found) > 5:  # the greatest first: what the legend has no room for matters least
        found.sort(key=lambda one: -sum(one.values))
    handles: list[Any] = []
    if stacked:
        grid = sorted({time for one in found for time in one.times})
        base = np.zeros(len(grid))
        width = drawing.shown.step.total_seconds() / 86_400 * 0.9
        for one, color in zip(found, cycle(), strict=False):
            known = dict(zip(one.times, one.values, strict=True))
            values = np.array([known.get(time, 0.0) for time in grid])
            if bars:
                handles.append(axes.bar(_dates(grid), values, width, bottom=base, color=color, align="edge", label=one.name))
            else:
                handles.append(
                    axes.fill_between(_dates(grid), base, base + values, color=color, alpha=0.75, lw=0, label=one.name)
                )
            base += values
    else:
        for one, color in zip(found, cycle(), strict=False):
            marker = "o" if len(one.times) < 3 else None
            handles += axes.plot(_dates(one.times), one.values, color=color, lw=1.1, marker=marker, ms=2, label=one.name)
    _time_axis(axes, drawing)
    axes.set_ylim(bottom=drawing.panel["fieldConfig"]["defaults"].get("min"))
    top = axes.get_ylim()[1]
    axes.set_ylim(top=top if any(value for one in found for value in one.values) else 1)
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        for least, color in drawing.steps:
            if math.isfinite(least) and least <= axes.get_ylim()[1]:
                axes.axhline(least, color=color, lw=0.8, ls="--")
    axes.yaxis.set_major_locator(_locator(drawing.unit, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, PLAIN.get(drawing.unit, drawing.unit))))
    axes.grid(axis="y", color=SOFT, lw=0.5)
    axes.set_axisbelow(True)
    _legend(axes, drawing, handles, [one.name for one in found])


def _locator(unit: str, top: float) -> MaxNLocator | MultipleLocator:
    if unit == "bytes" and top > 4:
        return MultipleLocator(2 ** math.floor(math.log2(top / 3)))
    return MaxNLocator(5)


def _legend(axes: Axes, drawing: Drawing, handles: Sequence[Any], names: Sequence[str]) -> None:
    widest = max(map(len, names))
    columns = max(1, min(len(names), int(drawing.inches[0] / (0.3 + 0.055 * widest))))
    shown_names = list(names)[: columns * LEGEND_LINES]
    if len(shown_names) < len(names):
        shown_names[-1] = f"and {len(names) - len(shown_names) + 1} more"
    lines = math.ceil(len(shown_names) / columns)
    axes.legend(
        list(handles)[: len(shown_names)],
        shown_names,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.24 / drawing.inches[1]),
        ncols=columns,
        fontsize=SMALL,
        frameon=False,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=1,
        labelcolor=DIM,
        borderpad=0,
        labelspacing=0.25,
    )
    box = axes.get_position()
    taken = box.height * min(0.6, lines * 0.125 / drawing.inches[1])
    axes.set_position((box.x0, box.y0 + taken, box.width, box.height - taken))


def heat(axes: Axes, drawing: Drawing) -> None:
    """Cells of color: a row for each bucket, or for each series."""
    found = drawing.series
    of_buckets = drawing.panel["targets"][0].get("format") == "heatmap"
    if of_buckets:
        found = sorted(found, key=lambda one: float(one.labels["le"]))
    grid = sorted({time for one in found for time in one.times})
    cells = np.full((len(found), len(grid)), np.nan)
    at = {time: place for place, time in enumerate(grid)}
    for row, one in enumerate(found):
        for time, value in zip(one.times, one.values, strict=True):
            cells[row, at[time]] = value
    if of_buckets:  # Prometheus counts what is at most `le`
        cells = np.diff(np.nan_to_num(cells), axis=0, prepend=0).clip(0)
        used = np.flatnonzero(cells.any(axis=1))
        first, last = (used[0], used[-1] + 1) if used.size else (0, len(found))
        cells, found = cells[first:last], found[first:last]
    cells[cells == 0] = np.nan
    edges = _dates([*grid, grid[-1] + (grid[-1] - grid[0]) / max(1, len(grid) - 1)])
    axes.pcolormesh(edges, np.arange(len(found) + 1), cells, cmap="Oranges", vmin=0)
    _time_axis(axes, drawing)
    names = [number(float(one.labels["le"]), drawing.unit) if of_buckets else one.name for one in found]
    names = ["more" if name in ("inf", "inf d") or "inf" in name else name for name in names]
    if not of_buckets:
        peaks = [np.nanmax(row) if np.isfinite(row).any() else 0.0 for row in cells]
        names = [f"{name} (≤ {number(float(peak), drawing.unit)})" for name, peak in zip(names, peaks, strict=True)]
    box = axes.get_position()
    left = box.width * min(0.45, max(map(len, names)) * 0.05 / drawing.inches[0])
    axes.set_position((box.x0 + left, box.y0, box.width - left, box.height))
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=SMALL)
