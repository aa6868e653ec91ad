"""`llm-observatory query …` and `tail` against a server that answers with what the tests say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData
from typer.testing import CliRunner, Result

from llm_observatory.api.v1 import log_query_service_pb2 as logs_pb
from llm_observatory.api.v1 import log_query_service_pb2_grpc as logs_grpc
from llm_observatory.api.v1 import metric_query_service_pb2 as metrics_pb
from llm_observatory.api.v1 import metric_query_service_pb2_grpc as metrics_grpc
from llm_observatory.api.v1 import trace_query_service_pb2 as traces_pb
from llm_observatory.api.v1 import trace_query_service_pb2_grpc as traces_grpc
from llm_observatory.api.v1 import usage_query_service_pb2 as usage_pb
from llm_observatory.api.v1 import usage_query_service_pb2_grpc as usage_grpc
from llm_observatory.api.v1.source_pb2 import Source
from llm_observatory.app.cli import cli
from tests.plugins.service import free_port

HOUR = 3600 * 10**9
START = 1_700_000_000 * 10**9
TRACE = bytes(range(16))


class Server:
    """Answers each method with what lies under its name, one after the other, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[Any] = []

    def __getattr__(self, method: str) -> Any:
        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            self.asked.append(request)
            found = self.answers[method].pop(0)
            if isinstance(found, grpc.StatusCode):
                context.abort(found, "a reason")
            return iter(found) if isinstance(found, list) else found

        return answer


class Asking:
    """The command line, and the server it asks."""

    def __init__(self, server: Server, endpoint: str) -> None:
        self.server = server
        self.endpoint = endpoint

    def run(self, command: str, **answers: Any) -> Result:
        """Run `command`; keywords are what methods answer with."""
        self.server.answers = {name: answer if isinstance(answer, list) else [answer] for name, answer in answers.items()}
        self.server.asked = []
        return CliRunner().invoke(cli, [*command.split(), "--endpoint", self.endpoint])


@pytest.fixture(scope="module")
def running() -> Iterator[Asking]:
    answering: Any = Server()
    server = grpc.server(ThreadPoolExecutor(4))
    traces_grpc.add_TraceQueryServiceServicer_to_server(answering, server)
    logs_grpc.add_LogQueryServiceServicer_to_server(answering, server)
    metrics_grpc.add_MetricQueryServiceServicer_to_server(answering, server)
    usage_grpc.add_UsageQueryServiceServicer_to_server(answering, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Asking(answering, f"127.0.0.1:{port}")
    server.stop(None).wait(5)


@pytest.fixture
def asking(running: Asking, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return running


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def span(number: int, parent: int = 0, **fields: Any) -> Span:
    return Span(
        trace_id=TRACE, span_id=bytes([number] * 8), parent_span_id=bytes([parent] * 8) if parent else b"",
        start_time_unix_nano=START + number * 10**6, end_time_unix_nano=START + number * 10**6 + 1_500_000_000, **fields,
    )  # fmt: skip


def data(*spans: Span) -> traces_pb.GetTraceResponse:
    resource = Resource(attributes=[text("service.name", "chat-api")])
    return traces_pb.GetTraceResponse(
        traces=TracesData(resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])])
    )


def found_span(**fields: Any) -> traces_pb.FoundSpan:
    return traces_pb.FoundSpan(summary=traces_pb.SpanSummary(trace_id=TRACE, start_time_unix_nano=START, **fields))


MODEL_CALL = span(
    2, 1, name="chat", status=Status(code=Status.STATUS_CODE_ERROR, message="rate limit\x1b[2J"),
    attributes=[
        text("gen_ai.response.model", "gpt-4o"), KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=321)),
    ],
)  # fmt: skip


def test_a_trace_is_a_tree(asking: Asking) -> None:
    chunks = [data(MODEL_CALL), data(span(1, name="request"), span(3, 2, name="tool"))]
    result = asking.run(f"query trace {TRACE.hex()}", GetTrace=[chunks])
    assert result.exit_code == 0
    top, request, chat, tool = (line for line in result.stdout.splitlines() if line.strip())
    assert top.startswith("3 spans, 1.50 s, began 2023-11-14")
    assert "request  chat-api  1.50 s at +0 µs" in request
    assert "gpt-4o  321 → ? tokens  ERROR rate limit" in chat
    assert [line.index(name) for line, name in ((request, "request"), (chat, "chat"), (tool, "tool"))] == [4, 8, 12]
    assert "\x1b" not in result.stdout
    assert asking.server.asked[0].omit_content


@pytest.mark.parametrize("spans", [
    [span(1, 2, name="a"), span(2, 1, name="b")], [span(1, 1, name="a"), span(2, 9, name="b")],
    [span(1, name="a"), span(1, name="a"), span(2, 1, name="b")],
], ids=["a circle", "its own parent, and a lost one", "twice"])  # fmt: skip
def test_every_span_is_shown_once_whatever_its_parents(asking: Asking, spans: list[Span]) -> None:
    shown = asking.run(f"query trace {TRACE.hex()}", GetTrace=[[data(*spans)]]).stdout
    assert shown.startswith("2 spans")
    assert [shown.count(f"── {name}  chat-api") for name in ("a", "b")] == [1, 1]


def test_a_trace_as_otlp_json(asking: Asking) -> None:
    result = asking.run(f"query trace {TRACE.hex()} --json", GetTrace=[[data(MODEL_CALL), data(span(1, name="request"))]])
    scopes = [resource["scopeSpans"] for resource in json.loads(result.stdout)["resourceSpans"]]
    spans = [one for (scope,) in scopes for one in scope["spans"]]
    assert [one["spanId"] for one in spans] == ["02" * 8, "01" * 8]
    assert spans[0]["traceId"] == TRACE.hex()
    assert spans[0]["status"]["code"] == 2
    assert spans[0]["startTimeUnixNano"] == str(START + 2 * 10**6)
    assert not asking.server.asked[0].omit_content


def test_options_become_conditions(asking: Asking) -> None:
    command = (
        "query traces --since 2h --service a --service b --attr region=eu --attr retries=3 --attr cached --min-duration 500ms"
        " --errors --entry --model m --user u --conversation c --sort slowest --limit 7"
    )
    result = asking.run(command, SearchTraces=traces_pb.SearchTracesResponse())
    assert (result.exit_code, result.stdout.strip()) == (0, "No such spans in this range: look further back with --since.")
    (request,) = asking.server.asked
    assert request.time_range.end_time_unix_nano - request.time_range.start_time_unix_nano == 2 * HOUR
    region, retries, cached = request.attributes
    assert [value.string_value for value in getattr(region, "in").values] == ["eu"]
    assert [value.WhichOneof("value") for value in getattr(retries, "in").values] == [
        "string_value",
        "int_value",
        "double_value",
    ]
    assert cached.exists
    assert (request.service_names, request.min_duration_nano, request.page_size) == (["a", "b"], 500_000_000, 7)
    assert (request.status_codes, request.entry_spans_only) == ([Status.STATUS_CODE_ERROR], True)
    assert (request.model, request.user_id, request.conversation_id) == ("m", "u", "c")
    assert request.order == traces_pb.TRACE_ORDER_SLOWEST


def test_spans_line_up_and_pages_are_fetched_up_to_the_limit(asking: Asking) -> None:
    one = found_span(service_name="chat-api", span_name="chat", duration_nano=12_345_678, input_tokens=1234, cost_usd=0.0123)
    two = found_span(service_name="chat-api", span_name="a\x1b[31m\nline", duration_nano=3 * 10**9)
    pages = [
        traces_pb.SearchTracesResponse(spans=[one], next_page_token="t"),
        traces_pb.SearchTracesResponse(spans=[two], next_page_token="u"),
    ]
    result = asking.run("query traces --limit 2", SearchTraces=pages)
    title, first, second = result.stdout.splitlines()
    assert TRACE.hex() in first
    assert ("1,234" in first, "$0.0123" in first) == (True, True)
    assert "\x1b" not in second
    assert title.index("duration") + len("duration") == first.index("12.3 ms") + 7 == second.index("3.00 s") + 6
    assert [request.page_token for request in asking.server.asked] in (["", "t"], ["t", "u"])
    assert "There are more spans: --limit" in result.stderr


def test_places_of_sources_move_with_their_page(asking: Asking) -> None:
    pages = [
        logs_pb.SearchLogsResponse(
            logs=[logs_pb.FoundLog(service_name=name)], sources=[Source(resource_schema_url=name)], next_page_token=token
        )
        for name, token in (("a", "t"), ("b", ""))
    ]
    found = json.loads(asking.run("query logs --json", SearchLogs=pages).stdout)
    assert [found["sources"][log.get("sourceIndex", 0)]["resourceSchemaUrl"] for log in found["logs"]] == ["a", "b"]
    assert "nextPageToken" not in found


def test_usage_alone_is_the_last_day_by_service_provider_and_model(asking: Asking) -> None:
    usage = usage_pb.Usage(call_count=1200, input_tokens=5_000_000, cost_usd=12.5, duration_ms_p95=1500)
    answer = usage_pb.GetUsageResponse(rows=[usage_pb.UsageRow(group=["chat-api", "openai", "gpt-4o"], usage=usage)])
    title, row = asking.run("query usage", GetUsage=answer).stdout.splitlines()
    (request,) = asking.server.asked
    assert request.time_range.end_time_unix_nano - request.time_range.start_time_unix_nano == 24 * HOUR
    assert request.group_by == [usage_pb.USAGE_GROUP_SERVICE, usage_pb.USAGE_GROUP_PROVIDER, usage_pb.USAGE_GROUP_MODEL]
    assert title.split()[:3] == ["service", "provider", "model"]
    assert row.split() == ["chat-api", "openai", "gpt-4o", "1,200", "0", "5,000,000", "$12.50", "1.50", "s"]


def test_the_other_verbs(asking: Asking) -> None:
    services = traces_pb.ListServicesResponse(services=[traces_pb.ServiceSummary(service_name="chat-api", span_count=7)])
    assert "chat-api" in asking.run("query services", ListServices=services).stdout
    listed = metrics_pb.ListMetricsResponse(
        metrics=[metrics_pb.MetricSummary(metric_name="depth", type=metrics_pb.METRIC_TYPE_GAUGE)]
    )
    assert "gauge" in asking.run("query metrics", ListMetrics=listed).stdout
    series = metrics_pb.RangeSeries(
        attributes=[text("queue", "mail")], points=[metrics_pb.RangePoint(start_time_unix_nano=START, value=2.5)]
    )
    values = metrics_pb.QueryRangeResponse(
        metric=metrics_pb.MetricSummary(unit="ms"), aggregation=metrics_pb.AGGREGATION_AVG, series=[series]
    )
    shown = asking.run("query metrics depth --by queue", QueryRange=values).stdout
    assert ("avg, ms" in shown, "queue=mail" in shown, "2.5" in shown) == (True, True, True)
    summary = usage_pb.ConversationSummary(conversation_id="c-1", user_ids=["ada"], last_time_unix_nano=START)
    listing = usage_pb.ListConversationsResponse(conversations=[summary])
    assert "c-1" in asking.run("query conversations", ListConversations=listing).stdout
    turn = usage_pb.Turn(
        operation="chat", model="gpt-4o", content=[usage_pb.ContentItem(kind="input", body="Hi\x1b[2J\nthere")]
    )
    shown = asking.run("query conversation c-1", GetConversation=[[usage_pb.GetConversationResponse(turns=[turn])]]).stdout
    assert [line.strip() for line in shown.splitlines()][1:] == ["input", "Hi [2J", "there"]


def test_tail_prints_as_they_come(asking: Asking) -> None:
    record = LogRecord(body=AnyValue(string_value="disk full\x07"))
    found = logs_pb.FoundLog(service_name="chat-api", level="ERROR", time_unix_nano=START, record=record)
    parts = [logs_pb.TailLogsResponse(), logs_pb.TailLogsResponse(logs=[found]), logs_pb.TailLogsResponse(logs=[found])]
    lines = asking.run("tail --level warn", TailLogs=[list(parts)]).stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("ERROR chat-api disk full ")
    assert asking.server.asked[0].selection.min_severity == 13
    lines = asking.run("tail --json", TailLogs=[list(parts)]).stdout.splitlines()
    assert [json.loads(line)["level"] for line in lines] == ["ERROR", "ERROR"]


@pytest.mark.parametrize("code, advice", [
    (grpc.StatusCode.INVALID_ARGUMENT, "Change what it names"), (grpc.StatusCode.NOT_FOUND, "Look at the id"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "Ask for less"), (grpc.StatusCode.DEADLINE_EXCEEDED, "QUERY_TIMEOUT"),
    (grpc.StatusCode.UNAVAILABLE, "Try again"), (grpc.StatusCode.INTERNAL, "Look at the log"),
], ids=lambda value: value.name if isinstance(value, grpc.StatusCode) else "")  # fmt: skip
def test_a_refusal_is_a_sentence_and_what_to_do_next(asking: Asking, code: grpc.StatusCode, advice: str) -> None:
    result = asking.run("query usage", GetUsage=code)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: a reason. ")
    assert advice in result.stderr


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for name in [name for name in os.environ if name.startswith("OTLP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("QUERY_PORT", str(port))
    result = CliRunner().invoke(cli, ["query", "usage"])
    assert result.exit_code == 1
    assert f"nobody answers at 127.0.0.1:{port}" in result.stderr
    assert "llm-observatory serve" in result.stderr


@pytest.mark.parametrize("command, word", [
    ("query traces --since soon", "is not a duration"), ("query traces --from yesterday", "is no time"),
    ("query traces --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z", "is not before --to"),
    ("query traces --attr =x", "has no key"), ("query trace zz", "is no trace id"), ("query usage --by colour", "is none of"),
    ("query logs --level loud", "is none of"), ("query traces --limit 0", "--limit"),
])  # fmt: skip
def test_what_cannot_be_meant_is_said_before_anything_is_asked(asking: Asking, command: str, word: str) -> None:
    result = asking.run(command)
    assert result.exit_code == 2
    assert word in " ".join(result.stderr.replace("│", " ").split())
    assert asking.server.asked == []
