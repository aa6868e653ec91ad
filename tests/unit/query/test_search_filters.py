"""Filters of hours: never a no for what is there, seldom a yes for what is not, the same entry for the same value."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.codec.reference.document import double, render
from llm_observatory.storage.search_filters import bloom, entries

SCALARS = st.one_of(st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@pytest.mark.parametrize("number", [0, 1, 7, 1000, bloom.COUNTED_ENTRIES + 1000], ids=str)
def test_what_was_added_may_be_held(number: int) -> None:
    builder, random = bloom.Builder(), Random(number)
    added = [random.getrandbits(64) for _ in range(number)]
    for value in added:
        builder.add(value)
    bits = builder.finish()
    assert all(bloom.may_hold(bits, value) for value in added[:2000] + added[-2000:])
    others = [random.getrandbits(64) for _ in range(4000)]
    assert sum(bloom.may_hold(bits, value) for value in others) < 0.03 * len(others)


def test_a_filter_has_the_size_of_what_it_holds() -> None:
    builder = bloom.Builder()
    for value in range(1000):
        builder.add(bloom.fingerprint(str(value).encode()))
        builder.add(bloom.fingerprint(str(value).encode()))  # twice is once
    assert len(builder.finish()) == 1000 * bloom.BITS_PER_ENTRY // 8


def test_fingerprints_are_what_they_have_always_been() -> None:
    """They are in the database: another hash would find nothing in what was built before."""
    assert entries.attribute("k", "v") == 0x29C2EEF99F99FD2B
    assert entries.attribute("k", 1) == 0x1CB7209015F5DF63
    assert entries.words("Time_out, 42!") == {0x92BF215DB086E4C3, 0xD668E37EC8195FC2}


@given(st.dictionaries(st.text(), SCALARS))
def test_a_document_has_the_entry_of_each_of_its_values(attributes: dict[str, str | bool | int | float]) -> None:
    written = {
        "$" + key if key.startswith("$") else key: double(value) if isinstance(value, float) else value
        for key, value in attributes.items()
    }
    expected = {entries.attribute(key, value) for key, value in attributes.items()}
    assert set(entries.document(render(written).decode())) == expected


def test_values_of_different_types_are_different() -> None:
    values: list[str | bool | int | float] = [1, 1.0, True, "1", "True", 0.0, 0, 1e16]
    assert len({entries.attribute("k", value) for value in values}) == len(values)


def test_the_two_zeros_are_one_as_they_are_to_a_condition() -> None:
    assert entries.attribute("k", -0.0) == entries.attribute("k", 0.0)


def test_nested_values_are_left_out() -> None:
    text = json.dumps({"list": [1], "object": {"a": 1}, "bytes": {"$bytes": "AA=="}, "null": None})
    assert list(entries.document(text)) == []
