"""`python -m dashboards.traffic`: telemetry of an LLM team for a running service, and questions to it, to see dashboards live.

Four services with agents, users and models of several providers, one of which nobody knows the price of; some calls fail, some
requests come twice, some records are wrong. The first requests tell of the last hours, the others of now.
"""

from __future__ import annotations

import argparse
import math
import random
import time
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from llm_observatory.api.v1 import log_query_service_pb2 as logs_pb
from llm_observatory.api.v1 import metric_query_service_pb2 as metrics_pb
from llm_observatory.api.v1 import trace_query_service_pb2 as traces_pb
from llm_observatory.api.v1 import usage_query_service_pb2 as usage_pb
from llm_observatory.api.v1.log_query_service_pb2_grpc import LogQueryServiceStub
from llm_observatory.api.v1.metric_query_service_pb2_grpc import MetricQueryServiceStub
from llm_observatory.api.v1.selection_pb2 import TimeRange
from llm_observatory.api.v1.trace_query_service_pb2_grpc import TraceQueryServiceStub
from llm_observatory.api.v1.usage_query_service_pb2_grpc import UsageQueryServiceStub

SECOND, HOUR = 1_000_000_000, 3_600_000_000_000
PAUSE_SECONDS = 1.5

TRACES: Any = TraceServiceStub
METRICS: Any = MetricsServiceStub
LOGS: Any = LogsServiceStub
"""Their types are unknown."""


class Model(NamedTuple):
    """How a model answers: seconds to the first chunk, output tokens a second."""

    provider: str
    name: str
    first_chunk: float
    per_second: float


class App(NamedTuple):
    """A service: its agent, the models it asks with their weights, tokens in and out, and how often a call fails."""

    service: str
    environment: str
    agent: str
    models: Mapping[str, int]
    input_tokens: int
    output_tokens: int
    fails: float
    users: int


MODELS = {
    model.name: model
    for model in (
        Model("openai", "gpt-5-mini", 0.35, 90),
        Model("openai", "gpt-5", 0.9, 55),
        Model("anthropic", "claude-sonnet-4-5", 0.7, 70),
        Model("anthropic", "claude-haiku-4-5", 0.3, 140),
        Model("gcp.vertex_ai", "gemini-2.5-flash", 0.25, 180),
        Model("in-house", "house-llama-70b", 0.5, 40),
    )
}
APPS = (
    App("support-chat", "production", "support", {"gpt-5-mini": 6, "claude-haiku-4-5": 3}, 1_800, 220, 0.01, 40),
    App("document-search", "production", "researcher", {"gemini-2.5-flash": 5, "gpt-5": 1}, 9_000, 380, 0.02, 25),
    App("code-review", "production", "reviewer", {"claude-sonnet-4-5": 4, "gpt-5": 2}, 14_000, 900, 0.03, 12),
    App("nightly-summaries", "staging", "summariser", {"house-llama-70b": 3, "gemini-2.5-flash": 1}, 6_000, 500, 0.08, 1),
)
ERRORS = ("rate_limit_exceeded", "timeout", "context_length_exceeded")


def attributes(items: Mapping[str, Any]) -> list[KeyValue]:
    """As OTLP has them."""
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    return [KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value})) for key, value in items.items()]


def _resource(app: App) -> Resource:
    return Resource(attributes=attributes({"service.name": app.service, "deployment.environment.name": app.environment}))


class Traffic:
    """Requests, the same for a seed but for their time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  no secret

    def traces(self, app: App, at: int, count: int) -> ExportTraceServiceRequest:
        """Conversations of an agent that end at `at` (nanoseconds), with their calls."""
        spans = [span for _ in range(count) for span in self._trace(app, at)]
        return ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=_resource(app), scope_spans=[ScopeSpans(spans=spans)])]
        )

    def _trace(self, app: App, at: int) -> list[Span]:
        draw = self._random
        trace_id, root_id = draw.randbytes(16), draw.randbytes(8)
        user = f"user-{min(int(draw.expovariate(3 / app.users)), app.users - 1) + 1:02}"
        now, spans = 0, []
        for _ in range(1 + int(draw.expovariate(0.8))):
            call = self._call(app, now, user)
            call.span_id, call.parent_span_id = draw.randbytes(8), root_id
            now = call.end_time_unix_nano + draw.randrange(SECOND // 5)
            spans.append(call)
        said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": app.agent, "user.id": user}
        root = Span(
            span_id=root_id,
            name=f"invoke_agent {app.agent}",
            kind=Span.SPAN_KIND_SERVER,
            end_time_unix_nano=now,
            attributes=attributes(said),
        )
        begin = at - now - draw.randrange(30 * SECOND)
        for span in (*spans, root):
            span.trace_id = trace_id
            span.start_time_unix_nano += begin
            span.end_time_unix_nano += begin
        return [*spans, root]

    def _call(self, app: App, begin: int, user: str) -> Span:
        draw = self._random
        model = MODELS[draw.choices(list(app.models), list(app.models.values()))[0]]
        tokens = int(app.input_tokens * draw.lognormvariate(0, 0.6))
        answer = max(1, int(app.output_tokens * draw.lognormvariate(0, 0.7)))
        first = model.first_chunk * draw.lognormvariate(0, 0.35)
        said: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": model.provider,
            "gen_ai.request.model": model.name,
            "gen_ai.agent.name": app.agent,
            "user.id": user,
        }
        failed = draw.random() < app.fails
        if failed:
            said["error.type"] = draw.choices(ERRORS, (6, 3, 1))[0]
            took = first
        else:
            said |= {
                "gen_ai.response.model": model.name,
                "gen_ai.usage.input_tokens": tokens,
                "gen_ai.usage.output_tokens": answer,
                "gen_ai.usage.cache_read.input_tokens": int(tokens * draw.choice((0, 0, 0.5, 0.8))),
                "gen_ai.request.stream": True,
                "gen_ai.response.time_to_first_chunk": first,
            }
            took = first + answer / model.per_second
        return Span(
            name=f"chat {model.name}",
            kind=Span.SPAN_KIND_CLIENT,
            attributes=attributes(said),
            start_time_unix_nano=begin,
            end_time_unix_nano=begin + int(took * SECOND),
            status=Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET),
        )

    def logs(self, app: App, at: int, count: int) -> ExportLogsServiceRequest:
        """What the service writes; one record in two hundred is from a clock that is a year behind, and is rejected."""
        draw = self._random
        records = [
            LogRecord(
                time_unix_nano=at - (365 * 24 * HOUR if draw.random() < 0.005 else draw.randrange(SECOND)),
                severity_number=SeverityNumber.SEVERITY_NUMBER_WARN
                if draw.random() < 0.05
                else SeverityNumber.SEVERITY_NUMBER_INFO,
                body=AnyValue(string_value=f"answered {app.agent} request {draw.randrange(10**6)}"),
            )
            for _ in range(count)
        ]
        return ExportLogsServiceRequest(
            resource_logs=[ResourceLogs(resource=_resource(app), scope_logs=[ScopeLogs(log_records=records)])]
        )

    def metrics(self, app: App, at: int, count: int) -> ExportMetricsServiceRequest:
        """How long the queues of its workers are."""
        points = [
            NumberDataPoint(time_unix_nano=at, as_int=self._random.randrange(40), attributes=attributes({"worker": number}))
            for number in range(count)
        ]
        queue = Metric(name="app.queue.length", unit="{request}", gauge=Gauge(data_points=points))
        return ExportMetricsServiceRequest(
            resource_metrics=[ResourceMetrics(resource=_resource(app), scope_metrics=[ScopeMetrics(metrics=[queue])])]
        )


class Driver:
    """Sends over gRPC and HTTP, and asks questions. Nothing is retried: what is refused shows."""

    def __init__(self, otlp: str, http: str, query: str, seed: int = 1) -> None:
        self._traffic, self._random = Traffic(seed), random.Random(seed)  # noqa: S311  no secret
        self._http = http.rstrip("/")
        self._sends, self._asks = grpc.insecure_channel(otlp), grpc.insecure_channel(query)

    def close(self) -> None:
        """End the connections."""
        self._sends.close()
        self._asks.close()

    def tell_of(self, hours: float, requests: int) -> None:
        """Traces of the last hours, with the ups and downs of a day."""
        now = time.time_ns()
        for number in range(requests):
            ago = hours * HOUR * (1 - number / requests)
            at = now - int(ago)
            for app in APPS:
                busy = 1 + math.sin(at / HOUR * math.pi / 3 + len(app.service)) * 0.7
                count = max(1, int(busy * self._random.uniform(10, 22)))
                TRACES(self._sends).Export(self._traffic.traces(app, at, count), timeout=30)

    def round(self) -> None:
        """One request of each signal for each service, some of them over HTTP or twice, and one question of each kind."""
        for app in APPS:
            at = time.time_ns()
            traces = self._traffic.traces(app, at, self._random.randint(1, 4))
            self._export(TRACES(self._sends), "traces", traces)
            if self._random.random() < 0.1:
                TRACES(self._sends).Export(traces, timeout=30)
            self._export(LOGS(self._sends), "logs", self._traffic.logs(app, at, self._random.randint(2, 20)))
            self._export(METRICS(self._sends), "metrics", self._traffic.metrics(app, at, 8))
        self._ask()

    def _export(self, stub: Any, signal: str, request: Any) -> None:
        if self._random.random() < 0.7:
            stub.Export(request, timeout=30)
            return
        body, headers = request.SerializeToString(), {"Content-Type": "application/x-protobuf"}
        urllib.request.urlopen(urllib.request.Request(f"{self._http}/v1/{signal}", body, headers), timeout=30).close()  # noqa: S310

    def _ask(self) -> None:
        now = time.time_ns()
        hour = TimeRange(start_time_unix_nano=now - HOUR, end_time_unix_nano=now)
        whole = TimeRange(start_time_unix_nano=now // HOUR * HOUR - 3 * HOUR, end_time_unix_nano=now // HOUR * HOUR)
        traces, usage = TraceQueryServiceStub(self._asks), UsageQueryServiceStub(self._asks)
        found = traces.SearchTraces(traces_pb.SearchTracesRequest(time_range=hour, page_size=20), timeout=30)
        for span in found.spans[:1]:
            list(traces.GetTrace(traces_pb.GetTraceRequest(trace_id=span.summary.trace_id), timeout=30))
        traces.ListServices(traces_pb.ListServicesRequest(time_range=hour), timeout=30)
        by_model = [usage_pb.USAGE_GROUP_MODEL]
        for time_range in (hour, whole):
            usage.GetUsage(usage_pb.GetUsageRequest(time_range=time_range, group_by=by_model), timeout=30)
        LogQueryServiceStub(self._asks).SearchLogs(logs_pb.SearchLogsRequest(time_range=hour, page_size=50), timeout=30)
        metrics = MetricQueryServiceStub(self._asks)
        metrics.ListMetrics(metrics_pb.ListMetricsRequest(time_range=hour), timeout=30)
        metrics.QueryRange(
            metrics_pb.QueryRangeRequest(time_range=hour, metric_name="app.queue.length", step_nano=60 * SECOND), timeout=30
        )
        if self._random.random() < 0.1:
            self._ask_what_is_refused(traces)

    @staticmethod
    def _ask_what_is_refused(traces: TraceQueryServiceStub) -> None:
        try:
            traces.SearchTraces(traces_pb.SearchTracesRequest(page_token="of nobody"), timeout=30)  # noqa: S106  no secret
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.traffic", description=__doc__)
    parser.add_argument("--otlp", default="127.0.0.1:4317", metavar="HOST:PORT", help="OTLP over gRPC (%(default)s)")
    parser.add_argument("--http", default="http://127.0.0.1:4318", metavar="URL", help="OTLP over HTTP (%(default)s)")
    parser.add_argument("--query", default="127.0.0.1:8080", metavar="HOST:PORT", help="the query port (%(default)s)")
    parser.add_argument("--hours", type=float, default=6, help="how far back the first requests tell (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="how long it goes on (%(default)s)")
    given = parser.parse_args()
    driver = Driver(given.otlp, given.http, given.query)
    driver.tell_of(given.hours, 1_200)
    end = time.monotonic() + given.minutes * 60
    while time.monotonic() < end:
        driver.round()
        time.sleep(PAUSE_SECONDS)
    driver.close()


if __name__ == "__main__":
    main()
