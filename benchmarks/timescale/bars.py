"""What is measured: a number, the bar it has to hold, and what else was seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """`value` is to be below `limit`, or at least that where `at_least`. `details` are a line each."""

    name: str
    value: float
    unit: str
    limit: float
    at_least: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.value >= self.limit if self.at_least else self.value < self.limit

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "holds": self.holds}

    def __str__(self) -> str:
        bar = f"{'at least' if self.at_least else 'below'} {self.limit:g}"
        lines = [f"{self.name}: {self.value:.3g} {self.unit} ({bar}: {'holds' if self.holds else 'DOES NOT HOLD'})"]
        return "\n".join([*lines, *(f"    {name}: {_shown(value)}" for name, value in self.details.items())])


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Least, median and greatest; nothing of no values."""
    if not values:
        return {}
    return {name: round(of(values), digits) for name, of in (("min", min), ("median", median), ("max", max))}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
