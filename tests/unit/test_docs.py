"""The documentation names what exists: what is made of the code is up to date, every threshold, rule and decision is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from llm_observatory import metrics
from llm_observatory.app.reference import PAGES
from llm_observatory.operate.doctor import thresholds
from llm_observatory.settings import COLLECTOR_OPTIONS, Settings
from llm_observatory.tables import TABLES, VIEWS, content
from llm_observatory.tables.rollups import INPUT_BANDS, ROLLUP_VIEWS, RollupView
from llm_observatory.tables.rules import ODDITIES, REJECTIONS, REPAIRS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def table_rows(page: str) -> dict[str, list[str]]:
    """The rows of all tables of a page by the name in their first cell; cells without their backticks."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {re.findall(r"`([^`]+)`", row[0])[0]: row[1:] for row in rows}


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_option_of_the_collector_that_is_a_setting() -> None:
    text = (DOCS / "otlp.md").read_text(encoding="utf-8")
    section = text.partition("\n## From the Collector's configuration")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split("|") for line in section.splitlines() if line.startswith("| `")]
    documented = {(option, name.lower()) for row in rows for option in names_in(row[0]) for name in names_in(row[1])}
    assert documented == {(option, name) for name, options in COLLECTOR_OPTIONS.items() for option in options}
    assert COLLECTOR_OPTIONS.keys() <= Settings.model_fields.keys()


def test_the_references_are_what_the_code_declares() -> None:
    # In a process of its own: what other tests measure must not get in.
    compared = subprocess.run(
        [sys.executable, "-m", "llm_observatory.app.reference", "--check", DOCS],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (compared.returncode, compared.stderr) == (0, "")


def test_every_reference_is_compared_and_a_stale_one_is_named(tmp_path: Path) -> None:
    for folder, option in (("--write", tmp_path), ("--check", tmp_path)):
        (tmp_path / "reference").mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "llm_observatory.app.reference", folder, option], check=True, timeout=60)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")) == sorted(PAGES)
    (tmp_path / "reference" / "cli.md").write_text("old", encoding="utf-8")
    refused = subprocess.run(
        [sys.executable, "-m", "llm_observatory.app.reference", "--check", tmp_path],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (refused.returncode, refused.stderr.count(".md"), "cli.md" in refused.stderr) == (1, 1, True)


def test_everything_in_the_references_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert [f"{table.name}.{column.name}" for table in TABLES for column in table.columns if not column.description] == []
    assert [table.name for table in TABLES if not table.one_row_per or not (table.kept or table.kept_for)] == []
    for page in PAGES:
        assert re.findall(r"^\| `.*\|  \|$", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE) == []


def test_every_threshold_of_doctor() -> None:
    assert [(name, row[0].replace("`", "")) for name, row in table_rows("doctor.md").items()] == [
        (name, limit.replace("`", "")) for name, limit in thresholds.table()
    ]


def test_the_guide_to_metrics_names_those_that_exist() -> None:
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:storage|otlp|ingest|query|otelcol|event|codec)_[a-z_]+[a-z]\b(?!\*)", text))
    assert named - {metric.name for metric in metrics.declared()} - set(metrics.LABEL_VALUES["reason"]) == set()
    assert len(named) > 20


def test_every_view() -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8")
    section = text.partition("\n## Views\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == VIEWS


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
def test_every_rollup_and_its_bands(view: RollupView) -> None:
    text = (DOCS / "schema.md").read_text(encoding="utf-8").partition("\n## Rollups\n")[2].partition("\n## ")[0]
    assert f"`{view.name}`" in text
    for band in INPUT_BANDS:
        assert f"{band:,}" in text
