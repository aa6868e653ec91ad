"""From what a test saw to its verdict.

A test states what is required and says what it saw. What comes of it depends on whose receiver it is. Of our own everything
must hold, except deviations, each of which is exactly what is declared; and what was seen is what the published page says. Of
any other receiver a broken MUST is a failure, the rest is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from tests.conformance.deviations import Deviation
from tests.conformance.manifest import Level

Result = Literal["pass", "deviation", "not met", "not applicable", "fail"]

WORST_LAST: tuple[Result, ...] = ("not applicable", "pass", "not met", "deviation", "fail")


class Verdict(NamedTuple):
    """`reason` is '' where there is nothing to say."""

    result: Result
    reason: str = ""


def judge_ours(seen: Sequence[str], *, holds: bool, deviation: Deviation | None, recorded: Sequence[str] | None) -> Verdict:
    """The verdict on our own receiver. `recorded` is what the page says, None when it is being written."""
    if deviation is None and not holds:
        return Verdict("fail")
    if deviation is not None and holds:
        return Verdict("fail", "it conforms now: take it out of tests/conformance/deviations.py")
    if deviation is not None and list(seen) != list(deviation.seen):
        return Verdict("fail", f"the declared deviation is {list(deviation.seen)}, seen was {list(seen)}")
    if recorded is not None and list(seen) != list(recorded):
        return Verdict(
            "fail",
            f"docs/otlp-conformance.md says {list(recorded)}, seen was {list(seen)}: python -m tests.conformance --write",
        )
    return Verdict("pass") if deviation is None else Verdict("deviation", deviation.reason)


def judge_other(levels: Iterable[Level], *, holds: bool) -> Verdict:
    """The verdict on somebody else's receiver."""
    if holds:
        return Verdict("pass")
    return Verdict("fail") if "MUST" in levels else Verdict("not met")


def worst(results: Iterable[Result]) -> Result:
    """That of a requirement with several tests. Not applicable only if all of them are."""
    return max(results, key=WORST_LAST.index)
