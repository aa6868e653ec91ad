"""ListAttributeKeys and ListAttributeValues; and conditions on attributes, held against what spans say in Python."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import pytest

from llm_observatory.api.v1.selection_pb2 import (
    ATTRIBUTE_SCOPE_RECORD,
    ATTRIBUTE_SCOPE_RESOURCE,
    ATTRIBUTE_SCOPE_UNSPECIFIED,
    AttributeFilter,
    AttributeScope,
    AttributeValue,
    AttributeValues,
    NumberBounds,
    TimeRange,
)
from llm_observatory.api.v1.trace_query_service_pb2 import (
    ListAttributeKeysRequest,
    ListAttributeValuesRequest,
)
from llm_observatory.query.conditions import MAX_FILTERS, AttributePlace
from llm_observatory.query.traces import attributes
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL
from llm_observatory.tables import LLM_TRACES
from tests.plugins.query import Query
from tests.plugins.traces import HOUR, T0, at_now, request, span, stub_of

ALL = TimeRange(start_time_unix_nano=T0, end_time_unix_nano=T0 + HOUR)
SCOPES = (ATTRIBUTE_SCOPE_UNSPECIFIED, ATTRIBUTE_SCOPE_RECORD, ATTRIBUTE_SCOPE_RESOURCE)

Item = tuple[dict[str, Any], dict[str, Any]]
"""What a span and its resource carry."""

SAID: list[Item] = [
    ({}, {}),
    ({}, {"k": "of the resource"}),
    ({"k": "a"}, {"k": "ab"}),
    ({"k": "ab"}, {}),
    ({"k": ""}, {}),
    ({"k": "1"}, {}),
    ({"k": 1}, {}),
    ({"k": 1.0}, {"k": 1}),
    ({"k": 2**53 + 1}, {}),
    ({"k": 0.1 + 0.2}, {}),
    ({"k": 1e300}, {}),
    ({"k": -0.0}, {}),
    ({"k": 0}, {}),
    ({"k": float("nan")}, {}),
    ({"k": float("inf")}, {}),
    ({"k": True}, {}),
    ({"k": ["a"]}, {}),
    ({"k": {"a": 1}}, {}),
    ({"$k": "dollar"}, {}),
    ({"$double": "a"}, {"$double": 1.5}),
    ({"gen_ai.request.model": "a"}, {}),
    ({"llm.request.model_name": "ab"}, {}),
    ({"gen_ai.usage.input_tokens": 1}, {}),
    ({"gen_ai.usage.input_tokens": 1.0}, {}),
    ({"gen_ai.request.temperature": 1.0}, {}),
    ({"gen_ai.request.temperature": 1}, {}),
    ({"gen_ai.response.time_to_first_chunk": 0.25}, {}),
]

KEYS = (
    "k", "$k", "$double", "missing", "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.request.temperature",
    "gen_ai.response.time_to_first_chunk",
)  # fmt: skip
VALUES = ("a", "ab", "", "1", 1, 1.0, 2**53 + 1, 0.1 + 0.2, 1e300, 0, 0.0, float("inf"), True, False, "dollar", 1.5, 0.25)
BOUNDS = ({"at_least": 1.0}, {"greater_than": 1.0}, {"less_than": 1.0, "at_least": 0.0}, {"at_most": float("inf")})
COMPARED = {"at_least": operator.ge, "greater_than": operator.gt, "less_than": operator.lt, "at_most": operator.le}
PREFIXES = ("", "a", "ab", "of")

BY_COLUMN = {"llm.request.model_name": "gen_ai.request.model"}
"""Another name of a key that is asked for here: a condition on the column finds it, too."""

OF_COLUMN: dict[str, Any] = {"gen_ai.usage.input_tokens": int, "gen_ai.request.temperature": float}
"""A number of the other type becomes that of the column, too."""


def value(given: Any) -> AttributeValue:
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return AttributeValue(**{kinds[type(given)]: given})


def filters(scope: AttributeScope.ValueType) -> list[tuple[AttributeFilter, Any]]:
    """Every condition, and what it says of a value in Python."""
    found: list[tuple[AttributeFilter, Any]] = []
    for key in KEYS:
        found.append((AttributeFilter(key=key, scope=scope, exists=True), lambda _: True))
        found += [
            (
                AttributeFilter(key=key, scope=scope, equals=value(each)),
                lambda v, each=each: type(v) is type(each) and v == each,
            )
            for each in VALUES
        ]
        several = AttributeFilter(key=key, scope=scope)
        getattr(several, "in").CopyFrom(AttributeValues(values=[value("ab"), value(1)]))
        found.append((several, lambda v: v == "ab" or (type(v) is int and v == 1)))
        found += [
            (AttributeFilter(key=key, scope=scope, number=NumberBounds(**bounds)), lambda v, bounds=bounds: _within(v, bounds))
            for bounds in BOUNDS
        ]
        found += [
            (AttributeFilter(key=key, scope=scope, prefix=p), lambda v, p=p: isinstance(v, str) and v.startswith(p))
            for p in PREFIXES
        ]
    return found


def _within(given: Any, bounds: dict[str, float]) -> bool:
    if isinstance(given, bool) or not isinstance(given, int | float) or given != given:  # noqa: PLR0124 - NaN
        return False
    return all(COMPARED[name](float(given), bound) for name, bound in bounds.items())


def holds(item: Item, asked: AttributeFilter, test: Any) -> bool:
    own, of_resource = item
    values = [own[name] for name in own if asked.key in (name, BY_COLUMN.get(name))]
    if asked.key in OF_COLUMN:
        values += [OF_COLUMN[asked.key](each) for each in values]
    match asked.scope:
        case AttributeScope.ATTRIBUTE_SCOPE_RESOURCE:
            values = [of_resource[asked.key]] if asked.key in of_resource else []
        case AttributeScope.ATTRIBUTE_SCOPE_UNSPECIFIED if not values and asked.key in of_resource:
            values = [of_resource[asked.key]]
    return any(test(each) for each in values)


@pytest.fixture
async def stub(query: Query) -> Any:
    return stub_of(await query.serve(at_now(query.reader)))


async def fulfilling(query: Query, asked: list[AttributeFilter]) -> list[list[int]]:
    """The numbers of the spans that fulfil each condition."""
    place = AttributePlace(LLM_TRACES, "attributes")
    found: list[list[int]] = []
    for some in range(0, len(asked), MAX_FILTERS):
        values = Values(tenant="default")
        conditions = place.all_of(asked[some : some + MAX_FILTERS], values)
        statement = SQL("SELECT span_id, {} FROM llm_traces WHERE tenant = %(tenant)s").format(SQL(", ").join(conditions))
        rows = await query.reader.rows(statement, values.parameters)
        found += [sorted(row[0][-1] - 1 for row in rows if row[1 + at]) for at in range(len(conditions))]
    return found


@pytest.mark.parametrize("scope", SCOPES, ids=["own or else of the resource", "own", "of the resource"])
async def test_a_condition_finds_what_fulfils_it(query: Query, scope: AttributeScope.ValueType) -> None:
    await query.store(*(request(span(n, items=own), resource=of) for n, (own, of) in enumerate(SAID)))
    every = filters(scope)
    found = await fulfilling(query, [asked for asked, _ in every])
    for (asked, test), numbers in zip(every, found, strict=True):
        assert (numbers, asked) == ([n for n, item in enumerate(SAID) if holds(item, asked, test)], asked)


async def test_absence_is_a_condition(query: Query) -> None:
    await query.store(*(request(span(n, items=own), resource=of) for n, (own, of) in enumerate(SAID)))
    places = list(itertools.product(KEYS, SCOPES))
    found = await fulfilling(query, [AttributeFilter(key=key, scope=scope, exists=False) for key, scope in places])
    for (key, scope), numbers in zip(places, found, strict=True):
        there = AttributeFilter(key=key, scope=scope, exists=True)
        assert numbers == [n for n, item in enumerate(SAID) if not holds(item, there, lambda _: True)]


async def test_keys_are_listed_by_how_many_spans_carry_them(query: Query, stub: Any) -> None:
    await query.store(
        request(
            span(0, items={"a": 1, "$b": 2, "gen_ai.request.model": "m"}), span(1, items={"a": 2}), resource={"zone": "eu"}
        ),
        request(span(2, items={"a": 1, "llm.request.model_name": "m", "gen_ai.input.messages": "hi"}), service_name="db"),
        request(span(1, items={"a": 2}), span(7), resource={"zone": "eu"}),
    )
    answer = await stub.ListAttributeKeys(ListAttributeKeysRequest(time_range=ALL))
    assert answer.sampled_spans == 4
    assert [(key.key, key.scope, key.span_count) for key in answer.keys] == [
        ("service.name", ATTRIBUTE_SCOPE_RESOURCE, 4),
        ("a", ATTRIBUTE_SCOPE_RECORD, 3),
        ("zone", ATTRIBUTE_SCOPE_RESOURCE, 3),
        ("$b", ATTRIBUTE_SCOPE_RECORD, 1),
        ("gen_ai.request.model", ATTRIBUTE_SCOPE_RECORD, 1),
        ("llm.request.model_name", ATTRIBUTE_SCOPE_RECORD, 1),
    ]
    answer = await stub.ListAttributeKeys(ListAttributeKeysRequest(time_range=ALL, service_name="db", prefix="a", limit=1))
    assert [(key.key, key.span_count) for key in answer.keys] == [("a", 1)]
    answer = await stub.ListAttributeKeys(ListAttributeKeysRequest(time_range=ALL, prefix="nothing"))
    assert (answer.sampled_spans, len(answer.keys)) == (4, 0)


@pytest.mark.parametrize(
    "key, scope, expected",
    [
        ("k", ATTRIBUTE_SCOPE_RECORD, ["a", "ab", "", "1", 1, 1.0, 2**53 + 1, 0.1 + 0.2, 1e300, -0.0, 0, float("inf"), True]),
        ("k", ATTRIBUTE_SCOPE_RESOURCE, ["of the resource", "ab", 1]),
        ("$double", ATTRIBUTE_SCOPE_UNSPECIFIED, ["a"]),
        ("$double", ATTRIBUTE_SCOPE_RESOURCE, [1.5]),
        ("gen_ai.request.model", ATTRIBUTE_SCOPE_UNSPECIFIED, ["a", "ab"]),
        ("gen_ai.request.temperature", ATTRIBUTE_SCOPE_RECORD, [1.0, 1]),
        ("gen_ai.response.time_to_first_chunk", ATTRIBUTE_SCOPE_RECORD, [0.25]),
        ("missing", ATTRIBUTE_SCOPE_UNSPECIFIED, []),
    ],
)
async def test_values_have_the_type_that_was_sent(
    query: Query, stub: Any, key: str, scope: AttributeScope.ValueType, expected: list[Any]
) -> None:
    await query.store(*(request(span(n, items=own), resource=of) for n, (own, of) in enumerate(SAID)))
    answer = await stub.ListAttributeValues(ListAttributeValuesRequest(time_range=ALL, key=key, scope=scope))
    found = [getattr(each.value, each.value.WhichOneof("value")) for each in answer.values]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert answer.sampled_spans == len(SAID)


async def test_the_most_frequent_value_comes_first_and_a_prefix_chooses_strings(query: Query, stub: Any) -> None:
    items = ["b", "b", "a", 1, "bc", "x" * 513]
    await query.store(request(*(span(n, items={"k": each}) for n, each in enumerate(items))))
    answer = await stub.ListAttributeValues(ListAttributeValuesRequest(time_range=ALL, key="k", limit=1))
    assert [(each.value.string_value, each.span_count) for each in answer.values] == [("b", 2)]
    answer = await stub.ListAttributeValues(ListAttributeValuesRequest(time_range=ALL, key="k", prefix="b"))
    assert [(each.value.string_value, each.span_count) for each in answer.values] == [("b", 2), ("bc", 1)]
    answer = await stub.ListAttributeValues(ListAttributeValuesRequest(time_range=ALL, key="k"))
    assert sum(each.span_count for each in answer.values) == 5


@pytest.mark.parametrize("first", [0, 1, 2])
async def test_of_a_span_that_was_sent_again_and_changed_the_longest_copy_counts(query: Query, stub: Any, first: int) -> None:
    copies = [span(1, took=took, items={"k": took, f"k{took}": 1}) for took in (3, 2, 1)]
    await query.store(*map(request, copies[first:] + copies[:first]))
    values = await stub.ListAttributeValues(ListAttributeValuesRequest(time_range=ALL, key="k"))
    assert [(each.value.int_value, each.span_count) for each in values.values] == [(3, 1)]
    keys = await stub.ListAttributeKeys(ListAttributeKeysRequest(time_range=ALL, prefix="k"))
    assert [(each.key, each.span_count) for each in keys.keys] == [("k", 1), ("k3", 1)]


async def test_the_newest_spans_are_looked_at(query: Query, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "SAMPLED_SPANS", 2)
    await query.store(request(*(span(n, items={"k": n}) for n in range(5))))
    answer = await stub.ListAttributeValues(ListAttributeValuesRequest(time_range=ALL, key="k"))
    assert sorted(each.value.int_value for each in answer.values) == [3, 4]
    assert answer.sampled_spans == 2
