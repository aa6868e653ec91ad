"""Sequences of keys that the native codec remembers of a request: no record is read otherwise for the ones before it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from llm_observatory.codec import EncodedRequest
from tests.contract.codec.test_native import RECORDS, REQUEST_OF, SIGNALS, hold
from tests.unit.codec import spans

SHAPES_MAX, BRANCHES_MAX, KEYS_MAX = 128, 32, 4096
"""Those of `memory.rs`: beyond them everything is forgotten."""

pytestmark = [pytest.mark.native_codec, pytest.mark.parametrize("signal", SIGNALS)]


def same(signal: str, records: Iterable[Iterable[tuple[str, Any]]]) -> None:
    """Both codecs make the same of records with these attributes, none of which is refused."""
    made = []
    for number, items in enumerate(records):
        record = RECORDS[signal](number, is_refused=False)
        record.attributes.extend(KeyValue(key=key, value=spans.any_value(value)) for key, value in items)
        made.append(record)
    encoded = hold(signal, REQUEST_OF[signal](made))
    assert isinstance(encoded, EncodedRequest)
    assert encoded.accepted == len(made)


def test_more_shapes_than_are_numbered(signal: str) -> None:
    keys = ["gen_ai.request.model", "a", "user.id", "b", "gen_ai.prompt", "c", "error.type", "d"]
    kinds = [[(key, f"v{bits}") for place, key in enumerate(keys) if bits >> place & 1] for bits in range(2 * SHAPES_MAX)]
    same(signal, [*kinds, *reversed(kinds), *kinds])


def test_more_keys_than_may_come_after_the_same_ones(signal: str) -> None:
    kinds = [[("a", 1), (f"k{number}", number), ("user.id", "u")] for number in range(2 * BRANCHES_MAX)]
    same(signal, kinds * 3)


def test_more_keys_than_are_remembered(signal: str) -> None:
    long = [(f"k{number}", number) for number in range(KEYS_MAX + 50)]
    same(signal, [long, [("a", 1)], long, [("a", 1)], long[: KEYS_MAX - 1], long[:KEYS_MAX], long])


def test_keys_that_differ_in_the_last_byte(signal: str) -> None:
    keys = [f"gen_ai.request.mode{last}" for last in "lLmk\u00e9"] + ["gen_ai.request.mode", "gen_ai.request.models"]
    same(signal, [[(key, "x"), (other, "y")] for key in keys for other in keys] * 2)


def test_the_same_key_twice(signal: str) -> None:
    once, twice = [("a", 1), ("user.id", "u")], [("a", 1), ("user.id", "u"), ("a", 2)]
    same(signal, [twice, once, twice, [*twice, ("b", 3)], once, [*once, ("b", 3)], [("user.id", "u"), ("user.id", "v")], twice])


def test_attributes_in_changing_order(signal: str) -> None:
    source = random.Random(3)
    items = [("gen_ai.request.model", "m"), ("llm.model_name", "n"), ("a", 1), ("user.id", "u"), ("gen_ai.prompt", "p")]
    same(signal, [source.sample(items, len(items)) for _ in range(500)])


def test_sources_that_come_by_turns(signal: str) -> None:
    """What a resource puts into a promoted column is no part of the shape."""
    payloads: list[bytes] = []
    request: Callable[..., bytes] = REQUEST_OF[signal]
    for number in range(6):
        record = RECORDS[signal](number, is_refused=False)
        record.attributes.append(KeyValue(key="user.id", value=spans.any_value("u")))
        payloads.append(request([record]))
    if signal == "traces":
        record = RECORDS[signal](7, is_refused=False)
        record.attributes.append(KeyValue(key="user.id", value=spans.any_value("u")))
        resources = [{"service.name": "s", "deployment.environment.name": name} for name in ("one", "two")]
        payloads += [spans.request(record, resource=resource) for resource in resources] * 2
    # Requests that stand behind each other are one.
    encoded = hold(signal, b"".join(payloads))
    assert isinstance(encoded, EncodedRequest)
    assert encoded.accepted == len(payloads)
