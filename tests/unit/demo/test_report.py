"""What the demo prints, and that its SQL names columns that exist."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from demo import DemoError, report, rows
from demo.dialects import prepare_environment
from demo.export import check_listening
from llm_observatory.tables import LLM_TRACES

SELECTED = [
    "timestamp", "trace_id", "span_id", "parent_span_id", "service_name", "span_name", "span_kind", "status_code",
    "duration_ms", "provider", "operation", "request_model", "response_model", "service_tier", "is_streaming", "ttft_ms",
    "input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens", "usage_role", "finish_reasons", "error_type",
    "environment", "attributes",
]  # fmt: skip


def row(**columns: Any) -> rows.Row:
    plain = dict.fromkeys(SELECTED) | {
        "timestamp": datetime(2026, 11, 23, tzinfo=UTC),
        "service_name": "demo",
        "usage_role": "none",
    }
    return plain | {"span_name": "chat", "status_code": 0, "attributes": {}} | columns


def printed(*given: rows.Row) -> str:
    out = io.StringIO()
    report.print_tables(given, Console(file=out, width=100, markup=False, highlight=False))
    return out.getvalue()


def test_sql_names_columns_of_the_table() -> None:
    known = {column.name for column in LLM_TRACES.columns}
    selected = re.findall(r"\w+", rows.SELECT_SPANS.partition("FROM llm_traces")[0].replace("timestamptz", ""))
    words = {"SELECT", "AS", "encode", "uuid_send", "hex"}
    assert set(selected) - words == set(SELECTED)
    assert set(SELECTED) <= known


def test_tokens_and_roles_are_shown() -> None:
    text = printed(row(input_tokens=120, cache_read_tokens=64, output_tokens=45, reasoning_tokens=16, usage_role="call"))
    assert "120 in, 64 cached" in text
    assert "45 out, 16 reasoning" in text
    assert "-, -, call" in text


def test_not_reported_is_not_zero() -> None:
    assert "0" not in printed(row())
    assert "6 in, - cached" in printed(row(input_tokens=6))


def test_errors_are_named() -> None:
    text = printed(row(status_code=2, error_type="openai.RateLimitError"), row(status_code=2))
    assert "openai.RateLimitError" in text
    assert re.search(r" error *\n", text)


def test_nothing_is_lost_on_a_narrow_terminal() -> None:
    out = io.StringIO()
    given = row(span_name="embeddings text-embedding-3-small", request_model="text-embedding-3-small", usage_role="call")
    report.print_tables([given], Console(file=out, width=80, markup=False, highlight=False))
    assert "…" not in out.getvalue()


def test_a_table_a_service_and_no_markup_in_names() -> None:
    text = printed(row(span_name="[bold]x[/bold]"), row(service_name="other"))
    assert text.count("service demo") == 1
    assert text.count("service other") == 1
    assert "[bold]x[/bold]" in text


def test_json_is_for_programs() -> None:
    document = json.loads(report.as_json([row(finish_reasons=["stop"])]))
    assert document["spans"][0]["timestamp"] == "2026-11-23T00:00:00+00:00"
    assert document["spans"][0]["finish_reasons"] == ["stop"]


def test_missing_compares_both_ids() -> None:
    expected = [("a" * 32, "1" * 16), ("a" * 32, "2" * 16)]
    assert rows.missing(expected, [row(trace_id="a" * 32, span_id="1" * 16)]) == [("a" * 32, "2" * 16)]


@pytest.mark.parametrize("endpoint", ["4317", "localhost", "localhost:otlp", ":4317"])
def test_endpoint_is_host_and_port(endpoint: str) -> None:
    with pytest.raises(DemoError, match="HOST:PORT"):
        check_listening(endpoint)


def test_environment_of_the_shell_does_not_leak_in(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "OTEL_SDK_DISABLED": "true",
        "OPENAI_BASE_URL": "https://example.com",
        "HTTP_PROXY": "x",
        "https_proxy": "x",
        "A": "b",
    }
    monkeypatch.setattr("demo.dialects.os.environ", environ)
    prepare_environment()
    assert environ == {
        "A": "b",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
    }
