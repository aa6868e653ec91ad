"""The documentation names what exists: every setting with its default, every command, metric, column, rule and decision."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from llm_observatory import metrics
from llm_observatory.app.cli import cli
from llm_observatory.operate.doctor import thresholds
from llm_observatory.settings import COLLECTOR_OPTIONS, LIVE, Settings, shown
from llm_observatory.tables import METRIC_LABELS, TABLES, VIEWS, Table, content
from llm_observatory.tables.rollups import INPUT_BANDS, ROLLUP_VIEWS, RollupView
from llm_observatory.tables.rules import ODDITIES, REJECTIONS, REPAIRS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def table_rows(page: str) -> dict[str, list[str]]:
    """The rows of all tables of a page by the name in their first cell; cells without their backticks."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {re.findall(r"`([^`]+)`", row[0])[0]: row[1:] for row in rows}


def declared_commands(command: Any, path: str = "") -> dict[str, set[str]]:
    """Every verb below `command`, with its options. Any: typer has a copy of click of its own, whose types are private."""
    found: dict[str, set[str]] = {}
    nobody: Any = None
    for name in command.list_commands(nobody) if isinstance(command, TyperGroup) else ():
        found |= declared_commands(command.get_command(nobody, name), f"{path} {name}".strip())
    return found or {path: {option.opts[0] for option in command.params}}


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_setting_and_its_default() -> None:
    settings = Settings()
    expected = {name.upper(): shown(settings, name) for name in Settings.model_fields}
    assert {name: row[0].strip("`") for name, row in table_rows("configuration.md").items()} == expected


def test_every_option_of_the_collector_that_is_a_setting() -> None:
    text = (DOCS / "otlp.md").read_text(encoding="utf-8")
    section = text.partition("\n## From the Collector's configuration")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split("|") for line in section.splitlines() if line.startswith("| `")]
    documented = {(option, name.lower()) for row in rows for option in names_in(row[0]) for name in names_in(row[1])}
    assert documented == {(option, name) for name, options in COLLECTOR_OPTIONS.items() for option in options}
    assert COLLECTOR_OPTIONS.keys() <= Settings.model_fields.keys()


def test_what_changes_without_a_restart() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    sentence = text.partition("without a restart:")[2].partition(". ")[0]
    assert names_in(sentence) == {name.upper() for name in LIVE}


def test_every_command_and_its_options() -> None:
    documented = {name: names_in(row[0]) for name, row in table_rows("commands.md").items()}
    assert documented == declared_commands(typer.main.get_command(cli))


def test_the_reference_of_metrics_is_what_the_code_declares() -> None:
    # In a process of its own: what other tests measure must not get in.
    made = subprocess.run(
        [sys.executable, "-m", "llm_observatory.app.metrics_reference"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert (DOCS / "metrics-reference.md").read_text(encoding="utf-8") == made


def test_every_threshold_of_doctor() -> None:
    assert [(name, row[0].replace("`", "")) for name, row in table_rows("doctor.md").items()] == [
        (name, limit.replace("`", "")) for name, limit in thresholds.table()
    ]


def test_the_guide_to_metrics_names_those_that_exist() -> None:
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:storage|otlp|ingest|query|otelcol|event|codec)_[a-z_]+[a-z]\b(?!\*)", text))
    assert named - {metric.name for metric in metrics.declared()} - set(metrics.LABEL_VALUES["reason"]) == set()
    assert len(named) > 20


DESCRIBED = [table for table in TABLES if table.kind == "fact" or table is METRIC_LABELS]


@pytest.mark.parametrize("table", DESCRIBED, ids=lambda table: table.name)
def test_every_column_and_its_type(table: Table) -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {table.name}\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \| ([a-z0-9\[\]]+) \| .+ \|$", section, flags=re.MULTILINE)
    assert documented == [(column.name, column.type) for column in table.columns]


def test_every_view() -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8")
    section = text.partition("\n## Views\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == VIEWS


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_how_long_a_table_is_kept(table: Table) -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8").partition("\n## ")[0]
    (kept,) = re.findall(rf"^\| `{table.name}` \| [^|]+ \| ([^|]+) \|$", text, flags=re.MULTILINE)
    if table.kept_for is not None:
        assert kept == f"`{table.kept_for.upper()}`"
    else:
        assert "CONTENT" not in kept


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table(table: Table) -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8")
    assert f"| `{table.name}` |" in text
    assert [column.name for column in table.columns if f"`{column.name}`" not in text] == []


@pytest.mark.parametrize(
    "heading, rules", [("rejected", REJECTIONS), ("repaired", REPAIRS), ("odd", ODDITIES)], ids=lambda value: str(value)[:8]
)
def test_every_rule(heading: str, rules: dict[str, str]) -> None:
    text = (DOCS / "otlp.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## What is {heading}")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([a-z_]+)` \|", section, flags=re.MULTILINE)) == sorted(rules)


def test_what_comes_back_of_every_repair() -> None:
    assert sorted(table_rows("fidelity.md")) == sorted(REPAIRS)


def test_every_content_attribute() -> None:
    """Both ways, by table: attributes, those beside the mark, those of events."""
    tables: list[dict[str, set[str]]] = []
    headings: list[str] = []
    for line in (DOCS / "content.md").read_text(encoding="utf-8").splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if name in ("kind", "event"):
            headings.append(line)
            tables.append({})
        elif line.startswith("| `") and tables:
            tables[-1][name.strip("`")] = set(re.findall(r"`([^`]+)`", " ".join(cells)))
    assert tables == [
        {kind: set(keys) for kind, keys in content.KINDS.items()},
        {kind: set(keys) for kind, keys in content.MARKED_KINDS.items()},
        {name: {kind, *keys} for name, (kind, keys) in content.EVENTS.items()},
    ]
    assert f"attributes beside `{content.MARK}`" in headings[1]


def test_every_decision_is_in_the_index_and_has_its_parts() -> None:
    index = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    records = sorted(path for path in (DOCS / "adr").glob("*.md") if path.name != "README.md")
    assert [path.name for path in records] == re.findall(r"\]\((\d{4}-[^)]+)\)", index)
    numbers = [int(path.name[:4]) for path in records]
    assert numbers == list(range(1, len(records) + 1))
    for path in records:
        headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert headings == ["Context", "Decision", "Rejected", "Consequences"], path.name


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("view", ROLLUP_VIEWS, ids=lambda view: view.name)
def test_every_rollup_and_its_columns(view: RollupView) -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8").partition("\n## Rollups\n")[2].partition("\n## ")[0]
    assert f"`{view.name}`" in text
    assert [name for name, _ in view.columns if f"`{name}`" not in text] == []
    for band in INPUT_BANDS:
        assert f"{band:,}" in text
