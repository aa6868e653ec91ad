"""Drawing, without a database: every kind of panel with an answer, and with none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dashboards.grafana import Series, Shown, Table
from dashboards.pictures.drawing import Answers
from dashboards.pictures.page import CELL, DPI, FOOT, HEAD, save
from dashboards.pictures.units import number, shown
from tests.plugins.grafana import dashboards, panels

ROOT = Path(__file__).parents[3]
END = datetime(2026, 11, 28, 12, tzinfo=UTC)
SHOWN = Shown(END - timedelta(hours=1), END, timedelta(minutes=1))
TIMES = tuple((END - timedelta(minutes=minute)).timestamp() for minute in range(59, -1, -1))


def answers(panel: dict[str, Any]) -> Answers:
    """Something for each query of a panel."""
    kind, several = panel["type"], len(panel["targets"])
    if kind in ("table", "barchart"):
        category = panel["options"].get("xField", "name")
        return [
            Table([category, "calls", "when"][: 3 if kind == "table" else 2], [("$1 a name", 7.0, END), ("b", None, None)])
        ] * several
    found = [Series(f"series {le}", TIMES, tuple(float(le) for _ in TIMES), {"le": le}) for le in ("1", "2", "+Inf")]
    finite = found[:2] if panel["targets"][0].get("format") != "heatmap" else found
    if panel["datasource"]["type"] != "prometheus":
        if panel["targets"][0]["format"] == "table":
            return [Table(["number"], [(3,)])] * several
        rows = [(datetime.fromtimestamp(time, UTC), 1.5) for time in TIMES]
        return [Table(["time", "p95"], rows)] * several
    return [finite] * several


def pixels(file: Path, panel: dict[str, Any], dashboard: dict[str, Any]) -> Any:
    """Those of a panel, below its title."""
    place = panel["gridPos"]
    lines = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in dashboard["panels"])
    picture = Image.open(file).convert("RGB")
    above = picture.height - (0.3 + (lines - place["y"]) * CELL[1]) * DPI
    left, right = place["x"] * CELL[0] * DPI + 8, (place["x"] + place["w"]) * CELL[0] * DPI - 8
    return np.asarray(picture.crop((left, above + 30, right, above + place["h"] * CELL[1] * DPI - 8)))


def test_every_kind_of_panel_is_drawn_and_says_when_it_has_no_data(tmp_path: Path) -> None:
    kinds = {panel["type"] for dashboard in dashboards().values() for panel in panels(dashboard)}
    dashboard = dashboards()["database-health"]
    assert {panel["type"] for panel in panels(dashboard)} == kinds
    full, empty = tmp_path / "full.png", tmp_path / "empty.png"
    save(dashboard, SHOWN, lambda panel: answers(dict(panel)), full)
    save(dashboard, SHOWN, lambda _: [[]], empty)
    for panel in panels(dashboard):
        assert len(np.unique(pixels(full, panel, dashboard).reshape(-1, 3), axis=0)) > 2, panel["title"]
        assert (pixels(full, panel, dashboard) != pixels(empty, panel, dashboard)).any(), panel["title"]
        assert (pixels(empty, panel, dashboard) < 200).any(), panel["title"]


@pytest.mark.parametrize("uid", dashboards())
def test_pictures_in_the_documentation_are_those_of_the_dashboards(uid: str) -> None:
    file = ROOT / "docs" / "images" / f"{uid}.png"
    assert file.stat().st_size < 300_000
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboards()[uid]["panels"])
    with Image.open(file) as picture:
        assert picture.height == pytest.approx((lines * CELL[1] + HEAD + FOOT) * DPI, abs=2), "`make pictures`"


@pytest.mark.parametrize(
    "value, unit, expected",
    [
        (0.9955, "percentunit", "99.6 %"),
        (0, "s", "0"),
        (0.0123, "s", "12.3 ms"),
        (90, "s", "1.5 min"),
        (1500, "ms", "1.5 s"),
        (5e-7, "s", "0.5 µs"),
        (1536, "bytes", "1.5 KiB"),
        (12, "bytes", "12 B"),
        (1_234_567, "short", "1.23 M"),
        (999, "none", "999"),
        (12.34, "ops", "12.3 ops/s"),
        (0.004, "currencyUSD", "$0.004"),
        (1234.5, "currencyUSD", "$1,234.50"),
        (28_452, "currencyUSD", "$28.5 K"),
    ],
)
def test_numbers_as_people_read_them(value: float, unit: str, expected: str) -> None:
    assert number(value, unit) == expected


@pytest.mark.parametrize(
    "value, expected", [(None, "-"), ("text", "text"), (True, "yes"), (END, "11-28 12:00:00"), (7, "7"), ([1], "[1]")]
)
def test_cells(value: Any, expected: str) -> None:
    assert shown(value, "short") == expected
