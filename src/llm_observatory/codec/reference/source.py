"""Who speaks: a resource and a scope, and what the ops of a source read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import EntityRef, InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.codec.reference import measure
from llm_observatory.codec.reference.document import DocumentReader, Value, render_list, render_sorted
from llm_observatory.codec.reference.walk import Envelope

DAY_US = 86_400_000_000


@dataclass(slots=True)
class Described:
    """A resource or a scope, read: its document, also as JSON, and what is beside it.

    A resource is rendered once, not for each of its scopes: a large one over many scopes would take seconds.
    """

    document: dict[str, Value]
    json: bytes
    dropped_attributes_count: int
    schema_url: str
    repaired: dict[str, int]
    name: str = ""
    version: str = ""
    entity_refs: bytes | None = None


@dataclass(slots=True)
class Speaker:
    """What the ops of a source read. `id` is known once the row of sources is sealed."""

    tenant: str
    now: int
    resource: Described
    scope: Described
    id: bytes = b""


RESOURCE = measure.shape(Resource.DESCRIPTOR)
SCOPE = measure.shape(InstrumentationScope.DESCRIPTOR)


def read_resource(envelope: Envelope) -> Described | str:
    """The resource of an envelope; the rule it breaks when it is too large, no protobuf, or its schema URL not UTF-8."""
    resource = measure.parsed(envelope.resource, Resource, RESOURCE, "source_malformed")
    if isinstance(resource, str):
        return resource
    reader = DocumentReader({})
    described = _described(resource, envelope.resource_schema_url, reader)
    if not isinstance(described, str) and resource.entity_refs:
        described.entity_refs = render_list([_entity_ref(reader, reference) for reference in resource.entity_refs])
    return described


def read_scope(envelope: Envelope) -> Described | str:
    """The instrumentation scope of an envelope; the rule it breaks, as for a resource."""
    scope = measure.parsed(envelope.scope, InstrumentationScope, SCOPE, "source_malformed")
    if isinstance(scope, str):
        return scope
    reader = DocumentReader({})
    described = _described(scope, envelope.scope_schema_url, reader)
    if not isinstance(described, str):
        described.name, described.version = reader.text(scope.name), reader.text(scope.version)
    return described


def _described(message: Resource | InstrumentationScope, schema_url: bytes, reader: DocumentReader) -> Described | str:
    """What resources and scopes have in common; `reader` counts its repairs where `repaired` of the result is."""
    try:
        url = schema_url.decode()
    except UnicodeDecodeError:
        return "source_malformed"
    document = reader.attributes(message.attributes)
    return Described(
        document=document,
        json=render_sorted(document),
        dropped_attributes_count=message.dropped_attributes_count,
        schema_url=reader.text(url),
        repaired=reader.repaired,
    )


def _entity_ref(reader: DocumentReader, reference: EntityRef) -> dict[str, Value]:
    """An entity reference without its empty members."""
    members = {
        "schema_url": reader.text(reference.schema_url),
        "type": reader.text(reference.type),
        "id_keys": [reader.text(key) for key in reference.id_keys],
        "description_keys": [reader.text(key) for key in reference.description_keys],
    }
    return {name: value for name, value in members.items() if value}


def _service_name(speaker: Speaker) -> str:
    name = speaker.resource.document.get("service.name")
    return name if isinstance(name, str) else ""


OPS: dict[str, Callable[[Speaker], Any]] = {
    "request.tenant": lambda speaker: speaker.tenant,
    "request.received_date": lambda speaker: speaker.now // DAY_US,
    "request.received_at": lambda speaker: speaker.now,
    "source.id": lambda speaker: speaker.id,
    "source.service_name": _service_name,
    "resource.attributes": lambda speaker: speaker.resource.json,
    "resource.dropped_attributes_count": lambda speaker: speaker.resource.dropped_attributes_count,
    "resource.schema_url": lambda speaker: speaker.resource.schema_url,
    "resource.entity_refs": lambda speaker: speaker.resource.entity_refs,
    "scope.name": lambda speaker: speaker.scope.name,
    "scope.version": lambda speaker: speaker.scope.version,
    "scope.attributes": lambda speaker: speaker.scope.json,
    "scope.dropped_attributes_count": lambda speaker: speaker.scope.dropped_attributes_count,
    "scope.schema_url": lambda speaker: speaker.scope.schema_url,
}
"""Ops whose value is the same for every record of a source."""
