"""The demo and the SQL of the documentation, against a running service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.service import Service, free_port

ROOT = Path(__file__).parents[2]
CHAT_TOKENS = {"input_tokens": 120, "output_tokens": 45, "cache_read_tokens": 64, "reasoning_tokens": 16}

pytestmark = pytest.mark.timeout(120)


def run_demo(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the demo as `make demo` does. The shell's proxies and telemetry settings must not matter."""
    hostile = {"HTTP_PROXY": "http://192.0.2.1:1", "OTEL_SDK_DISABLED": "true", "OPENAI_BASE_URL": "http://192.0.2.1:1"}
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT, env={**(environment or os.environ), **hostile}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def spans(shared_service: Service) -> list[dict[str, Any]]:
    """The rows of one run of the demo."""
    ran = run_demo("--endpoint", shared_service.endpoint, "--json", environment=shared_service.environment)
    assert ran.returncode == 0, ran.stderr
    loaded: list[dict[str, Any]] = json.loads(ran.stdout)["spans"]
    return loaded


@pytest.mark.parametrize("service_name", ["demo-opentelemetry", "demo-openinference"])
def test_both_dialects_fill_the_same_columns(spans: list[dict[str, Any]], service_name: str) -> None:
    rows = [row for row in spans if row["service_name"] == service_name]
    root, *calls = rows
    assert (root["span_name"], root["usage_role"], root["parent_span_id"]) == ("answer a question", "none", None)
    assert [row["operation"] for row in calls] == ["chat", "chat", "chat", "embeddings", "chat"]
    assert {row["usage_role"] for row in calls} == {"call"}
    assert {row["provider"] for row in calls} == {"openai"}
    assert {row["environment"] for row in rows} == {"demo"}
    assert {row["parent_span_id"] for row in calls} == {root["span_id"]}
    for chat in calls[:3]:
        assert {name: chat[name] for name in CHAT_TOKENS} == CHAT_TOKENS
        assert chat["response_model"] == "gpt-5-mini-2026-08-07"
    assert [row["finish_reasons"] for row in calls[:3]] == [["stop"], ["stop"], ["tool_calls"]]
    assert (calls[3]["input_tokens"], calls[3]["output_tokens"]) == (6, None)
    assert [row["status_code"] == 2 for row in calls] == [False, False, False, False, True]


def test_messages_are_captured(spans: list[dict[str, Any]]) -> None:
    documents = [json.dumps(row["attributes"]) for row in spans]
    assert sum("What is a span?" in document for document in documents) >= 4


def test_promoted_attributes_live_in_their_column_only(spans: list[dict[str, Any]]) -> None:
    keys = {key for row in spans for key in row["attributes"]}
    assert "gen_ai.usage.input_tokens" not in keys
    assert "llm.token_count.prompt" in keys


def test_the_table_for_people(shared_service: Service) -> None:
    ran = run_demo("--endpoint", shared_service.endpoint, environment=shared_service.environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert "12 spans" in ran.stdout
    assert ran.stdout.count("120 in, 64 cached") == 6
    assert re.search(r"45 out, 16 reasoning +\d+\.\d ms", ran.stdout)


def test_no_service_is_said_clearly() -> None:
    ran = run_demo("--endpoint", f"127.0.0.1:{free_port()}")
    assert ran.returncode == 1
    assert "make run" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_wrong_database_is_said_clearly(shared_service: Service) -> None:
    nowhere = f"host=127.0.0.1 port={free_port()}"
    ran = run_demo("--endpoint", shared_service.endpoint, "--dsn", nowhere, environment=shared_service.environment)
    assert ran.returncode == 1
    assert "the database cannot be read" in ran.stderr
    assert "Traceback" not in ran.stderr


def examples() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "schema.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_sql_of_the_documentation_runs(shared_service: Service, spans: list[dict[str, Any]]) -> None:
    answers = []
    with psycopg.connect(shared_service.dsn(), autocommit=True) as connection:
        answers = [connection.execute(example.encode()).fetchall() for example in examples()]
    by_model = {row[0]: row[1:] for row in answers[0]}
    calls = sum(row["response_model"] == "gpt-5-mini-2026-08-07" for row in spans)
    assert by_model["gpt-5-mini-2026-08-07"][0] >= calls == 6
    assert {row[0] for row in answers[1]} >= {"demo-opentelemetry", "demo-openinference"}
