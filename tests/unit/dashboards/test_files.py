"""The dashboards as files: they are what the code declares, and what Grafana and a reader need of each panel."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.__main__ import main
from dashboards.grafana import Shown
from dashboards.render import FOLDER, rendered
from tests.plugins import grafana
from tests.plugins.grafana import Query, dashboards, panels
from tests.plugins.programs import environment, program

UIDS = ("database-health", "llm-usage", "query-performance", "storage-overview")
PROVISIONING = FOLDER.parent / "deploy" / "grafana" / "provisioning"


def test_the_files_are_what_the_code_declares(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    assert tuple(sorted(path.stem for path in rendered())) == UIDS


def test_a_file_that_was_changed_by_hand_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {tmp_path / path.name: text for path, text in rendered().items()}
    for path, text in changed.items():
        path.write_text(text.replace("Storage Overview", "My overview"))
    monkeypatch.setattr("dashboards.__main__.FOLDER", tmp_path)
    monkeypatch.setattr("dashboards.__main__.rendered", lambda: changed)
    (tmp_path / "of-nobody.json").write_text("{}")
    assert main(["--check"]) == 1
    assert capsys.readouterr().err.split() != []
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert not (tmp_path / "of-nobody.json").exists()


@pytest.mark.parametrize("uid", UIDS)
def test_the_sdk_reads_it_back_as_it_is(uid: str) -> None:
    register_default_plugins()
    again = Dashboard.from_json(dashboards()[uid])
    assert json.loads(json.dumps(again, cls=JSONEncoder)) == dashboards()[uid]


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_is_complete(uid: str) -> None:
    dashboard = dashboards()[uid]
    assert dashboard["uid"] == uid
    assert dashboard["title"]
    assert dashboard["description"]
    assert dashboard["editable"] is False, "what is changed in Grafana would be lost"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert ids == sorted(set(ids))
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_says_what_it_shows(uid: str) -> None:
    sources = {
        f"${{{variable['name']}}}" for variable in dashboards()[uid]["templating"]["list"] if variable["type"] == "datasource"
    }
    for panel in panels(dashboards()[uid]):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] in sources, panel["title"]
        assert panel["targets"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {panel["datasource"]["uid"]}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_no_panel_lies_over_another(uid: str) -> None:
    def cells(place: dict[str, int]) -> set[tuple[int, int]]:
        return set(itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])))

    taken: set[tuple[int, int]] = set()
    for panel in dashboards()[uid]["panels"]:
        own = cells(panel["gridPos"])
        assert own, panel["title"]
        assert max(x for x, _ in own) < 24, panel["title"]
        assert not own & taken, panel["title"]
        taken |= own


@pytest.mark.parametrize("uid", UIDS)
def test_lines_of_panels_are_full(uid: str) -> None:
    """A line that is not is a panel that was forgotten."""
    width: dict[int, int] = {}
    for panel in dashboards()[uid]["panels"]:
        width[panel["gridPos"]["y"]] = width.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(width.values()) == {24}


VARIABLES = {
    "storage-overview": {"time_range", "writer_type", "repository"},
    "database-health": {"time_range", "writer_type", "repository"},
    "query-performance": {"time_range", "repository"},
    "llm-usage": {"tenant", "service", "environment"},
}


@pytest.mark.parametrize("uid", UIDS)
def test_variables_are_there_and_used(uid: str) -> None:
    listed = {variable["name"] for variable in dashboards()[uid]["templating"]["list"]}
    assert VARIABLES[uid] <= listed
    used = json.dumps(dashboards()[uid]["panels"])
    assert [name for name in listed if f"${name}" not in used and f"${{{name}" not in used] == []


PROMQL = grafana.queries("prometheus")


def test_promtool_understands_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"r{number}", "expr": _shown(query)} for number, query in enumerate(PROMQL)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    ran = subprocess.run(
        [program("promtool"), "check", "rules", file],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"{len(PROMQL)} rules found" in ran.stdout


def test_promtool_says_what_is_no_expression(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": [{"record": "r", "expr": "sum(rate(a[5m])"}]}]}))
    ran = subprocess.run(
        [program("promtool"), "check", "rules", file], env=environment(), capture_output=True, timeout=30, check=False
    )
    assert ran.returncode != 0


def _shown(query: Query) -> str:
    from datetime import UTC, datetime, timedelta

    end = datetime(2026, 11, 28, 12, tzinfo=UTC)
    variables = {
        "time_range": "5m",
        "writer_type": ".*",
        "repository": ".*",
        "batch_size": "10000",
    }
    return Shown(end - timedelta(hours=1), end, timedelta(seconds=15), variables=variables).promql(query.target["expr"])


@pytest.mark.parametrize("query", PROMQL, ids=lambda query: query.name)
def test_every_metric_is_declared(query: Query) -> None:
    names = grafana.names_of_metrics(query.target["expr"])
    assert names, query.target["expr"]
    assert names <= grafana.declared()


def test_names_of_metrics_are_found() -> None:
    expr = 'sum by (le) (rate(a_bucket{x="b"}[5m])) / on (c) group_left () max(d) * 2 or vector(0) > e_total and time() - f'
    assert grafana.names_of_metrics(expr) == {"a_bucket", "d", "e_total", "f"}


COUNTERS = [
    query
    for query in PROMQL
    if any(name.endswith(("_total", "_bucket", "_count")) for name in grafana.names_of_metrics(query.target["expr"]))
]


@pytest.mark.parametrize("query", COUNTERS, ids=lambda query: query.name)
def test_counters_are_shown_as_rates(query: Query) -> None:
    assert "rate(" in query.target["expr"] or "increase(" in query.target["expr"]


def read(name: str) -> Any:
    return yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8"))


def test_what_is_provisioned_fits_the_dashboards() -> None:
    sources = {source["name"]: source for source in read("datasources/llm-observatory.yml")["datasources"]}
    assert set(sources) == {"prometheus", "postgres"}
    types = {
        variable["name"]: variable["query"]
        for dashboard in dashboards().values()
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "datasource"
    }
    assert {name: source["type"] for name, source in sources.items()} == types
    assert [provider["type"] for provider in read("dashboards/llm-observatory.yml")["providers"]] == ["file"]
