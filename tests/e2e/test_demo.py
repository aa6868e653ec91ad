"""The demo, as README.md and tutorial.md begin it, and the SQL of the documentation, against a running service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import DemoError
from demo.rows import read_back
from demo.watch import Sent
from tests.plugins.service import Service, free_port

ROOT = Path(__file__).parents[2]
CHAT_TOKENS = {"input_tokens": 120, "output_tokens": 45, "cache_read_tokens": 64, "reasoning_tokens": 16}
EVENT = "gen_ai.client.inference.operation.details"

pytestmark = pytest.mark.timeout(120)

Run = dict[str, list[dict[str, Any]]]


def run_demo(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the demo as `make demo` does. The shell's proxies and telemetry settings must not matter."""
    hostile = {"HTTP_PROXY": "http://192.0.2.1:1", "OTEL_SDK_DISABLED": "true", "OPENAI_BASE_URL": "http://192.0.2.1:1"}
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT, env={**(environment or os.environ), **hostile}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(shared_service: Service) -> Run:
    """The rows of one run of the demo."""
    ran = run_demo("--endpoint", shared_service.endpoint, "--json", environment=shared_service.environment)
    assert ran.returncode == 0, ran.stderr
    loaded: Run = json.loads(ran.stdout)
    return loaded


@pytest.fixture(scope="module")
def spans(run: Run) -> list[dict[str, Any]]:
    return run["spans"]


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


def test_log_records_belong_to_their_spans(run: Run) -> None:
    by_span = {row["span_id"]: row for row in run["spans"] if row["service_name"] == "demo-opentelemetry"}
    events = [row for row in run["logs"] if row["event_name"] == EVENT]
    assert [by_span[row["span_id"]]["operation"] for row in events] == ["chat"] * 4
    assert len({row["span_id"] for row in events}) == 4
    (line,) = [row for row in run["logs"] if row["event_name"] is None]
    assert (line["message"], line["level"]) == ("gpt-5-mini-2026-08-07 answered in 9 words", "INFO")
    assert by_span[line["span_id"]]["span_name"] == "answer a question"
    assert {row["trace_id"] for row in run["logs"]} == {line["trace_id"]}


def test_metrics_add_up_to_the_spans(run: Run) -> None:
    spans = [row for row in run["spans"] if row["service_name"] == "demo-opentelemetry"]
    tokens = [row for row in run["metrics"] if row["metric_name"] == "gen_ai.client.token.usage"]
    for kind, column in (("input", "input_tokens"), ("output", "output_tokens")):
        points = [row for row in tokens if row["labels"]["gen_ai.token.type"] == kind]
        assert sum(row["sum"] for row in points) == sum(row[column] or 0 for row in spans)
        assert sum(row["count"] for row in points) == sum(row[column] is not None for row in spans)
    durations = [row for row in run["metrics"] if row["metric_name"] == "gen_ai.client.operation.duration"]
    assert sum(row["count"] for row in durations) == sum(row["usage_role"] == "call" for row in spans)
    assert {(row["unit"], row["metric_type"]) for row in durations} == {("s", "histogram")}
    # The SDK keeps an exemplar of measurements inside a sampled span: a point leads to a trace.
    assert {row["trace_id"] for row in run["metrics"]} == {spans[0]["trace_id"]}


@pytest.mark.parametrize("service_name", ["demo-opentelemetry", "demo-openinference"])
def test_messages_are_captured_beside_the_spans(run: Run, service_name: str) -> None:
    content = [row for row in run["content"] if row["service_name"] == service_name]
    calls = {row["span_id"] for row in run["spans"] if row["service_name"] == service_name and row["usage_role"] == "call"}
    assert {row["span_id"] for row in content} <= calls
    assert {row["kind"] for row in content} >= {"input", "output", "tool_definitions"}
    assert sum("What is a span?" in row["body"] for row in content if row["kind"] == "input") >= 2
    assert all(len(row["body"].encode()) == row["original_length"] for row in content)
    assert "What is a span?" not in json.dumps([run["spans"], run["logs"]])


def test_messages_of_log_records_are_captured_beside_them(run: Run) -> None:
    records = {row["span_id"] for row in run["logs"] if row["event_name"] == EVENT}
    content = [row for row in run["content"] if row["carrier"].startswith("log_")]
    assert {row["span_id"] for row in content} == records
    assert {(row["kind"], row["carrier"]) for row in content} >= {("input", "log_attribute"), ("output", "log_attribute")}


def test_promoted_attributes_live_in_their_column_only(spans: list[dict[str, Any]]) -> None:
    keys = {key for row in spans for key in row["attributes"]}
    assert "gen_ai.usage.input_tokens" not in keys
    assert "llm.token_count.prompt" in keys


class Shown:
    """What one run printed for people, and SQL of its own to hold it against."""

    def __init__(self, printed: str, service: Service) -> None:
        self.printed = printed
        self.lines = [line.rstrip() for line in printed.splitlines()]
        self._service = service
        found = re.search(r"^trace (\w{32}), span (\w{16})$", printed, flags=re.MULTILINE)
        assert found is not None, printed
        self.trace_id, self.span_id = found.groups()

    def block(self, title: str) -> list[list[str]]:
        """The cells of a block's lines, those of its heading left out."""
        start = next(number for number, line in enumerate(self.lines) if line.startswith(title))
        rule = next(number for number in range(start, len(self.lines)) if "──" in self.lines[number])
        return [re.split(r" {2,}", line.strip()) for line in self.lines[rule + 1 : self.lines.index("", rule)]]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement about this call: `%(trace)s`, `%(span)s`."""
        with psycopg.connect(self._service.dsn(), autocommit=True) as connection:
            named = {"trace": self.trace_id, "span": bytes.fromhex(self.span_id)}
            return connection.execute(sql.encode(), named).fetchall()


@pytest.fixture(scope="module")
def shown(shared_service: Service) -> Shown:
    ran = run_demo("--endpoint", shared_service.endpoint, environment=shared_service.environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return Shown(ran.stdout, shared_service)


def texts(*values: object) -> list[str]:
    return ["-" if value is None else str(value) for value in values]


def test_the_table_for_people(shown: Shown) -> None:
    assert "12 spans (OpenTelemetry GenAI and OpenInference), 5 log records and 11 data points:" in shown.printed
    assert shown.printed.count("120 in, 64 cached") == 6
    assert re.search(r"45 out, 16 reasoning +\d+\.\d ms", shown.printed)
    assert max(map(len, shown.lines)) <= 100


def test_the_span_is_what_sql_says(shown: Shown) -> None:
    ((row),) = shown.query(
        "SELECT request_model, input_tokens, cache_read_tokens, duration_ms, finish_reasons[1],"
        " response_model, output_tokens, reasoning_tokens, ttft_ms, error_type"
        " FROM llm_traces WHERE trace_id = %(trace)s AND span_id = %(span)s"
    )
    (model, asked, cached, duration, finish), second = shown.block("llm_traces: the span")
    assert [model, asked, cached, finish] == texts(*row[:3], row[4])
    assert float(duration) == pytest.approx(row[3], rel=5e-3)
    assert second == texts(*row[5:])


def test_the_log_records_are_what_sql_says(shown: Shown) -> None:
    rows = shown.query(
        "SELECT to_char(log.timestamp AT TIME ZONE 'UTC', 'HH24:MI:SS.US'), log.level, log.event_name,"
        " coalesce(log.message, 'no body, ' || (SELECT count(*) FROM jsonb_object_keys(log.attributes)) || ' attributes')"
        " FROM llm_logs AS log WHERE trace_id = %(trace)s AND span_id IN (%(span)s,"
        " (SELECT parent_span_id FROM llm_traces WHERE trace_id = %(trace)s AND span_id = %(span)s)) ORDER BY 1"
    )
    assert len(rows) == 2
    lines = shown.block("llm_logs")
    assert lines[0::2] == [texts(time, level or None, event) for time, level, event, _ in rows]
    assert [line[1] for line in lines[1::2]] == [said for *_, said in rows]


def test_the_data_points_are_what_sql_says(shown: Shown) -> None:
    rows = shown.query(
        "SELECT point.metric_name, concat_ws(' ', unit, labels->>'gen_ai.token.type'), count, sum, sum / count"
        " FROM llm_metrics AS point JOIN metric_labels AS series USING (tenant, series_id)"
        " JOIN llm_traces AS span ON span.trace_id = %(trace)s AND span.span_id = %(span)s"
        " WHERE point.trace_id = %(trace)s AND labels->>'gen_ai.response.model' = response_model"
        " AND labels->>'openai.response.service_tier' = service_tier ORDER BY 1, 2"
    )
    lines = shown.block("llm_metrics")
    assert [line[:3] + line[5:] for line in lines] == [[*texts(*row[:3]), "this trace"] for row in rows]
    assert [row[0].rpartition(".")[2] for row in rows] == ["duration", "usage", "usage"]
    for line, row in zip(lines, rows, strict=True):
        assert [float(cell) for cell in line[3:5]] == pytest.approx(row[3:], rel=5e-3)


def test_what_was_said_is_what_sql_says(shown: Shown) -> None:
    rows = shown.query(
        "SELECT kind, carrier, original_length, body FROM llm_content"
        " WHERE trace_id = %(trace)s AND span_id = %(span)s ORDER BY timestamp, kind"
    )
    # The instrumentation writes the same messages to the span and to a log record.
    pairs = {(kind, carrier) for kind in ("input", "output") for carrier in ("span_attribute", "log_attribute")}
    assert {(kind, carrier) for kind, carrier, *_ in rows} >= pairs
    lines = shown.block("llm_content")
    assert [line[:3] for line in lines] == [texts(*row[:3]) for row in rows]
    for line, (*_, body) in zip(lines, rows, strict=True):
        assert len(line[3]) > 40
        assert body.startswith(line[3].removesuffix("…"))


def test_the_numbers_for_prices_are_what_sql_says(shown: Shown) -> None:
    ((row),) = shown.query(
        "SELECT response_model, service_tier, input_tokens - cache_read_tokens, cache_read_tokens, cache_write_tokens,"
        " output_tokens - reasoning_tokens, reasoning_tokens"
        " FROM llm_traces WHERE trace_id = %(trace)s AND span_id = %(span)s"
    )
    assert shown.block("llm_traces: what a price list") == [texts(*row)]
    assert row[2:] == (56, 64, None, 29, 16)


def test_the_attributes_are_what_sql_says(shown: Shown) -> None:
    ((attributes,),) = shown.query("SELECT attributes FROM llm_traces WHERE trace_id = %(trace)s AND span_id = %(span)s")
    assert json.loads(shown.printed.rpartition("no column of its own\n")[2]) == attributes


@pytest.mark.parametrize(
    "signal, key, said",
    [
        ("spans", ("f" * 32, "1" * 16), f"1 of 1 acknowledged spans are not in llm_traces.*trace {'f' * 32}, span {'1' * 16}"),
        ("logs", ("f" * 32, "1" * 16, 5), f"1 of 1 acknowledged log records are not in llm_logs.*trace {'f' * 32}"),
        ("points", ("gen_ai.x", 10**18, "{}"), "1 of 1 acknowledged data points are not in llm_metrics.*metric gen_ai.x"),
    ],
)
def test_what_has_no_row_is_said(shared_service: Service, signal: str, key: tuple[str | int, ...], said: str) -> None:
    sent = Sent()
    getattr(sent, signal).acknowledged.append(key)
    with pytest.raises(DemoError, match=said):
        read_back(shared_service.dsn(), sent, datetime.now(UTC) - timedelta(minutes=1), wait_seconds=0)


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


def examples(section: str) -> list[str]:
    text = (ROOT / "docs" / "schema.md").read_text(encoding="utf-8").partition(section)[2]
    return re.findall(r"```sql[^\n]*\n(.*?)```", text, flags=re.DOTALL)


def test_the_sql_of_the_documentation_runs(shared_service: Service, spans: list[dict[str, Any]]) -> None:
    with psycopg.connect(shared_service.dsn(), autocommit=True) as connection:
        for example in examples("# The database"):
            connection.execute(example.encode())
        answers = [connection.execute(example.encode()).fetchall() for example in examples("## Examples")]
    by_model = {row[0]: row[1:] for row in answers[0]}
    calls = sum(row["response_model"] == "gpt-5-mini-2026-08-07" for row in spans)
    assert by_model["gpt-5-mini-2026-08-07"][0] >= calls == 6
    assert {row[0] for row in answers[1]} >= {"demo-opentelemetry", "demo-openinference"}
