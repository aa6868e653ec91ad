"""AttributeFilter as SQL, over documents and over the columns that attributes have become.

An attribute that filled a column may have left its document (`tables/llm.py`): a condition on any name of the column asks both.
Keys and values are parameters; only names from `tables/` are in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeScope, AttributeValue, NumberBounds
from llm_observatory.codec.reference.document import double
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import checks
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composable, Composed, Identifier, named
from llm_observatory.storage.read import Reader
from llm_observatory.storage.search_filters import Entry, attribute
from llm_observatory.tables import Column, Table

MAX_FILTERS = 20
MAX_VALUES = checks.MAX_CHOICES

Scalar = str | bool | int | float

_COLUMN_TYPES: Mapping[str, type] = {"text": str, "bool": bool, "int8": int, "float8": float}
_MILLISECONDS_PER_SECOND = 1000.0
_SQL = files(__package__) / "sql"
_SOURCES_WITH, _OF_SOURCES_WITH = named(_SQL, "sources_with"), named(_SQL, "of_sources_with")
_BOUNDS = (("greater_than", ">"), ("at_least", ">="), ("less_than", "<"), ("at_most", "<="))


@dataclass(frozen=True, slots=True)
class _Promoted:
    """A column that an attribute has become; `factor` turns the attribute's number into the column's."""

    name: str
    type: str
    factor: float
    canonical: str
    in_filters: bool


class AttributePlace:
    """Where attributes of one kind of records stand: a document of the row, columns, and the resource behind `source_id`."""

    def __init__(self, table: Table, document: str) -> None:
        self._document = Identifier(document)
        self._columns = _promoted(table.columns)

    def all_of(self, filters: Sequence[AttributeFilter], values: Values, field: str = "attributes") -> list[Composed]:
        """A condition for each filter. InvalidQuery for one that says nothing sensible."""
        if len(filters) > MAX_FILTERS:
            raise InvalidQuery(field, f"has more than {MAX_FILTERS} conditions")
        return [self._condition(f"{field}[{place}]", asked, values) for place, asked in enumerate(filters)]

    def entries(self, asked: AttributeFilter) -> list[Entry] | None:
        """What the filter of an hour has if a record of it fulfils a checked condition by its own attributes.

        None where filters know nothing of it: other conditions than equality, and columns that they leave out.
        """
        kind = asked.WhichOneof("condition")
        if kind not in ("equals", "in"):
            return None
        chosen = [asked.equals] if kind == "equals" else getattr(asked, "in").values
        if asked.scope == AttributeScope.ATTRIBUTE_SCOPE_RESOURCE:
            return []
        promoted = self._columns.get(asked.key)
        keys = {asked.key}
        if promoted is not None:
            if not promoted.in_filters:
                return None
            keys.add(promoted.canonical)
        scalars = [_value("", value) for value in chosen]
        return [attribute(key, value) for key in sorted(keys) for value in scalars]

    async def matching_sources(self, reader: Reader, tenant: str, asked: AttributeFilter, limit: int) -> list[bytes]:
        """The ids of sources whose resource fulfils a checked condition, at most so many; none where resources do not count."""
        if asked.scope == AttributeScope.ATTRIBUTE_SCOPE_RECORD:
            return []
        values = Values(tenant=tenant, limit=limit)
        only = AttributeFilter()
        only.CopyFrom(asked)
        only.scope = AttributeScope.ATTRIBUTE_SCOPE_RESOURCE
        statement = _SOURCES_WITH.format(condition=self._condition("", only, values))
        return [source_id.bytes for (source_id,) in await reader.rows(statement, values.parameters)]

    def _condition(self, field: str, asked: AttributeFilter, values: Values) -> Composed:
        key = checks.text(f"{field}.key", asked.key, required=True)
        match asked.WhichOneof("condition"):
            case "exists":
                there = self._scoped(asked.scope, key, _exists, values)
                return there if asked.exists else SQL("({}) IS NOT TRUE").format(there)
            case "equals":
                return self._scoped(asked.scope, key, _any_of([_value(f"{field}.equals", asked.equals)]), values)
            case "in":
                given = getattr(asked, "in").values
                if not 1 <= len(given) <= MAX_VALUES:
                    raise InvalidQuery(f"{field}.in", f"has {len(given)} values, not 1 to {MAX_VALUES}")
                chosen = [_value(f"{field}.in[{place}]", value) for place, value in enumerate(given)]
                return self._scoped(asked.scope, key, _any_of(chosen), values)
            case "number":
                return self._scoped(asked.scope, key, _within(f"{field}.number", asked.number), values)
            case "prefix":
                return self._scoped(asked.scope, key, _begins(checks.text(f"{field}.prefix", asked.prefix)), values)
            case _:
                raise InvalidQuery(f"{field}.condition", "is required: equals, exists, in, number or prefix")

    def _scoped(self, scope: AttributeScope.ValueType, key: str, test: _Test, values: Values) -> Composed:
        match scope:
            case AttributeScope.ATTRIBUTE_SCOPE_RECORD:
                return self._record(key, test, values)
            case AttributeScope.ATTRIBUTE_SCOPE_RESOURCE:
                return self._resource(key, test, values)
            case _:
                return SQL("({own} OR ({of_resource} AND ({has_own}) IS NOT TRUE))").format(
                    own=self._record(key, test, values),
                    of_resource=self._resource(key, test, values),
                    has_own=self._record(key, _exists, values),
                )

    def _record(self, key: str, test: _Test, values: Values) -> Composed:
        return _either([*self._in_column(key, test, values), test.in_document(self._document, key, values)])

    def _in_column(self, key: str, test: _Test, values: Values) -> Iterable[Composed]:
        promoted = self._columns.get(key)
        found = None if promoted is None else test.in_column(promoted, values)
        return () if found is None else (found,)

    def _resource(self, key: str, test: _Test, values: Values) -> Composed:
        return _OF_SOURCES_WITH.format(condition=test.in_document(Identifier("resource"), key, values))


class _Test:
    """What a value must fulfil, in a document and in a column."""

    def in_document(self, document: Composable, key: str, values: Values) -> Composed:
        """Over the document's value of `key`."""
        raise NotImplementedError

    def in_column(self, column: _Promoted, values: Values) -> Composed | None:
        """Over a column; None where no value of its type fulfils it."""
        raise NotImplementedError


class _Exists(_Test):
    def in_document(self, document: Composable, key: str, values: Values) -> Composed:
        return SQL("{} ? {}").format(document, values.add(_written(key)))

    def in_column(self, column: _Promoted, values: Values) -> Composed:  # noqa: ARG002 - see _Test
        return SQL("{} IS NOT NULL").format(Identifier(column.name))


_exists = _Exists()


class _AnyOf(_Test):
    def __init__(self, chosen: Sequence[Scalar]) -> None:
        # Documents tell the two zeros of a double apart, who compares numbers does not.
        self._chosen: list[Scalar] = []
        for value in chosen:
            self._chosen += (0.0, -0.0) if isinstance(value, float) and value == 0 else (value,)

    def in_document(self, document: Composable, key: str, values: Values) -> Composed:
        return _either([self._equals(document, _written(key), value, values) for value in self._chosen])

    @staticmethod
    def _equals(document: Composable, key: str, value: Scalar, values: Values) -> Composed:
        holds = SQL("{} @> {}::jsonb").format(document, values.add(json.dumps({key: _stored(value)}, ensure_ascii=False)))
        if isinstance(value, bool) or not isinstance(value, int | float) or isinstance(_stored(value), dict):
            return holds
        # jsonb holds 1 for equal to 1.0; in a document of ours a double has a point.
        is_double = SQL("strpos({}->>{}, '.') > 0").format(document, values.add(key))
        return SQL("({} AND {})").format(holds, is_double if isinstance(value, float) else SQL("NOT {}").format(is_double))

    def in_column(self, column: _Promoted, values: Values) -> Composed | None:
        kind = _COLUMN_TYPES.get(column.type)
        fitting = [value * column.factor if kind is float else value for value in self._chosen if type(value) is kind]  # type: ignore[operator]
        if not fitting:
            return None
        return SQL("{} = ANY({})").format(Identifier(column.name), values.add(fitting))


def _any_of(chosen: Sequence[Scalar]) -> _AnyOf:
    return _AnyOf(chosen)


class _Within(_Test):
    def __init__(self, bounds: Sequence[tuple[str, float]]) -> None:
        self._bounds = bounds

    def in_document(self, document: Composable, key: str, values: Values) -> Composed:
        number = SQL(
            "CASE jsonb_typeof({document}->{key}) WHEN 'number' THEN ({document}->>{key})::float8"
            " WHEN 'object' THEN ({document}->{key}->>'$double')::float8 END"
        ).format(document=document, key=values.add(_written(key)))
        return self._compared(number, 1.0, values)

    def in_column(self, column: _Promoted, values: Values) -> Composed | None:
        if column.type not in ("int8", "float8"):
            return None
        # As a double also where it is none: an integer cannot be compared with NaN.
        return self._compared(SQL("{}::float8").format(Identifier(column.name)), column.factor, values)

    def _compared(self, number: Composable, factor: float, values: Values) -> Composed:
        # PostgreSQL sorts NaN above every number; a bound never lets it in.
        parts = [SQL("{} {} {}").format(number, SQL(operator), values.add(bound * factor)) for operator, bound in self._bounds]
        return SQL("({} AND {} <> 'NaN')").format(SQL(" AND ").join(parts), number)


def _within(field: str, bounds: NumberBounds) -> _Within:
    given = [(operator, getattr(bounds, name)) for name, operator in _BOUNDS if bounds.HasField(name)]  # type: ignore[arg-type]
    if not given:
        raise InvalidQuery(field, "has no bound")
    if any(bound != bound for _, bound in given):  # noqa: PLR0124 - NaN
        raise InvalidQuery(field, "has a bound that is NaN")
    return _Within(given)


class _Begins(_Test):
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def in_document(self, document: Composable, key: str, values: Values) -> Composed:
        return SQL("(jsonb_typeof({document}->{key}) = 'string' AND starts_with({document}->>{key}, {prefix}))").format(
            document=document, key=values.add(_written(key)), prefix=values.add(self._prefix)
        )

    def in_column(self, column: _Promoted, values: Values) -> Composed | None:
        if column.type != "text":
            return None
        return SQL("starts_with({}, {})").format(Identifier(column.name), values.add(self._prefix))


def _begins(prefix: str) -> _Begins:
    return _Begins(prefix)


def also(conditions: Sequence[Composable]) -> Composed:
    """All of them, after the conditions that a statement has of its own; nothing when there is none."""
    return SQL("").join([SQL(" AND {}").format(condition) for condition in conditions])


def _either(conditions: Sequence[Composable]) -> Composed:
    return SQL("({})").format(SQL(" OR ").join(conditions))


def _written(key: str) -> str:
    """A key as documents have it."""
    return "$" + key if key.startswith("$") else key


def _value(field: str, value: AttributeValue) -> Scalar:
    kind = value.WhichOneof("value")
    if kind is None:
        raise InvalidQuery(field, "has no value")
    found: Scalar = getattr(value, kind)
    if isinstance(found, str):
        return checks.text(field, found)
    if found != found:  # noqa: PLR0124 - NaN
        raise InvalidQuery(field, "is NaN, which equals nothing")
    return found


def _stored(value: Scalar) -> object:
    """As documents have it."""
    return double(value) if isinstance(value, float) else value


def _promoted(columns: Iterable[Column]) -> dict[str, _Promoted]:
    """The columns by every attribute that fills them."""
    found: dict[str, _Promoted] = {}
    for column in columns:
        for op in (column.op, *(alias.op for alias in column.aliases)):
            if op.startswith("attr:"):
                key, conversion = op.removeprefix("attr:").rsplit(":", 1)
                factor = _MILLISECONDS_PER_SECOND if conversion == "seconds_to_ms" else 1.0
                in_filters = column.type == "text" and column.role == "id"
                found.setdefault(key, _Promoted(column.name, column.type, factor, column.op.split(":")[1], in_filters))
    return found
