"""For how long rows are kept, as the settings say it of each table and rollup."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from llm_observatory.settings import Settings
from llm_observatory.tables import Table
from llm_observatory.tables.rollups import Grain


def kept_for(table: Table, settings: Settings) -> timedelta:
    """How long `table` is kept: the setting that its declaration names."""
    return {"retention": settings.retention, "content_retention": settings.content_retention}[str(table.kept_for)]


def rollup_kept_for(grain: Grain, settings: Settings) -> timedelta:
    """Hours as long as the rows they sum up, days longer."""
    return settings.retention if grain == "hourly" else settings.rollup_retention


def rollup_horizon(grain: Grain, settings: Settings, now: datetime) -> datetime:
    """Buckets before this have expired. Whole days (UTC): a day is computed from all of its hours or not at all."""
    return datetime.combine((now - rollup_kept_for(grain, settings)).astimezone(UTC), time(), UTC)
