"""Which copy of a span counts is the same rule in every statement (docs/query.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

RULE = (
    "timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST, input_tokens DESC NULLS LAST, "
    "reported_cost_usd DESC NULLS LAST"
)
KEYS = {"timestamp", "timestamp_nanos", "trace_id", "span_id"}


def chosen() -> Iterator[tuple[str, str]]:
    """The name of each statement of spans that chooses among copies, and the order by which it does."""
    for package in ("traces", "usage"):
        for file in (files(f"llm_observatory.query.{package}") / "sql").iterdir():
            text = " ".join(file.read_text(encoding="utf-8").split())
            for keys, rest in re.findall(r"DISTINCT ON \(([^)]*)\)((?:(?!DISTINCT ON).)*)", text):
                if {"trace_id", "span_id"} <= set(keys.split(", ")) <= KEYS:
                    ordered = [order for order in re.findall(r"ORDER BY ([^()]*)", rest) if order.startswith(keys)]
                    yield file.name, ordered[0] if ordered else ""


STATEMENTS = sorted(chosen())


def test_all_statements_are_looked_at() -> None:
    names = [name.removesuffix(".sql") for name, _ in STATEMENTS]
    assert names == [
        "attribute_keys", "attribute_values", "page_of_conversations", "raw_part", "service_graph", "spans_by_key", "turns",
    ]  # fmt: skip


@pytest.mark.parametrize("name, order", STATEMENTS)
def test_the_copy_that_counts_comes_first(name: str, order: str) -> None:
    keys = order.partition("span_id")[0].split(", ")
    expected = [*keys[:-1], "span_id", *(column for column in RULE.split(", ") if column not in keys)]
    assert order.startswith(", ".join(expected)), name
