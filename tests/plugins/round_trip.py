"""How many requests the round trips are tried with."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

CI_EXAMPLES = 300


def examples(ci: int = CI_EXAMPLES) -> Callable[[Any], Any]:
    """ROUND_TRIP_EXAMPLES of them, drawn anew; without it `ci`, always the same ones."""
    given = os.environ.get("ROUND_TRIP_EXAMPLES")
    return settings(
        max_examples=int(given) if given else ci,
        derandomize=not given,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
