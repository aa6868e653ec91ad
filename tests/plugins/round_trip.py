"""How many requests the round trips are tried with, and how what came back is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from llm_observatory.codec import Terms

CI_EXAMPLES = 300
WHOLE = Terms(max_age_us=None, max_ahead_us=2**62, content_max_bytes=2**30)
"""Terms under which nothing is refused for its time, or cut."""


def examples(ci: int = CI_EXAMPLES) -> Callable[[Any], Any]:
    """ROUND_TRIP_EXAMPLES of them, drawn anew; without it `ci`, always the same ones."""
    given = os.environ.get("ROUND_TRIP_EXAMPLES")
    return settings(
        max_examples=int(given) if given else ci,
        derandomize=not given,
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.function_scoped_fixture,
        ],
    )
