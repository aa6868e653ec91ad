"""Values as people read them, by Grafana's ids of units."""

from __future__ import annotations

from datetime import datetime
from typing import Any

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"))
_BYTES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_PER_SECOND = {"ops": "ops/s", "wps": "writes/s", "reqps": "requests/s"}
PLAIN = dict.fromkeys(_PER_SECOND, "short")
"""For axes: what a second is of stands beside the title."""


def shown(value: Any, unit: str) -> str:
    """A cell or a number."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%m-%d %H:%M:%S")
    if isinstance(value, bool) or not isinstance(value, str):
        try:
            return "yes" if value is True else "no" if value is False else number(float(value), unit)
        except (TypeError, ValueError):
            return str(value)
    return value


def beside_title(unit: str) -> str:
    """What axes leave out."""
    return _PER_SECOND.get(unit, "")


def number(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "percentunit":
        return f"{_digits(value * 100)} %"
    if unit == "currencyUSD":
        if abs(value) >= 10_000:
            return f"${_scaled(value, _SI, ' ')}"
        return f"${value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"${value:.2g}"
    if unit in ("s", "ms"):
        return _scaled(value if unit == "s" else value / 1000, _TIMES, " ")
    if unit == "bytes":
        return _scaled(value, _BYTES, " ") if abs(value) >= 1024 else f"{_digits(value)} B"
    scaled = _scaled(value, _SI, " ")
    return f"{scaled} {_PER_SECOND[unit]}" if unit in _PER_SECOND else scaled


def _scaled(value: float, steps: tuple[tuple[float, str], ...], space: str) -> str:
    if value == 0:
        return "0"
    for size, name in steps:
        if abs(value) >= size:
            return f"{_digits(value / size)}{space}{name}"
    size, name = steps[-1]
    return _digits(value) if size >= 1 else f"{_digits(value / size)}{space}{name}"


def _digits(value: float) -> str:
    """Three of them, without zeros at the end."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.1e}"
