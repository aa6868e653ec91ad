"""The page of runs over time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.report import Measurement, Report
from llm_observatory.operate.report import page, runs

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def run(days_ago: int, value: float) -> Report:
    figure = Measurement("grpc <rate>", value, "spans/s", "higher", 90.0)
    return replace(Report("ingest", {}, [figure]), when=(NOW - timedelta(days=days_ago)).isoformat())


def test_runs_of_the_period_in_the_order_of_time(tmp_path: Path) -> None:
    for name, report in {"a": run(1, 88.0), "b": run(30, 100.0), "c": run(200, 1.0)}.items():
        (tmp_path / f"{name}.json").write_text(report.to_json())
    found = runs(tmp_path, "quarterly", NOW)
    assert [one.measurements[0].value for one in found] == [100.0, 88.0]
    with pytest.raises(ConfigError, match="no file of"):
        runs(tmp_path / "none", "weekly", NOW)


def test_the_page_shows_the_change_and_what_is_missed() -> None:
    made = page([run(30, 100.0), run(1, 88.0)], "quarterly", NOW)
    assert "grpc &lt;rate&gt;" in made
    assert "-12.0%" in made
    assert 'class="missed"' in made
    assert made.count("<circle") == 2
