"""The systematic corpus: every field of every message of the three requests, with each thing of the validity table it may hold.

A case is one request: one bad thing, beside good records of two resources and three scopes. The enumeration is exhaustive and
always the same; what it is driven through decides how many of the cases it takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_observatory.codec import Terms
from tests.plugins.good_requests import break_first, good_request, kind_of, level_of, message_at
from tests.plugins.hostile_wire import Path, write
from tests.plugins.normal_form import Expected, envelopes_of, predict
from tests.plugins.otlp_messages import NS, REQUESTS
from tests.plugins.validity import MALFORMED, NO_REQUEST, Spoiled, nothing, spoiled
from tests.plugins.validity_wire import in_message, of_field

VALUES_DEEP = 2
"""AnyValues in each other on the way to a field: an attribute's, and one in its array or map."""

READ_AT = {"resource": 2, "scope": 3, "metric": 3, "record": 3, "point": 5}
"""How long the way is to what is read as one message, by level: depth counts from there."""

OF_LEVEL = {
    "resource": "source_malformed",
    "scope": "source_malformed",
    "metric": "metric_malformed",
    "point": "record_malformed",
    "record": "record_malformed",
}


@dataclass(frozen=True)
class Case:
    """One bad thing in one field, or in the message that has it."""

    signal: str
    path: Path
    spoiled: Spoiled

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.spoiled.label}"

    @property
    def level(self) -> str:
        """See level_of."""
        return level_of(self.signal, self.path)

    @property
    def kind(self) -> str:
        """What data the metrics have."""
        return kind_of(self.path)

    @property
    def rejected(self) -> str | None:
        """The rule by its name."""
        return OF_LEVEL[self.level] if self.spoiled.rejected == MALFORMED else self.spoiled.rejected

    def request(self, first: int = 0, ns: int = NS) -> Any:
        """The first field of this path is spoiled, all else is good. `first` and `ns` as in `good_request`."""
        request = good_request(self.signal, self.kind, first, ns)
        self.spoil(request, ns)
        return request

    def spoil(self, request: Any, ns: int = NS) -> None:
        """Put the bad thing into a request, as far as a message can hold it."""
        self.spoiled.put(message_at(request, self.path[:-1], ns), self.path[-1])

    def payload(self, first: int = 0, ns: int = NS) -> bytes:
        """The request as bytes."""
        splices = {} if self.spoiled.splice is None else {self.path[:-1]: self.spoiled.splice}
        return write(self.request(first, ns), splices=splices)

    def expected(self, now: int, terms: Terms, first: int = 0, ns: int = NS) -> Expected | None:
        """What the model says that becomes of it; None when nothing does, for it is no request."""
        if self.spoiled.rejected == NO_REQUEST:
            return None
        meant = self.request(first, ns)
        self.spoiled.meant(message_at(meant, self.path[:-1], ns), self.path[-1])
        if self.spoiled.splice is None or self.spoiled.rejected is None:
            return predict(envelopes_of(meant), now, terms)
        break_first(meant, self.level, self.kind)
        expected = predict(envelopes_of(meant), now, terms)
        expected.rejected[str(self.rejected)] = expected.rejected.pop(OF_LEVEL[self.level])
        return expected

    def agrees(self, expected: Expected) -> None:
        """The table and the model say the same."""
        assert set(expected.rejected) == {self.rejected} - {None}
        assert set(expected.repaired) == {self.spoiled.repaired} - {None}

    @property
    def may_be_with_others(self) -> bool:
        """Whether what comes of it can be said by the model alone, whatever else is in the request."""
        adds_only = self.spoiled.splice is None or not self.spoiled.splice.before
        has_meaning = self.spoiled.splice is None or (self.rejected is None and self.spoiled.put is nothing)
        return adds_only and has_meaning and self.spoiled.meant is nothing and not self.spoiled.large


def places(descriptor: Any, path: Path = (), values: int = 0) -> Iterator[tuple[Path, FieldDescriptor]]:
    """Every field of a message and of the messages in it."""
    for field in descriptor.fields:
        here = (*path, field.name)
        if field.message_type is None:
            yield here, field
        elif field.message_type is not AnyValue.DESCRIPTOR or values < VALUES_DEEP:
            yield here, field
            yield from places(field.message_type, here, values + (field.message_type is AnyValue.DESCRIPTOR))


FIELDS = [(signal, *place) for signal, request in REQUESTS.items() for place in places(request().DESCRIPTOR)]
"""Signal, way and descriptor of every field."""


def below(signal: str, path: Path) -> int:
    """How many messages lie on the way from what is read as one message to that in `path`."""
    return max(0, len(path) - READ_AT[level_of(signal, path)])


def _cases() -> Iterator[Case]:
    entered: set[Path] = set()
    for signal, path, field in FIELDS:
        around = path[:-1]
        if (signal, *around) not in entered:
            entered.add((signal, *around))
            yield from (Case(signal, path, value) for value in in_message(signal, around, below(signal, around)))
        yield from (Case(signal, path, value) for value in spoiled(field, path, below(signal, path)))
        yield from (Case(signal, path, value) for value in of_field(field, signal, path))


CORPUS = tuple(_cases())


ALL = os.environ.get("HOSTILE_CASES") == "all"
"""Whether all cases are asked for, instead of samples."""

LARGE_STEP = 12
"""Large cases are so much slower than others, and taken so much more rarely unless all are."""


def sample(cases: Iterable[Case], step: int) -> list[Case]:
    """Every so manieth case and the first of each kind, unless `HOSTILE_CASES=all` asks for all of them."""
    found = list(cases)
    if ALL:
        return found
    small = [case for case in found if not case.spoiled.large]
    large = [case for case in found if case.spoiled.large]
    first_of_kind = {case.spoiled.label: case for case in reversed(found)}.values()
    return list(dict.fromkeys([*small[::step], *large[:: step * LARGE_STEP], *first_of_kind]))


WIRE_STEP = 17
"""There are so many ways to write a field otherwise."""

SAID = tuple(sample((case for case in CORPUS if case.spoiled.splice is None), 1))
"""What a message can hold, which JSON can say as well: all but most of the large ones."""

WRITTEN = tuple(sample((case for case in CORPUS if case.spoiled.splice is not None), WIRE_STEP))
"""Of what only the wire can hold."""


@cache
def by_field(cases: tuple[Case, ...]) -> dict[str, list[Case]]:
    """The cases of each field, by its name."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(".".join(case.path), []).append(case)
    return found
