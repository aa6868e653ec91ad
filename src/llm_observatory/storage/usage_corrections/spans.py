"""The spans of a trace as far as it matters who pays: which call each stands in, and what each says of its usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Tokens = tuple[int | None, ...]
"""Input and output first, then the parts of them; None is not reported."""

MAX_NESTING = 32
"""Calls around a call that are looked at. Deeper nesting is no instrumentation's work."""


class Span(NamedTuple):
    """What of a row matters. Times in nanoseconds; `detail` counts what else it reports."""

    span_id: bytes
    parent_span_id: bytes | None
    start: int
    end: int | None
    role: str
    models: frozenset[str]
    response_id: str | None
    tokens: Tokens
    detail: int

    @property
    def unreported(self) -> bool:
        """Whether it says nothing of input and output."""
        return self.tokens[0] is None and self.tokens[1] is None


class Call(NamedTuple):
    """A call of a provider: its span and, where its usage came on one of its own, that one's."""

    span: Span
    carrier: Span | None = None

    @property
    def tokens(self) -> Tokens:
        """What it used."""
        return self.span.tokens if self.carrier is None else self.carrier.tokens

    @property
    def models(self) -> frozenset[str]:
        """Every name of its model."""
        return self.span.models if self.carrier is None else self.span.models | self.carrier.models

    @property
    def response_id(self) -> str | None:
        """The provider's own name of the answer."""
        return self.span.response_id or (self.carrier.response_id if self.carrier else None)

    @property
    def end(self) -> int | None:
        """When the last of it was over; None: not known."""
        ends = [span.end for span in (self.span, self.carrier) if span is not None]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def detail(self) -> tuple[int, int]:
        """How much it tells: of usage first."""
        return sum(tokens is not None for tokens in self.tokens), self.span.detail


def same_usage(one: Tokens, other: Tokens) -> bool:
    """Whether two reports may be of one call: they say the same of all that both report, input or output at least."""
    both = [(first, second) for first, second in zip(one, other, strict=True) if first is not None and second is not None]
    told = any(one[place] is not None and other[place] is not None for place in (0, 1))
    return told and all(first == second for first, second in both)


def calls_around(spans: Mapping[bytes, Span], calls: Iterable[bytes]) -> dict[bytes, bytes | None]:
    """For each call the nearest call above it, whatever stands between; None at the top, or where parents go in a circle."""
    wanted = set(calls)
    above: dict[bytes, bytes | None] = {}
    for begin in wanted:
        path: list[bytes] = []
        place: bytes | None = begin
        while place is not None and place in spans and place not in above:
            above[place] = None  # until it is known: a circle ends here
            path.append(place)
            place = spans[place].parent_span_id
        for span_id in reversed(path):
            parent = spans[span_id].parent_span_id
            if parent is not None and parent in spans:
                above[span_id] = parent if parent in wanted else above.get(parent)
    return {span_id: above[span_id] if above[span_id] != span_id else None for span_id in wanted}


def line_up(above: Mapping[bytes, bytes | None], span_id: bytes) -> Sequence[bytes]:
    """The calls around a call, the nearest first."""
    found: list[bytes] = []
    place = above[span_id]
    while place is not None and place not in found and len(found) < MAX_NESTING:
        found.append(place)
        place = above[place]
    return found
