"""What numbers and times of a record can be stored: those that its columns hold, within the accept window."""

from __future__ import annotations

from llm_observatory.codec.request import Terms

INT2_MIN, INT2_MAX = -(2**15), 2**15 - 1
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def outside_window(time_us: int, now: int, terms: Terms) -> str | None:
    """The rule that a record of this time breaks, None when it is accepted."""
    if terms.max_age_us is not None and time_us < now - terms.max_age_us:
        return "too_old"
    if time_us > now + terms.max_ahead_us:
        return "too_far_ahead"
    return None
