"""Durations and sizes as people write them: `90d`, `15min`, `64MiB`; and back. A ValueError says what is accepted."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION_UNITS = {
    "ms": 0.001,
    "s": 1, "sec": 1, "second": 1,
    "m": 60, "min": 60, "minute": 60,
    "h": 3600, "hour": 3600,
    "d": 86400, "day": 86400,
    "w": 604800, "week": 604800,
}  # fmt: skip
_SIZE_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_QUANTITY = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*", re.ASCII)


def parse_duration(value: object) -> timedelta:
    """`90d`, `6 hours`, `15min`, `30s`, `250ms`; a bare number is seconds. ValueError names what is accepted."""
    if isinstance(value, timedelta):
        return value
    match = _QUANTITY.fullmatch(str(value))
    unit = (match[2].lower() or "s") if match else ""
    seconds = _DURATION_UNITS.get(unit) or _DURATION_UNITS.get(unit.removesuffix("s"))
    if match is None or seconds is None:
        raise ValueError("is not a duration; write for example 90d, 6h, 15min, 30s or 250ms")
    try:
        return timedelta(seconds=float(match[1]) * seconds)
    except OverflowError:
        raise ValueError("is too long") from None


def parse_size(value: object) -> int:
    """`64MiB`, `1 GB`, or a number of bytes. ValueError names what is accepted."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None or match[2].lower() not in _SIZE_UNITS:
        raise ValueError("is not a size; write for example 64MiB, 512KiB or a number of bytes")
    return int(float(match[1]) * _SIZE_UNITS[match[2].lower()])


def show_duration(value: timedelta) -> str:
    """As it would be written: `90d`, `36h`, `15min`, `20s`, `250ms`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def show_size(value: int) -> str:
    """As it would be written: `64MiB`, `1536KiB`, `1000` bytes."""
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)
