"""Statements on PostgreSQL's own statistics, and the panel that two dashboards share."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import about, listing
from dashboards.queries import Sql

_FOLDER = Path(__file__).parent / "sql"


def statement(name: str, *, tree: bool = False) -> Sql:
    """`sql/NAME.sql`; with `tree` over tables with all that is below them (`sql/tree.sql`)."""
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    return Sql((_FOLDER / "tree.sql").read_text(encoding="utf-8") + text if tree else text)


def slow(*, span: int, height: int) -> Panel:
    """The statements that took longest on average since the statistics were reset."""
    return listing(
        about(
            "Slow statements",
            "Since pg_stat_statements was reset, the slowest on average first. The command in the last column shows its plan "
            "without running it. Where the extension is missing the panel shows what runs now, and says what to do.",
            "short",
            statement("statements"),
            span=span,
            height=height,
        ),
        units={"mean": "ms", "longest": "ms", "total": "ms", "cache hits": "percentunit"},
    )
