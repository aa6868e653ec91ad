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


REFRESH_END = timedelta(hours=1)
"""What is newer than this no continuous aggregate holds: it is computed as it is read."""

_BUCKET: dict[Grain, timedelta] = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}


def refreshed_for(grain: Grain, settings: Settings, whole: timedelta) -> timedelta:
    """How far back continuous aggregates are refreshed, where rows are whole for so long.

    Not further than that: a refresh of what was dropped would empty it. But two buckets at least, or TimescaleDB refuses the
    policy.
    """
    return max(whole - max(settings.chunk_interval, timedelta(days=1)), REFRESH_END + 2 * _BUCKET[grain])


def rollup_horizon(grain: Grain, settings: Settings, now: datetime) -> datetime:
    """Buckets before this have expired. Whole days (UTC): a day is computed from all of its hours or not at all."""
    return datetime.combine((now - rollup_kept_for(grain, settings)).astimezone(UTC), time(), UTC)
