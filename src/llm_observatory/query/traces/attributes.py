"""Which attributes spans carry and with what values, by the newest spans of a range."""

from __future__ import annotations

import json
from importlib.resources import files
from math import isnan
from typing import NamedTuple

from llm_observatory.api.v1.selection_pb2 import AttributeScope, AttributeValue
from llm_observatory.query import checks
from llm_observatory.query.time_range import TimeRange
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composable, Composed, Identifier, named
from llm_observatory.tables import LLM_TRACES, Column

SAMPLED_SPANS = 10_000

_SQL = files(__package__) / "sql"
_KEYS, _VALUES = named(_SQL, "attribute_keys"), named(_SQL, "attribute_values")


class _Promoted(NamedTuple):
    column: Column
    names: tuple[str, ...]
    in_seconds: bool


def _promoted(column: Column) -> _Promoted:
    ops = [
        op.removeprefix("attr:").rsplit(":", 1)
        for op in (column.op, *(alias.op for alias in column.aliases))
        if op.startswith("attr:")
    ]
    return _Promoted(column, tuple(name for name, _ in ops), ops[0][1] == "seconds_to_ms")


_PROMOTED = tuple(_promoted(column) for column in LLM_TRACES.columns if column.op.startswith("attr:"))
"""Columns that attributes have become: the first name is the one they are listed by."""

_BY_NAME = {name: promoted for promoted in reversed(_PROMOTED) for name in promoted.names}


class Asked(NamedTuple):
    """Which spans are looked at, and what of them."""

    within: TimeRange
    service_name: str
    prefix: str
    limit: int

    def complete(self, values: Values) -> Composed:
        """Adds the parameters that both statements have. Returns the conditions on spans."""
        conditions = self.within.exact(values)
        if self.service_name:
            conditions.append(SQL("service_name = {}").format(values.add(self.service_name)))
        values.parameters |= self.within.parameters | {
            "sample": SAMPLED_SPANS,
            "prefix": self.prefix,
            "limit": self.limit,
            "longest": checks.MAX_TEXT_BYTES,
        }
        return SQL("").join([SQL(" AND {}").format(condition) for condition in conditions])


def keys(asked: Asked, values: Values) -> Composed:
    """Rows of spans looked at, key, scope (1 the span, 2 its resource), spans; key NULL when there is none."""
    filled = [
        SQL("count(*) FILTER (WHERE {column} IS NOT NULL AND NOT attributes ?| {names}) AS {column}").format(
            column=Identifier(promoted.column.name), names=values.add(list(promoted.names))
        )
        for promoted in _PROMOTED
    ]
    listed = [SQL("({}, {})").format(values.add(each.names[0]), Identifier(each.column.name)) for each in _PROMOTED]
    return _KEYS.format(
        columns=SQL(", ").join([Identifier(promoted.column.name) for promoted in _PROMOTED]),
        filled=SQL(", ").join(filled),
        keys=SQL(", ").join(listed),
        conditions=asked.complete(values),
    )


def values_of(key: str, scope: AttributeScope.ValueType, asked: Asked, values: Values) -> Composed:
    """Rows of spans looked at, value as JSON, spans; value NULL when there is none."""
    written = values.add("$" + key if key.startswith("$") else key)
    values.parameters["prefixed"] = bool(asked.prefix)
    in_document = SQL("attributes -> {}").format(written)
    promoted = _BY_NAME.get(key)
    own = in_document if promoted is None else SQL("coalesce({}, {})").format(in_document, _as_json(promoted))
    of_resource = SQL("source.resource -> {}").format(written)
    by_scope: dict[AttributeScope.ValueType, Composable] = {
        AttributeScope.ATTRIBUTE_SCOPE_UNSPECIFIED: SQL("coalesce(own, {})").format(of_resource),
        AttributeScope.ATTRIBUTE_SCOPE_RECORD: SQL("own"),
        AttributeScope.ATTRIBUTE_SCOPE_RESOURCE: of_resource,
    }
    return _VALUES.format(own=own, value=by_scope[scope], conditions=asked.complete(values))


def value_of(document: str) -> AttributeValue | None:
    """A value as documents have it; None for what is no number after all."""
    match json.loads(document):
        case bool(value):
            return AttributeValue(bool_value=value)
        case int(value):
            return AttributeValue(int_value=value)
        case str(value):
            return AttributeValue(string_value=value)
        case {"$double": text}:
            number = float(text)
            return None if isnan(number) else AttributeValue(double_value=number)
        case value:
            return AttributeValue(double_value=value)


def _as_json(promoted: _Promoted) -> Composed:
    column = Identifier(promoted.column.name)
    if promoted.column.type != "float8":
        return SQL("to_jsonb({})").format(column)
    # As a double: jsonb writes 1.0 of a column as 1.
    number = SQL("{} / 1000" if promoted.in_seconds else "{}").format(column)
    return SQL("CASE WHEN {} IS NOT NULL THEN jsonb_build_object('$double', ({})::text) END").format(column, number)
