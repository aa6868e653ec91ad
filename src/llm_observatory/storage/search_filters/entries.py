"""What a filter knows of a record: its scalar attributes, texts that became columns, its source, the words it says.

An entry is text of a kind and what it stands for. Who builds a filter and who asks one make the same of the same value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NewType

from llm_observatory.storage.search_filters.bloom import fingerprint

Entry = NewType("Entry", int)
"""The fingerprint of an entry."""

Scalar = str | bool | int | float

_WORD = re.compile(r"\w+")
_LONGEST_WORD = 128
"""Characters. What is longer (base64, for one) is known by its beginning."""


def attribute(key: str, value: Scalar) -> Entry:
    """An attribute of the record. 1, 1.0, True and "1" are four values; 0.0 and -0.0 are one."""
    return _attribute(key, type(value).__name__, repr(value + 0.0) if isinstance(value, float) else str(value))


@lru_cache(maxsize=100_000)
def _attribute(key: str, kind: str, value: str) -> Entry:
    return _entry(f"a\0{key}\0{kind}\0{value}")


def source(source_id: bytes) -> Entry:
    """The source of the record, by its 16 bytes."""
    return Entry(fingerprint(b"s\0" + source_id))


def words(text: str) -> set[Entry]:
    """Every word: letters, digits and underscores, in lower case."""
    return {_entry(f"w\0{word[:_LONGEST_WORD]}") for word in set(_WORD.findall(text.lower()))}


def document(text: str) -> Iterator[Entry]:
    """Every scalar attribute of an attribute document (`codec/reference/document.py`)."""
    for written, value in json.loads(text).items():
        key = written.removeprefix("$")
        if isinstance(value, dict):
            if list(value) == ["$double"]:
                yield attribute(key, float(value["$double"]))
        elif isinstance(value, Scalar):
            yield attribute(key, value)


def _entry(text: str) -> Entry:
    # A lone surrogate is in no document, but a client of the query service may ask for one.
    return Entry(fingerprint(text.encode("utf-8", "surrogatepass")))


def of_columns(names: list[str], row: tuple[Any, ...]) -> Iterator[Entry]:
    """Texts of columns that attributes have become, under the canonical names of these."""
    for name, value in zip(names, row, strict=True):
        if value is not None:
            yield attribute(name, value)
