"""A dashboard of panels in rows, with ids and places."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders.dashboard import Dashboard as DashboardBuilder
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    Panel,
    RowPanel,
)

from dashboards.variables import Variable

WIDTH = 24
TAG = "llm-observatory"


class Section(NamedTuple):
    """A row with a title, and the panels below it from left to right, as many in a line as have room."""

    title: str
    panels: Sequence[Panel]


def dashboard(
    uid: str, title: str, description: str, *, shows: str, variables: Sequence[Variable], sections: Sequence[Section]
) -> Dashboard:
    """`shows` is how far back it shows at first, as `1h`."""
    made = DashboardBuilder(title).uid(uid).description(description).tags([TAG]).readonly()
    made.time(f"now-{shows}", "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    made.variables(list(variables))
    made.link(
        DashboardLink("LLM Observatory").type(DashboardLinkType.DASHBOARDS).tags([TAG]).include_vars(True).keep_time(True)
    )
    built = made.build()
    built.panels = _placed(sections)
    return built


def _placed(sections: Sequence[Section]) -> list[Panel | RowPanel]:
    placed: list[Panel | RowPanel] = []
    y = 0
    for section in sections:
        row = RowPanel(collapsed=False, title=section.title, id_val=len(placed) + 1, grid_pos=GridPos(h=1, w=WIDTH, x=0, y=y))
        placed.append(row)
        x, y, tallest = 0, y + 1, 0
        for panel in section.panels:
            size = panel.grid_pos
            if size is None:
                raise ValueError(f"{panel.title}: it has no size")
            if x + size.w > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panel.id_val, panel.grid_pos = len(placed) + 1, GridPos(h=size.h, w=size.w, x=x, y=y)
            placed.append(panel)
            x, tallest = x + size.w, max(tallest, size.h)
        y += tallest
    return placed


def as_json(made: Dashboard) -> str:
    """The same text for the same dashboard, always."""
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
