"""Where is looked for the spans of a trace, and for what was decided of them: around the hour in which some have come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

REACH = timedelta(hours=1)
"""Spans of one call start within it. So a span may change what is decided of another one that is no further away, and decides
with what is no further away from that: nobody looks for a trace in all of the history."""

_HOUR = timedelta(hours=1)


class Around(NamedTuple):
    """Traces of a tenant around an hour in which some of their spans have come."""

    tenant: str
    hour: datetime
    traces: list[UUID]

    def within(self, reach: timedelta) -> dict[str, Any]:
        """As parameters of a statement."""
        first, last = self.hour - reach, self.hour + _HOUR + reach
        return {"tenant": self.tenant, "traces": self.traces, "first": first, "last": last}
