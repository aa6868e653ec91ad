"""Tables."""

from __future__ import annotations

from matplotlib.axes import Axes

from dashboards.grafana import Table
from dashboards.pictures.drawing import DIM, NAMED, SMALL, SOFT, Drawing
from dashboards.pictures.units import shown


def table(axes: Axes, drawing: Drawing) -> None:
    """As many rows as have room; long cells are cut."""
    (table,) = drawing.answers
    assert isinstance(table, Table)
    axes.axis("off")
    units = {
        override["matcher"]["options"]: prop["value"]
        for override in drawing.panel["fieldConfig"].get("overrides", [])
        for prop in override["properties"]
        if prop["id"] == "unit"
    }
    room = max(1, int(drawing.inches[1] / 0.155) - 1)
    rows = [
        [shown(value, units.get(name, drawing.unit)) for name, value in zip(table.columns, row, strict=True)]
        for row in table.rows[:room]
    ]
    wide = [max(len(cell) for cell in column) + 2 for column in zip(table.columns, *rows, strict=True)]
    while sum(wide) > drawing.inches[0] / 0.058 and max(wide) > 8:
        wide[wide.index(max(wide))] -= 1
    is_text = [any(isinstance(row[place], str) for row in table.rows) for place in range(len(table.columns))]
    height = 1 / (room + 1)
    x = 0.0
    scale = 1 / max(sum(wide), 1)
    for place, column in enumerate(table.columns):
        right = x + wide[place] * scale
        where, align = (x, "left") if is_text[place] else (right - 0.008, "right")
        for line, cell in enumerate([column, *(row[place] for row in rows)]):
            text = cell if len(cell) <= wide[place] else cell[: max(1, wide[place] - 2)] + "…"
            axes.text(
                where,
                1 - (line + 0.5) * height,
                text,
                ha=align,
                va="center",
                fontsize=SMALL + 0.3,
                transform=axes.transAxes,
                color=DIM if line == 0 else NAMED["text"],
                weight="bold" if line == 0 else "normal",
            )
        x = right
    for line in range(1, len(rows) + 1):
        axes.plot([0, 1], [1 - line * height] * 2, color=SOFT, lw=0.5, transform=axes.transAxes)
