"""No Python outside `tables/` names a column; SQL files may."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import llm_observatory
from llm_observatory.tables import TABLES

ROOT = Path(llm_observatory.__file__).parent
COLUMNS = {column.name for table in TABLES for column in table.columns if "_" in column.name}
"""Names of one word (signal, tenant, flags) mean other things too; those with an underscore are ours."""

MEAN_SOMETHING_ELSE = {
    "codec/reference/decode/point.py": {
        "bucket_counts",
        "int_value",
        "span_id",
        "trace_id",
    },  # members of distributions and exemplars
    "codec/reference/span.py": {"dropped_attributes_count", "span_id", "trace_id", "trace_state"},  # members of links, OTLP's
    "codec/reference/convert.py": {"finish_reasons"},  # a conversion of `tables.column.CONVERSIONS`
    "codec/reference/document.py": {"int_value"},  # a member of AnyValue
    "codec/reference/log.py": {"time_source"},  # an attribute of LoggedRecord
    # Members of exemplars and buckets, OTLP's but for the first.
    "codec/reference/point.py": {"int_value", "span_id", "trace_id", "bucket_counts"},
    "query/usage/service.py": {"conversation_id"},  # a field of the protocol
    "storage/prices/table.py": {"service_tier"},  # a key of the library's price context
    "metrics.py": {"error_type"},  # a Prometheus label
}
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)+")


def sources() -> Iterator[Path]:
    yield from (path for path in ROOT.rglob("*.py") if "tables" not in path.relative_to(ROOT).parts)


def named_columns(text: str) -> set[str]:
    """Columns named in strings that are not docstrings, in prose for people excepted: a name must stand quoted or alone."""
    tree = ast.parse(text)
    expressions = (node for node in ast.walk(tree) if isinstance(node, ast.Expr))
    documentation = {id(expression.value) for expression in expressions if isinstance(expression.value, ast.Constant)}
    strings = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    )
    return {
        word
        for string in strings
        if string in COLUMNS or re.search(r"\b(SELECT|INSERT|UPDATE|DELETE|COPY|CREATE|ALTER)\b", string)
        for word in _WORD.findall(string)
        if word in COLUMNS
    }


@pytest.mark.parametrize("path", sorted(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_column_is_named(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert named_columns(path.read_text(encoding="utf-8")) == MEAN_SOMETHING_ELSE.get(name, set())


def test_a_named_column_is_found() -> None:
    assert named_columns("def f():\n    return row['service_name']") == {"service_name"}
    assert named_columns('"SELECT 1 FROM llm_traces WHERE trace_id = %s"; f"DELETE FROM x WHERE span_id = {y}"') >= {"span_id"}
