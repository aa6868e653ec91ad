"""What an engine may give: the row of the table, the words below it, and the probe that finds out, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.engines.target import Target

YES, NO, NOT_TRIED = "yes", "no", "not tried"

Probe = Callable[[Target], Awaitable[str]]
"""Returns YES, NO or a word, and leaves its rows behind. It begins with the default settings applied."""


@dataclass(frozen=True, slots=True)
class Capability:
    """`name` begins a row of the table, `text` says what its words mean, `tried` what the probe does."""

    name: str
    text: str
    tried: str
    probe: Probe


@dataclass(slots=True)
class Section:
    """A heading of the page and what stands below it."""

    title: str
    text: str
    capabilities: list[Capability] = field(default_factory=list)

    def capability(self, name: str, *, text: str, tried: str) -> Callable[[Probe], Probe]:
        """Declare what the decorated probe finds out."""

        def declare(probe: Probe) -> Probe:
            self.capabilities.append(Capability(name, text, tried, probe))
            return probe

        return declare
