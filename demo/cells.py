"""What stands in a cell of the demo's tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime

ABSENT = "-"
"""Not reported, which is NULL and never 0."""


def absent_or(value: object) -> str:
    """The value as text, a list as its items."""
    if value is None:
        return ABSENT
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def clock(time: datetime) -> str:
    """The time of day to the microsecond, in UTC whatever the time zone of the database."""
    return f"{time.astimezone(UTC):%H:%M:%S.%f}"


def number(value: float | None) -> str:
    """Whole numbers as they are, others with three significant digits."""
    if value is None:
        return ABSENT
    return str(int(value)) if value == int(value) else f"{value:.3g}"


def one_line(value: object) -> str:
    """Text, or any other value as JSON, without line feeds."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())
