"""Rows of sources → who spoke: resource, scope and their schema URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.codec.reference.decode.columns import Columns, Values
from llm_observatory.codec.reference.decode.document import attributes, fill_members
from llm_observatory.codec.reference.decode.framing import field, text_field
from llm_observatory.codec.rows import Fields

RESOURCE, SCOPE, SCHEMA_URL = 1, 1, 3
"""Field numbers in Resource* and Scope* messages."""


class Speaker(NamedTuple):
    """The fields that begin a Resource* and a Scope* message, as bytes on the wire; equal bytes are the same speaker."""

    resource: bytes
    scope: bytes


UNKNOWN = Speaker(b"", b"")
"""Who spoke when the row of sources is missing."""


class Dimensions:
    """Rows of dimensions by table and id. Sources are read when they are first needed."""

    def __init__(self, sources: Columns, rows: Mapping[str, Mapping[bytes, Fields]]) -> None:
        self._sources = sources
        self._rows = rows
        self._speakers: dict[bytes, Speaker] = {}

    def row(self, table: str, identity: bytes) -> Fields | None:
        """One row; None when it is not there."""
        return self._rows.get(table, {}).get(identity)

    def speaker(self, identity: bytes) -> Speaker:
        """Who spoke; UNKNOWN when the row of the source is not there."""
        if identity not in self._speakers:
            fields = self.row(self._sources.name, identity)
            self._speakers[identity] = UNKNOWN if fields is None else _speaker(self._sources.values(fields))
        return self._speakers[identity]


class Described(NamedTuple):
    """What a row of sources says, as messages."""

    resource: Resource
    resource_schema_url: str
    scope: InstrumentationScope
    scope_schema_url: str


def _speaker(row: Values) -> Speaker:
    said = described(row)
    return Speaker(
        _described(RESOURCE, said.resource.SerializeToString(), said.resource_schema_url),
        _described(SCOPE, said.scope.SerializeToString(), said.scope_schema_url),
    )


def described(row: Values) -> Described:
    """The resource and scope of a row of sources."""
    resource = Resource(
        attributes=attributes(row["resource.attributes"]),
        dropped_attributes_count=row["resource.dropped_attributes_count"],
    )
    for reference in row.get("resource.entity_refs", ()):
        fill_members(resource.entity_refs.add(), reference)
    scope = InstrumentationScope(
        name=row["scope.name"],
        version=row["scope.version"],
        attributes=attributes(row["scope.attributes"]),
        dropped_attributes_count=row["scope.dropped_attributes_count"],
    )
    return Described(resource, row["resource.schema_url"], scope, row["scope.schema_url"])


def _described(number: int, message: bytes, schema_url: str) -> bytes:
    """What begins a Resource* or Scope* message, without what is empty: to OTLP that is the same."""
    return (field(number, message) if message else b"") + text_field(SCHEMA_URL, schema_url)
