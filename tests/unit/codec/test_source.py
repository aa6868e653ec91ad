"""Who speaks: rows of sources, and ids that anyone can compute again."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import EntityRef, InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from llm_observatory import codec, tables
from llm_observatory.codec.reference import fields
from tests.unit.codec import spans


def payload(**members: Any) -> bytes:
    """A request whose source has all members, some replaced."""
    given: dict[str, Any] = {
        "resource": Resource(
            attributes=spans.attributes({"service.name": "shop", "n": 1.5}),
            dropped_attributes_count=2,
            entity_refs=[
                EntityRef(type="service", id_keys=["service.name"]),
                EntityRef(schema_url="u", description_keys=["n"]),
            ],
        ),
        "resource_url": "https://resource",
        "scope": InstrumentationScope(
            name="agent", version="1", attributes=spans.attributes({"k": True}), dropped_attributes_count=3
        ),
        "scope_url": "https://scope",
    }
    given |= members
    scope = ScopeSpans(scope=given["scope"], spans=[spans.span()], schema_url=given["scope_url"])
    message = ResourceSpans(resource=given["resource"], scope_spans=[scope], schema_url=given["resource_url"])
    return ExportTraceServiceRequest(resource_spans=[message]).SerializeToString()


def source(data: bytes) -> tuple[bytes, dict[str, Any]]:
    encoded = spans.encode(data)
    ((source_id, row),) = encoded.dimensions["telemetry_sources"].items()
    (span,) = spans.read_table(encoded, "llm_traces")
    found = spans.read_row("telemetry_sources", row)
    assert span["source_id"] == found["source_id"] == source_id
    assert span["service_name"] == found["service_name"]
    return source_id, found


def test_everything_is_in_the_row() -> None:
    _, found = source(payload())
    del found["source_id"]
    assert found == {
        "tenant": "default",
        "service_name": "shop",
        "resource": {"service.name": "shop", "n": 1.5},
        "resource_dropped_attributes_count": 2,
        "resource_schema_url": "https://resource",
        "entity_refs": [{"type": "service", "id_keys": ["service.name"]}, {"schema_url": "u", "description_keys": ["n"]}],
        "scope_name": "agent",
        "scope_version": "1",
        "scope_attributes": {"k": True},
        "scope_dropped_attributes_count": 3,
        "scope_schema_url": "https://scope",
        "last_seen": spans.NOW // spans.DAY_US,
    }


def test_no_resource_and_no_scope() -> None:
    _, found = source(spans.field(1, spans.field(2, spans.field(2, spans.span().SerializeToString()))))
    assert found["resource"] == found["scope_attributes"] == {}
    assert found["service_name"] == found["scope_name"] == found["resource_schema_url"] == ""
    assert found["entity_refs"] is None


@pytest.mark.parametrize("name", ["", 5, None, ["shop"]])
def test_service_name_is_a_string_or_empty(name: Any) -> None:
    _, found = source(payload(resource=Resource(attributes=spans.attributes({"service.name": name}))))
    assert found["service_name"] == ""
    assert found["resource"] == {"service.name": name}


def test_a_long_service_name_is_capped_in_the_column_only() -> None:
    _, found = source(payload(resource=Resource(attributes=spans.attributes({"service.name": "é" * 300}))))
    assert found["service_name"] == "é" * 256
    assert found["resource"] == {"service.name": "é" * 300}


def test_the_id_is_the_hash_of_the_fields_that_say_who_speaks() -> None:
    source_id, _ = source(payload())
    (row,) = spans.encode(payload()).dimensions["telemetry_sources"].values()
    names = [column.name for column in tables.TELEMETRY_SOURCES.columns]
    hashed = b"".join(
        fields.NULL if field is None else fields.raw(field)
        for name, field in zip(names, codec.tuple_fields(row), strict=True)
        if name not in ("source_id", "last_seen")
    )
    assert hashed.startswith(fields.text("default"))
    assert source_id == blake2b(hashed, digest_size=16).digest()


def test_the_id_does_not_change_with_the_day() -> None:
    later = spans.encode(payload(), now=spans.NOW + spans.DAY_US)
    assert list(later.dimensions["telemetry_sources"]) == [source(payload())[0]]


def test_the_id_is_fixed_forever() -> None:
    """Rows of older versions join by it: a change here is a migration."""
    assert source(payload())[0].hex() == "a6dbd1a65e95d85cd8a3dfe7e00e2a40"


def test_any_difference_is_another_source() -> None:
    other = InstrumentationScope(name="agent", version="2")
    ids = {
        source(payload())[0],
        source(payload(resource_url="x"))[0],
        source(payload(scope_url="x"))[0],
        source(payload(scope=other))[0],
        source(payload(resource=Resource()))[0],
        next(
            iter(codec.encode("traces", "acme", payload(), bytes(16), spans.NOW, spans.TERMS).dimensions["telemetry_sources"])
        ),
    }
    assert len(ids) == 6


def test_the_same_source_twice_is_one_row() -> None:
    encoded = spans.encode(payload() * 2)
    assert (encoded.accepted, len(encoded.dimensions["telemetry_sources"])) == (2, 1)


def test_a_source_without_records_is_not_kept() -> None:
    assert spans.encode(spans.request()).dimensions == {}


def test_repairs_count_once_per_occurrence() -> None:
    resource = spans.field(1, Resource(attributes=spans.attributes({"r": "\0"})).SerializeToString())
    scope = spans.field(1, InstrumentationScope(name="\0", version="\0").SerializeToString())
    record = spans.field(2, spans.span().SerializeToString())
    data = spans.field(1, resource + spans.field(2, scope + record + record) * 2 + spans.field(3, b"u\0"))
    encoded = spans.encode(data + data)
    # A resource with its schema URL: 2, seen twice. A scope: 2, seen four times.
    assert encoded.repaired == {"nul_replaced": 2 * 2 + 4 * 2}


def test_the_order_of_keys_says_nothing_at_any_level() -> None:
    orders: list[dict[str, object]] = [{"b": 1, "a": {"y": 1, "x": 2}}, {"a": {"x": 2, "y": 1}, "b": 1}]
    requests = [spans.request(spans.span(), resource=items, scope=items) for items in orders]
    assert len({identity for data in requests for identity in spans.encode(data).dimensions["telemetry_sources"]}) == 1


def test_sources_that_come_again_are_counted_once() -> None:
    """More scopes than 64 MiB of rows hold when each counts as often as it comes."""
    resource = spans.field(1, spans.field(1, spans.attributes({"big": "x" * 200_000})[0].SerializeToString()))
    record = spans.field(2, spans.span().SerializeToString())
    scopes = b"".join(spans.field(2, spans.field(1, spans.field(1, str(number).encode())) + record) for number in range(260))
    encoded = spans.encode(spans.field(1, resource + scopes + scopes))
    assert (encoded.accepted, encoded.rejected_by_rule) == (520, {})
