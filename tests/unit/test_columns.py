"""No Python outside `tables/` names a column; SQL files may."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

import llm_observatory
from llm_observatory.api.v1 import (
    log_query_service_pb2,
    metric_query_service_pb2,
    trace_query_service_pb2,
    usage_query_service_pb2,
)
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
    "storage/prices/table.py": {"service_tier"},  # a key of the library's price context
    "app/cli/query/trace.py": {"int_value"},  # a member of AnyValue
    "query/metrics/distribution.py": {"bucket_counts"},  # a member of distributions
    # A key of `tables.rollups`, by which sums are told apart, and sums of theirs.
    "query/traces/numbers.py": {"span_kind", "timed_count", "duration_ns_sum", "duration_buckets"},
    "query/traces/sums.py": {"span_kind", "timed_count", "duration_ns_sum", "duration_buckets"},
    "query/traces/cost.py": {"input_band"},  # the same: its expression is asked of `tables.rollups`
    "query/traces/search.py": {"trace_ids"},  # a parameter
    "metrics.py": {"error_type"},  # a Prometheus label
}
FIELDS = {
    field.name
    for module in (trace_query_service_pb2, metric_query_service_pb2, log_query_service_pb2, usage_query_service_pb2)
    for message in module.DESCRIPTOR.message_types_by_name.values()
    for field in message.fields
}
"""Of the protocol of the query service, which calls many things as the tables do."""

SPEAK_THE_PROTOCOL = ("query/", "app/cli/query/")
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|COPY|CREATE|ALTER)\b")
_WORD = re.compile(r"[a-z]+(?:_[a-z]+)+")


def sources() -> Iterator[Path]:
    yield from (path for path in ROOT.rglob("*.py") if "tables" not in path.relative_to(ROOT).parts)


def named_columns(text: str, others: AbstractSet[str] = frozenset()) -> set[str]:
    """Columns named in strings that are not docstrings, in prose for people excepted: a name must stand quoted or alone.

    What stands alone and is one of `others` is theirs; in SQL it is a column all the same.
    """
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
        if string in COLUMNS - others or _SQL.search(string)
        for word in _WORD.findall(string)
        if word in COLUMNS
    }


@pytest.mark.parametrize("path", sorted(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_column_is_named(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    fields = FIELDS if name.startswith(SPEAK_THE_PROTOCOL) else set()
    assert named_columns(path.read_text(encoding="utf-8"), fields) == MEAN_SOMETHING_ELSE.get(name, set())


def test_a_named_column_is_found() -> None:
    assert named_columns("def f():\n    return row['service_name']") == {"service_name"}
    assert named_columns('"SELECT 1 FROM llm_traces WHERE trace_id = %s"; f"DELETE FROM x WHERE span_id = {y}"') >= {"span_id"}
