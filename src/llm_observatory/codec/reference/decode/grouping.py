"""Records under who spoke: the levels of an export request, in the order in which they first come."""

from __future__ import annotations

from typing import NamedTuple

from llm_observatory.codec.reference.decode.framing import field
from llm_observatory.codec.reference.decode.source import Speaker

RESOURCE_MESSAGES, SCOPE_MESSAGES, RECORDS = 1, 2, 2
"""Field numbers in the request, in Resource* and in Scope* messages: the same in all signals."""

DATA_POINTS = 1
"""In data of every type of a Metric."""


class Around(NamedTuple):
    """The Metric around a data point, as bytes on the wire: its head, the field of its data, what follows the points there."""

    head: bytes
    data: int
    tail: bytes


class Groups:
    """One Resource* message for each resource, in it one Scope* message for each source, in the order in which they came."""

    def __init__(self) -> None:
        self._resources: dict[bytes, dict[bytes, dict[Around | None, list[bytes]]]] = {}

    def add(self, speaker: Speaker, record: bytes, around: Around | None = None) -> None:
        """One more record; a data point stands in a Metric."""
        scopes = self._resources.setdefault(speaker.resource, {})
        number = RECORDS if around is None else DATA_POINTS
        scopes.setdefault(speaker.scope, {}).setdefault(around, []).append(field(number, record))

    def request(self) -> bytes:
        """All of them as TracesData, MetricsData or LogsData."""
        return b"".join(
            field(
                RESOURCE_MESSAGES,
                resource
                + b"".join(
                    field(SCOPE_MESSAGES, scope + b"".join(_joined(around, items) for around, items in records.items()))
                    for scope, records in scopes.items()
                ),
            )
            for resource, scopes in self._resources.items()
        )


def _joined(around: Around | None, items: list[bytes]) -> bytes:
    if around is None:
        return b"".join(items)
    return field(RECORDS, around.head + field(around.data, b"".join(items) + around.tail))
