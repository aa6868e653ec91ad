"""How each kind of panel is drawn."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes

from dashboards.grafana import Table
from dashboards.pictures import at_once, over_time, rows
from dashboards.pictures.drawing import Drawing, empty

_KINDS: dict[str, Callable[[Axes, Drawing], None]] = {
    "timeseries": over_time.lines,
    "heatmap": over_time.heat,
    "stat": at_once.number,
    "gauge": at_once.dial,
    "piechart": at_once.ring,
    "bargauge": at_once.ranking,
    "barchart": at_once.bars,
    "table": rows.table,
}


def draw(axes: Axes, drawing: Drawing) -> None:
    """Draw the panel, or that there is nothing."""
    if not drawing.series and not any(isinstance(answer, Table) and answer.rows for answer in drawing.answers):
        empty(axes, "no data")
        return
    _KINDS[drawing.panel["type"]](axes, drawing)
