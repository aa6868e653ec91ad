"""The SQL names columns that exist, and a row answers to the key of what was sent."""

from __future__ import annotations

import re

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData

from demo import queries
from demo.rows import missing
from demo.watch import point_keys
from llm_observatory.tables import LLM_CONTENT, LLM_LOGS, LLM_METRICS, LLM_TRACES, METRIC_LABELS, Table
from tests.unit.demo import rows_of_a_run as given
from tests.unit.demo.rows_of_a_run import CALL, LABELS, TRACE


@pytest.mark.parametrize(
    "statement, tables",
    [
        (queries.SPANS, [LLM_TRACES]),
        (queries.LOGS, [LLM_LOGS]),
        (queries.METRICS, [LLM_METRICS, METRIC_LABELS]),
        (queries.CONTENT, [LLM_CONTENT]),
    ],
    ids=["spans", "logs", "metrics", "content"],
)
def test_sql_names_columns_and_tables_that_exist(statement: str, tables: list[Table]) -> None:
    known = {column.name for table in tables for column in table.columns}
    assert set(given.selected(statement)) <= known
    assert re.findall(r"(?:FROM|JOIN) (\w+)", statement) == [table.name for table in tables]


def test_times_keep_their_nanoseconds() -> None:
    at = 1_795_479_524_734_170_105
    row = given.log(observed_timestamp=queries.microseconds(at), observed_timestamp_nanos=105)
    assert queries.READ_LOGS.key(row) == (TRACE, CALL, at)
    assert queries.READ_LOGS.key(row | {"observed_timestamp": None}) == (TRACE, CALL, None)


def test_a_point_is_known_by_its_labels_whatever_their_order() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    provider.get_meter("test").create_histogram("tokens").record(5, dict(reversed(LABELS.items())))
    data = reader.get_metrics_data()
    provider.shutdown()
    assert isinstance(data, MetricsData)
    ((name, at, labels),) = point_keys(data)
    assert isinstance(at, int)
    row = given.point(metric_name="tokens", timestamp=queries.microseconds(at), timestamp_nanos=at % 1000, labels=LABELS)
    assert queries.READ_POINTS.key(row) == (name, at, labels)
    assert queries.READ_POINTS.key(row | {"labels": None}) != (name, at, labels)


def test_missing_compares_all_parts_of_a_key_and_how_often_it_comes() -> None:
    expected = [("a" * 32, "1" * 16), ("a" * 32, "2" * 16), ("a" * 32, "2" * 16)]
    stored = [given.span(trace_id="a" * 32, span_id=span_id) for span_id in ("1" * 16, "2" * 16)]
    assert missing(queries.READ_SPANS, expected, stored) == [("a" * 32, "2" * 16)]
    assert missing(queries.READ_SPANS, expected[:2], stored) == []
