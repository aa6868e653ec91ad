"""Where our own receiver does not do what is required, and why. Nowhere else is a requirement let off.

Each is asserted as exactly what it is: a test whose deviation is declared fails when the requirement holds, and when something
else was seen.
"""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """`test` is its name with its parameters, `seen` what it says it saw."""

    test: str
    seen: tuple[str, ...]
    reason: str


DEVIATIONS: tuple[Deviation, ...] = ()

BY_TEST = {deviation.test: deviation for deviation in DEVIATIONS}
