"""A dashboard on a page: its panels in their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from dashboards.grafana import Shown
from dashboards.pictures.drawing import DIM, SOFT, Answers, Drawing
from dashboards.pictures.kinds import draw
from dashboards.pictures.units import beside_title

CELL = (0.56, 0.27)
"""Inches of a column and a line of the grid."""
HEAD, FOOT, GAP = 0.5, 0.3, 0.05
"""Inches above and below the panels, and around each."""
DPI = 90
SHADES = 128
"""Colors of a file: a third of the bytes, and nothing is seen of it."""


def save(dashboard: Mapping[str, Any], shown: Shown, ask: Callable[[Mapping[str, Any]], Answers], file: Path) -> None:
    """Draw it to a PNG. `ask` gives the answers to the queries of a panel."""
    with rc_context({"text.parse_math": False}):  # a $ is a dollar
        _save(dashboard, shown, ask, file)


def _save(dashboard: Mapping[str, Any], shown: Shown, ask: Callable[[Mapping[str, Any]], Answers], file: Path) -> None:
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    width, height = 24 * CELL[0], lines * CELL[1] + HEAD + FOOT
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="#f4f5f7")
    FigureCanvasAgg(figure)
    figure.text(0.006, 1 - 0.3 / height, dashboard["title"], fontsize=15, weight="bold", va="center")
    figure.text(0.994, 1 - 0.3 / height, _range(shown), fontsize=8, color=DIM, va="center", ha="right")
    figure.text(
        0.006,
        0.15 / height,
        "Drawn by LLM Observatory from the queries of the dashboard, not by Grafana.",
        fontsize=8,
        color=DIM,
        va="center",
    )
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        box = (
            place["x"] * CELL[0] + GAP,
            height - HEAD - (place["y"] + place["h"]) * CELL[1] + GAP,
            place["w"] * CELL[0] - 2 * GAP,
            place["h"] * CELL[1] - 2 * GAP,
        )
        if panel["type"] == "row":
            figure.text(
                box[0] / width, (box[1] + box[3] / 2) / height, panel["title"], fontsize=9.5, weight="bold", va="center"
            )
        else:
            _panel(figure, panel, shown, ask(panel), box)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(SHADES, Image.Quantize.MAXCOVERAGE, kmeans=2).save(file, optimize=True)


def _range(shown: Shown) -> str:
    return f"{shown.begin:%Y-%m-%d %H:%M} to {shown.end:%H:%M} UTC"


def _panel(
    figure: Figure, panel: Mapping[str, Any], shown: Shown, answers: Answers, box: tuple[float, float, float, float]
) -> None:
    width, height = figure.get_size_inches()
    x, y, wide, tall = box
    ground = Rectangle(
        (x / width, y / height), wide / width, tall / height, facecolor="white", edgecolor=SOFT, lw=0.7, zorder=-1
    )
    figure.add_artist(ground)
    title = figure.text((x + 0.08) / width, (y + tall - 0.13) / height, panel["title"], fontsize=8, weight="bold", va="center")
    if panel["type"] == "timeseries":
        end = title.get_window_extent().x1 / DPI + 0.08
        unit = beside_title(panel["fieldConfig"]["defaults"]["unit"])
        figure.text(end / width, title.get_position()[1], unit, fontsize=7, color=DIM, va="center")
    left = 0.5 if panel["type"] in ("timeseries", "heatmap") else 0.1
    bottom = 0.25 if panel["type"] in ("timeseries", "heatmap") else 0.06
    inner = (x + left, y + bottom, wide - left - 0.12, tall - bottom - 0.3)
    axes = figure.add_axes((inner[0] / width, inner[1] / height, inner[2] / width, inner[3] / height))
    draw(axes, Drawing(panel, answers, shown, (inner[2], inner[3])))
