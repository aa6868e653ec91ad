"""The spans of each service, the JSON document, and that nothing not reported is shown as zero."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from demo import DemoError, report
from demo.dialects import prepare_environment
from demo.export import check_listening
from demo.queries import Row
from tests.unit.demo import rows_of_a_run as given


def printed(*spans: Row, width: int = 100) -> str:
    out = io.StringIO()
    report.print_rows(given.rows(*spans), Console(file=out, width=width, markup=False, highlight=False))
    return out.getvalue()


def test_tokens_and_roles_are_shown() -> None:
    text = printed(given.call(provider=None, operation=None))
    assert "120 in, 64 cached" in text
    assert "45 out, 16 reasoning" in text
    assert "-, -, call" in text


def test_not_reported_is_not_zero() -> None:
    assert "0" not in printed(given.span())
    assert "6 in, - cached" in printed(given.span(input_tokens=6))


def test_errors_are_named() -> None:
    text = printed(given.span(status_code=2, error_type="openai.RateLimitError"), given.span(status_code=2))
    assert "openai.RateLimitError" in text
    assert re.search(r" error *\n", text)


def test_nothing_is_lost_on_a_narrow_terminal() -> None:
    span = given.span(span_name="embeddings text-embedding-3-small", request_model="text-embedding-3-small")
    assert "…" not in printed(span, width=80)


def test_a_table_a_service_and_no_markup_in_names() -> None:
    text = printed(given.span(span_name="[bold]x[/bold]"), given.span(service_name="other"))
    assert text.count("service demo") == 1
    assert text.count("service other") == 1
    assert "[bold]x[/bold]" in text


def test_json_is_for_programs() -> None:
    document = json.loads(
        report.as_json(given.rows(given.call(), logs=(given.log(),), metrics=(given.point(),), said=(given.content(),)))
    )
    assert document["spans"][0]["timestamp"] == "2026-11-23T08:30:12.345678+00:00"
    assert document["spans"][0]["finish_reasons"] == ["stop"]
    assert document["logs"][0]["event_name"] == "gen_ai.details"
    assert document["metrics"][0]["labels"]["gen_ai.token.type"] == "input"
    assert document["content"][0]["body"] == "What is a span?"


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
    assert environ == {"A": "b", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event"}
