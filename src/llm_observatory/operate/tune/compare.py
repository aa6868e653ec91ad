"""What a server has now beside what it should have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_observatory.operate.tune.rules import Advice
from llm_observatory.storage.server_settings import ServerSetting

_UNITS = {
    "B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4,
    "us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
}  # fmt: skip
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)\s*(\d*)([A-Za-z]*)")
_WORDS = {"on": "on", "true": "on", "yes": "on", "off": "off", "false": "off", "no": "off"}


@dataclass(frozen=True, slots=True)
class Difference:
    """`current` as PostgreSQL shows it; None: the server does not know the setting. `restart`: a reload does not do."""

    advice: Advice
    current: str | None
    restart: bool


def compare(advice: Iterable[Advice], server: Mapping[str, ServerSetting]) -> tuple[Difference, ...]:
    """Those settings that are otherwise, in the order of `advice`."""
    found = []
    for wanted in advice:
        current = server.get(wanted.name)
        if current is None:
            found.append(Difference(wanted, None, restart=True))
        elif not _same(wanted.value, current):
            found.append(Difference(wanted, current.shown, current.restart))
    return tuple(found)


def _same(wanted: str, current: ServerSetting) -> bool:
    if current.is_list:
        # More libraries than ours are the operator's business.
        return set(_listed(wanted)) <= set(_listed(current.value))
    if current.is_number:
        return amount(wanted) == amount(current.value, current.unit)
    return _WORDS.get(wanted, wanted) == _WORDS.get(current.value, current.value)


def _listed(value: str) -> list[str]:
    return [name.strip().strip('"') for name in value.split(",") if name.strip()]


def amount(value: str, unit: str = "") -> float:
    """In bytes or milliseconds; `unit` is that of pg_settings, as 8kB. Raises ValueError."""
    match = _AMOUNT.fullmatch(f"{value}{unit}" if not unit[:1].isdigit() else f"{value} {unit}")
    if match is None or (match[3] and match[3] not in _UNITS):
        message = f"{value}{unit} is no amount that PostgreSQL knows"
        raise ValueError(message)
    return float(match[1]) * int(match[2] or 1) * _UNITS.get(match[3], 1)
