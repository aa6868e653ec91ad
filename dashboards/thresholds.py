"""From which value on a number is a warning, and from which one it is bad."""

from __future__ import annotations

from typing import Any, NamedTuple

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

GOOD, WARNING, BAD = "green", "orange", "red"


class Step(NamedTuple):
    """A color, and the value from which on it holds; None: from the least."""

    color: str
    value: float | None


Steps = tuple[Step, ...]

NONE: Steps = (Step("text", None),)


def rising(warning: float, bad: float) -> Steps:
    """The more, the worse."""
    return Step(GOOD, None), Step(WARNING, warning), Step(BAD, bad)


def falling(warning: float, bad: float) -> Steps:
    """The less, the worse: a warning below `warning`, bad below `bad`."""
    return Step(BAD, None), Step(WARNING, bad), Step(GOOD, warning)


def any_is(color: str) -> Steps:
    """Good is nothing at all."""
    return Step(GOOD, None), Step(color, 1)


def config(steps: Steps) -> Any:
    """As the SDK takes it."""
    made = [Threshold(value=step.value, color=step.color) for step in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)
