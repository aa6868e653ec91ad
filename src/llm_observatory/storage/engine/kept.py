"""For how long rows are kept, as the settings say it of each table and rollup, and how far back rollups are refreshed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from llm_observatory.settings import Settings
from llm_observatory.storage.engine.partitions import EPOCH
from llm_observatory.storage.rollups.work import HOURS_OUTLIVE_ROWS
from llm_observatory.tables import Table
from llm_observatory.tables.rollups import Grain

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def kept_for(table: Table, settings: Settings) -> timedelta:
    """How long `table` is kept: the setting that its declaration names."""
    return {"retention": settings.retention, "content_retention": settings.content_retention}[str(table.kept_for)]


def rollup_kept_for(grain: Grain, settings: Settings) -> timedelta:
    """Hours a little longer than the rows they sum up, days much longer."""
    hours = settings.retention + HOURS_OUTLIVE_ROWS
    return hours if grain == "hourly" else max(settings.rollup_retention, hours)


class RefreshWindow(NamedTuple):
    """What of a continuous aggregate is refreshed: the buckets that lie wholly between so long ago and so long ago."""

    start: timedelta
    end: timedelta


def refresh_window(grain: Grain, settings: Settings, whole: timedelta) -> RefreshWindow:
    """How far back continuous aggregates are refreshed, where rows are whole for so long.

    Every hour that holds records of the default ACCEPT_MAX_AGE and no hour more: a refresh of what was dropped would empty it.
    Every day, which is made of hours and not of rows, that holds such an hour. Two buckets at least, or TimescaleDB refuses the
    policy. The last hour is left out and computed as it is read, where rows are there for long enough.
    """
    start = max(whole - settings.chunk_interval + _HOUR, 2 * _HOUR)
    end = min(_HOUR, start - 2 * _HOUR)
    return RefreshWindow(start if grain == "hourly" else max(start + _DAY - _HOUR, end + 2 * _DAY), end)


def rollup_horizon(grain: Grain, settings: Settings, now: datetime) -> datetime:
    """Buckets before this have expired. Whole days (UTC): a day is computed from all of its hours or not at all."""
    return datetime.combine((now - rollup_kept_for(grain, settings)).astimezone(UTC), time(), UTC)


def named_ahead(settings: Settings) -> timedelta:
    """How long after the last request with it a dimension may be named by new rows: these may have come ahead of their time.

    Two days more, for clocks that differ and for commits that took long.
    """
    return settings.accept_max_ahead + 2 * _DAY


def named_for(settings: Settings) -> timedelta:
    """How long after that request it may be named at all: partitions end later than rows, and sums by hour go by whole days."""
    hours = rollup_kept_for("hourly", settings) + _DAY
    return max(settings.retention + settings.chunk_interval, hours) + named_ahead(settings)


def rows_horizon(settings: Settings, now: datetime) -> datetime:
    """The first hour of which no row has expired: whole partitions do, and a day is the longest that is reckoned with."""
    interval = min(settings.chunk_interval, _DAY)
    age = now - settings.retention - EPOCH
    return EPOCH - (-(age // interval * interval) // _HOUR) * _HOUR
