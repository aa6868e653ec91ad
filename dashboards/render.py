"""All dashboards, as files."""

from __future__ import annotations

from pathlib import Path

from dashboards import database_health, llm_usage, query_performance, storage_overview
from dashboards.dashboard import as_json

FOLDER = Path(__file__).parent
DASHBOARDS = (storage_overview.dashboard, database_health.dashboard, query_performance.dashboard, llm_usage.dashboard)


def rendered() -> dict[Path, str]:
    """Every file with what belongs in it."""
    made = [declare() for declare in DASHBOARDS]
    return {FOLDER / f"{dashboard.uid}.json": as_json(dashboard) for dashboard in made}
