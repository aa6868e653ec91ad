"""The vocabulary of a table's declaration: columns, where their values come from, and the closed list of ops.

An op names how a codec fills a column. Both codecs know exactly OPS and refuse anything else, so a new way to fill a
column is a visible event. Two ops carry arguments: `attr:KEY:CONVERSION` and `resource_attr:KEY:CONVERSION`.
`llm.usage_role` reads the columns of its own row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PgType = Literal[
    "bool",
    "bytea",
    "date",
    "float8",
    "float8[]",
    "int2",
    "int8",
    "int8[]",
    "jsonb",
    "numeric",
    "text",
    "text[]",
    "timestamptz",
    "uuid",
    "uuid[]",
]

Role = Literal["key", "time", "id", "fact", "label", "document"]
"""key: leads indexes and segments; time: the partition column; id: looked up by equality; fact: measured;
label: grouped by; document: JSONB or large text."""

Conversion = Literal["text", "int", "float", "bool", "text_list", "seconds_to_ms", "provider", "operation", "finish_reasons"]

OPS: dict[str, PgType] = {
    "request.tenant": "text",
    "request.received_date": "date",
    "source.id": "uuid",
    "source.service_name": "text",
    "resource.attributes": "jsonb",
    "resource.dropped_attributes_count": "int8",
    "resource.schema_url": "text",
    "resource.entity_refs": "jsonb",
    "scope.name": "text",
    "scope.version": "text",
    "scope.attributes": "jsonb",
    "scope.dropped_attributes_count": "int8",
    "scope.schema_url": "text",
    "span.start_us": "timestamptz",
    "span.start_nanos": "int2",
    "span.trace_id": "uuid",
    "span.span_id": "bytea",
    "span.parent_span_id": "bytea",
    "span.trace_state": "text",
    "span.flags": "int8",
    "span.is_entry": "bool",
    "span.name": "text",
    "span.kind": "int2",
    "span.duration_ns": "int8",
    "span.duration_ms": "float8",
    "span.status_code": "int2",
    "span.status_message": "text",
    "span.attributes": "jsonb",
    "span.events": "jsonb",
    "span.links": "jsonb",
    "span.dropped_attributes_count": "int8",
    "span.dropped_events_count": "int8",
    "span.dropped_links_count": "int8",
    "llm.usage_role": "text",
    "content.time_us": "timestamptz",
    "content.trace_id": "uuid",
    "content.span_id": "bytea",
    "content.log_id": "uuid",
    "content.kind": "text",
    "content.carrier": "text",
    "content.event_index": "int8",
    "content.attribute": "text",
    "content.is_json": "bool",
    "content.body": "text",
    "content.original_length": "int8",
    "log.time_us": "timestamptz",
    "log.time_nanos": "int2",
    "log.time_source": "int2",
    "log.observed_us": "timestamptz",
    "log.observed_nanos": "int2",
    "log.id": "uuid",
    "log.trace_id": "uuid",
    "log.span_id": "bytea",
    "log.level": "text",
    "log.severity_number": "int2",
    "log.severity_text": "text",
    "log.message": "text",
    "log.body": "jsonb",
    "log.event_name": "text",
    "log.attributes": "jsonb",
    "log.flags": "int8",
    "log.dropped_attributes_count": "int8",
    "point.time_us": "timestamptz",
    "point.time_nanos": "int2",
    "point.start_us": "timestamptz",
    "point.start_nanos": "int2",
    "point.value": "float8",
    "point.int_value": "int8",
    "point.count": "int8",
    "point.sum": "float8",
    "point.min": "float8",
    "point.max": "float8",
    "point.bounds": "float8[]",
    "point.bucket_counts": "int8[]",
    "point.distribution": "jsonb",
    "point.exemplars": "jsonb",
    "point.trace_id": "uuid",
    "point.flags": "int8",
    "metric.name": "text",
    "metric.type": "text",
    "metric.unit": "text",
    "metric.description": "text",
    "metric.temporality": "int2",
    "metric.is_monotonic": "bool",
    "metric.metadata": "jsonb",
    "series.id": "uuid",
    "series.labels": "jsonb",
    "trace.id": "uuid",
    "trace.first_us": "timestamptz",
    "trace.last_us": "timestamptz",
    "touched.signal": "text",
    "touched.hour": "timestamptz",
    "touched.trace_ids": "uuid[]",
    "request.received_at": "timestamptz",
    "none": "bytea",
}
"""Every op without argument and the type it renders. `none` marks columns that no codec fills."""

CONVERSIONS: dict[Conversion, PgType] = {
    "text": "text",
    "int": "int8",
    "float": "float8",
    "bool": "bool",
    "text_list": "text[]",
    "seconds_to_ms": "float8",
    "provider": "text",
    "operation": "text",
    "finish_reasons": "text[]",
}

INDEXED_TEXT_MAX_BYTES = 512
"""Text that is indexed or segmented by is cut here (on a character boundary); a btree entry may hold 2,704 bytes."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place a promoted column may come from: an attribute key of the span or of its resource."""

    key: str
    conversion: Conversion = "text"
    carrier: Literal["span", "resource"] = "span"

    @property
    def op(self) -> str:
        """The op of this source, as the spec spells it."""
        prefix = "attr" if self.carrier == "span" else "resource_attr"
        return f"{prefix}:{self.key}:{self.conversion}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `op` fills it; `aliases` are other sources tried in order when `op` gives nothing.

    `description` is for people, in docs/reference/schema.md.
    """

    name: str
    type: PgType
    op: str
    nullable: bool = False
    role: Role = "fact"
    max_bytes: int | None = None
    aliases: tuple[Source, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not self.op.startswith(("attr:", "resource_attr:")):
            expected = self.type if self.op == "none" else OPS[self.op]
        else:
            expected = CONVERSIONS[self.op.rsplit(":", 1)[1]]  # type: ignore[index]  # checked by the KeyError
        if expected != self.type:
            message = f"column {self.name}: op {self.op} renders {expected}, the column is {self.type}"
            raise ValueError(message)


# Compared by identity: what is cached by table is asked for in every commit, and the hash of fifty columns takes 30 µs.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """One table. `kept_for` names the setting that says for how long; such tables are partitioned by `timestamp`.

    `kind`: fact (records), index (written with the facts), dimension (upserted before them), queue, ledger,
    price, operation, correction (of facts, made behind ingest). `one_row_per`, and `kept` where a setting alone does not say
    for how long, are for people. The rest is about the columnstore, for those that are partitioned: `segments` names the
    dimension that has at least a row for each of its segments (None: a tenant is one), `order_by` says how rows are sorted
    inside a segment, `sparse_indexes` of which columns the values of a batch of rows are known without decompressing it.
    """

    name: str
    kind: Literal["fact", "index", "dimension", "queue", "ledger", "price", "operation", "correction"]
    columns: tuple[Column, ...]
    one_row_per: str = ""
    kept: str = ""
    kept_for: Literal["retention", "content_retention"] | None = None
    segments: Literal["telemetry_sources", "metric_labels"] | None = None
    order_by: tuple[str, ...] = ()
    sparse_indexes: tuple[tuple[Literal["bloom", "minmax"], str], ...] = ()

    @property
    def partitioned(self) -> bool:
        """Whether whole partitions of it are dropped when they are old."""
        return self.kept_for is not None

    @property
    def segment_by(self) -> tuple[str, ...]:
        """The columns that all rows of a compressed batch share: those of role key."""
        return tuple(column.name for column in self.columns if column.role == "key")


TENANT = Column(
    name="tenant",
    type="text",
    op="request.tenant",
    role="key",
    max_bytes=INDEXED_TEXT_MAX_BYTES,
    description="whose it is; `''` in prices, backups and maintenance mode: everybody's",
)
"""Every row of every table begins with it."""

SERVICE_NAME = Column(
    name="service_name",
    type="text",
    op="source.service_name",
    role="key",
    max_bytes=INDEXED_TEXT_MAX_BYTES,
    description="`service.name`, at most 512 bytes; `''` if missing",
)
"""Of the resource that speaks."""
