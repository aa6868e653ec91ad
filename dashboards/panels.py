"""The kinds of panels. Every one has a title, a description, a unit and a data source; widths are of 24 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import barchart, bargauge, common, gauge, heatmap, piechart, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TableCellHeight,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Panel,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.piechart import PieChartLegendValues, PieChartType

from dashboards import thresholds
from dashboards.queries import Query
from dashboards.thresholds import Steps

When = Literal["over_time", "now", "buckets"]


@dataclass(frozen=True, slots=True)
class About:
    """What all kinds have. `unit` is an id of Grafana's, as `s`, `percentunit` (0 to 1), `bytes`, `short`, `none`."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    span: int
    height: int


def about(title: str, description: str, unit: str, *queries: Query, span: int = 8, height: int = 8) -> About:
    """A panel without its kind."""
    return About(title, description, unit, queries, span, height)


def _fill(panel: Any, of: About, when: When) -> Any:
    sources = {query.source.uid for query in of.queries}
    if len(sources) != 1:
        raise ValueError(f"{of.title}: a panel asks one data source, not {len(sources)}")
    panel.title(of.title).description(of.description).unit(of.unit).datasource(of.queries[0].source)
    for place, query in enumerate(of.queries):
        panel.with_target(getattr(query, when)(chr(ord("A") + place)))
    return panel.span(of.span).height(of.height)


def _legend(*calcs: str) -> Any:
    listed = common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    return listed.display_mode(LegendDisplayMode.TABLE if calcs else LegendDisplayMode.LIST).calcs(list(calcs))


def _newest() -> Any:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def series(of: About, *, stacked: bool = False, bars: bool = False, steps: Steps = (), least: float | None = 0) -> Panel:
    """Lines over time; stacked they are areas or bars. `steps` are drawn as dashed lines."""
    panel = _fill(timeseries.Panel(), of, "over_time")
    panel.legend(_legend()).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE).line_width(1).show_points(VisibilityMode.AUTO)
    panel.fill_opacity(80 if bars else 25 if stacked else 5).span_nulls(3_600_000)
    panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
    if least is not None:
        panel.min(least)
    if steps:
        panel.thresholds(thresholds.config(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return _built(panel)


def number(of: About, *, steps: Steps = thresholds.NONE, words: Mapping[str, tuple[str, str]] | None = None) -> Panel:
    """One number, or one for each series. `words` stand for values: `{"1": ("up", "green")}`."""
    panel = _fill(stat.Panel(), of, "now")
    panel.reduce_options(_newest()).graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE)
    panel.thresholds(thresholds.config(steps))
    if words:
        results = {value: ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
        panel.mappings([ValueMap(options=results)])
    return _built(panel)


def dial(of: About, *, most: float, steps: Steps) -> Panel:
    """A gauge from 0 to `most`."""
    panel = _fill(gauge.Panel(), of, "now")
    return _built(panel.reduce_options(_newest()).min(0).max(most).thresholds(thresholds.config(steps)))


def shares(of: About) -> Panel:
    """Parts of a whole, as a ring."""
    panel = _fill(piechart.Panel(), of, "now").pie_type(PieChartType.DONUT).reduce_options(_newest())
    legend = piechart.PieChartLegendOptions().show_legend(True).display_mode(LegendDisplayMode.TABLE)
    values = [PieChartLegendValues.VALUE, PieChartLegendValues.PERCENT]
    return _built(panel.legend(legend.placement(LegendPlacement.RIGHT).values(values)))


def ranking(of: About, *, steps: Steps = thresholds.NONE) -> Panel:
    """One horizontal bar for each series."""
    panel = _fill(bargauge.Panel(), of, "now").reduce_options(_newest()).orientation(VizOrientation.HORIZONTAL).min(0)
    if steps is thresholds.NONE:
        panel.color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
    return _built(panel.thresholds(thresholds.config(steps)))


def bars(of: About, *, category: str, stacked: bool = False) -> Panel:
    """Horizontal bars of a table: `category` is the column that names them, every other one a number."""
    panel = _fill(barchart.Panel(), of, "now").orientation(VizOrientation.HORIZONTAL).x_field(category).min(0)
    panel.stacking(StackingMode.NORMAL if stacked else StackingMode.NONE).show_value(VisibilityMode.AUTO)
    return _built(panel.legend(_legend()).fill_opacity(80))


def buckets(of: About) -> Panel:
    """How values are spread, over time: the buckets of a histogram of Prometheus."""
    return _heat(of, "buckets", of.unit)


def rows_of_heat(of: About) -> Panel:
    """A row for each series, its value as color, over time."""
    return _heat(of, "over_time", "none")


def _heat(of: About, when: When, axis_unit: str) -> Panel:
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    panel = _fill(heatmap.Panel(), of, when).calculate(False).color(color).cell_gap(1)
    panel.y_axis(heatmap.YAxisConfig().unit(axis_unit))
    cells = heatmap.CellValues().unit(of.unit if when == "over_time" else "short")
    return _built(panel.cell_values(cells).tooltip(heatmap.HeatmapTooltip().mode(TooltipDisplayMode.SINGLE)))


def listing(of: About, *, units: Mapping[str, str] | None = None, links: Mapping[str, str] | None = None) -> Panel:
    """A table. `units` are those of columns that have another one, `links` where a cell leads."""
    panel = _fill(table.Panel(), of, "now").show_header(True).cell_height(TableCellHeight.SM).filterable(True)
    for column, unit in (units or {}).items():
        panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    for column, url in (links or {}).items():
        link: Sequence[dict[str, str]] = [{"title": "Open", "url": url}]
        panel.override_by_name(column, [DynamicConfigValue(id_val="links", value=link)])
    return _built(panel)


def _built(panel: Any) -> Panel:
    made: Panel = panel.build()
    return made
