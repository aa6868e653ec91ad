"""The JSON spec of `tables/`, read and checked: what cannot be run is refused here, at start, with all faults at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_observatory.codec.reference import fields
from llm_observatory.errors import ConfigError

SPEC_VERSION = 3

IGNORED_OP = "none"
"""Columns that no codec fills."""


@dataclass(frozen=True, slots=True)
class AttributeSource:
    """`attr:KEY:CONVERSION` or `resource_attr:KEY:CONVERSION`."""

    key: str
    conversion: str
    on_resource: bool


@dataclass(frozen=True, slots=True)
class SpecColumn:
    """One column of the spec. `sources` is empty unless the column is filled from attributes."""

    name: str
    type: str
    op: str
    max_bytes: int | None
    sources: tuple[AttributeSource, ...]


@dataclass(frozen=True, slots=True)
class SpecTable:
    """One table of the spec."""

    name: str
    kind: str
    columns: tuple[SpecColumn, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """All of it."""

    tables: tuple[SpecTable, ...]
    llm: Mapping[str, Any]
    content: Mapping[str, Any]
    logs: Mapping[str, Any]

    def filled_by(self, op: str, kind: str) -> SpecTable:
        """The table of that kind which has a column of that op: tables are known by what they hold, not by name."""
        for table in self.tables:
            if table.kind == kind and any(column.op == op for column in table.columns):
                return table
        raise ConfigError([f"the table spec has no {kind} table with a column filled by {op}"])


def attribute_source(op: str) -> AttributeSource | None:
    """The op's attribute, None for an op without argument. Keys may hold colons."""
    carrier, _, rest = op.partition(":")
    key, _, conversion = rest.rpartition(":")
    if carrier not in ("attr", "resource_attr") or not key:
        return None
    return AttributeSource(key, conversion, carrier == "resource_attr")


def load(text: str, ops: frozenset[str], conversions: frozenset[str]) -> Spec:
    """The spec in `text`; ConfigError when it holds anything that this codec cannot run."""
    document = json.loads(text)
    if document["version"] != SPEC_VERSION:
        raise ConfigError([f"the table spec has version {document['version']}, this codec runs version {SPEC_VERSION}"])
    faults: list[str] = []
    tables = tuple(
        SpecTable(
            table["name"],
            table["kind"],
            tuple(_column(table["name"], column, ops, conversions, faults) for column in table["columns"]),
        )
        for table in document["tables"]
    )
    for table in tables:
        faults.extend(_shared_keys(table))
    if faults:
        raise ConfigError(faults)
    return Spec(tables, document["llm"], document["content"], document["logs"])


def _column(
    table: str, column: Mapping[str, Any], ops: frozenset[str], conversions: frozenset[str], faults: list[str]
) -> SpecColumn:
    where = f"column {table}.{column['name']}"
    op, type_ = column["op"], column["type"]
    sources: list[AttributeSource] = []
    if op not in ops and op != IGNORED_OP:
        for source_op in (op, *column.get("aliases", ())):
            source = attribute_source(source_op)
            if source is None:
                faults.append(f"{where}: unknown op {source_op}")
            elif source.conversion not in conversions:
                faults.append(f"{where}: unknown conversion {source.conversion}")
            else:
                sources.append(source)
    if type_ not in fields.ENCODERS and op != IGNORED_OP:
        faults.append(f"{where}: unknown type {type_}")
    return SpecColumn(column["name"], type_, op, column.get("max_bytes"), tuple(sources))


def _shared_keys(table: SpecTable) -> list[str]:
    """A canonical key that another column reads too could not leave the document without being missed there."""
    readers: dict[str, list[str]] = {}
    for column in table.columns:
        for source in column.sources:
            readers.setdefault(source.key, []).append(column.name)
    return [
        f"column {table.name}.{column.name}: its attribute {column.sources[0].key} also fills {', '.join(others)}"
        for column in table.columns
        if column.sources and not column.sources[0].on_resource
        for others in [[name for name in readers[column.sources[0].key] if name != column.name]]
        if others
    ]
