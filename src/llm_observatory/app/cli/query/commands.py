"""The verbs of `query`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar

import typer
from google.protobuf.message import Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from llm_observatory.api.v1 import log_query_service_pb2 as logs_pb
from llm_observatory.api.v1 import metric_query_service_pb2 as metrics_pb
from llm_observatory.api.v1 import trace_query_service_pb2 as traces_pb
from llm_observatory.api.v1 import usage_query_service_pb2 as usage_pb
from llm_observatory.api.v1.log_query_service_pb2_grpc import LogQueryServiceStub
from llm_observatory.api.v1.metric_query_service_pb2_grpc import MetricQueryServiceStub
from llm_observatory.api.v1.trace_query_service_pb2_grpc import TraceQueryServiceStub
from llm_observatory.api.v1.usage_query_service_pb2_grpc import UsageQueryServiceStub
from llm_observatory.app.cli.query import shown
from llm_observatory.app.cli.query import tables as made
from llm_observatory.app.cli.query.asking import asking
from llm_observatory.app.cli.query.following import log_selection
from llm_observatory.app.cli.query.options import (
    Attributes,
    Endpoint,
    From,
    Json,
    Limit,
    Models,
    Services,
    Since,
    To,
    Users,
    conditions,
    duration,
    time_range,
    trace_id,
)
from llm_observatory.app.cli.query.trace import tree

CALL_SECONDS = 120.0
"""The longest a call may take; QUERY_TIMEOUT of the server is meant to be shorter."""
MAX_PAGE = 1000
HOUR, DAY = "1h", "24h"

Answer = TypeVar("Answer", bound=Message)
USAGE_GROUPS = {name.removeprefix("USAGE_GROUP_").lower(): number for name, number in usage_pb.UsageGroup.items() if number}

verbs = typer.Typer()


@verbs.command()
def traces(
    since: Since = HOUR,
    begin: From = "",
    end: To = "",
    service: Services = [],
    attr: Attributes = [],
    name: Annotated[list[str], typer.Option("--name", help="Only spans of this name.")] = [],
    min_duration: Annotated[str, typer.Option("--min-duration", help="Only spans that took as long, such as 500ms.")] = "",
    max_duration: Annotated[str, typer.Option("--max-duration", help="Only spans that took no longer.")] = "",
    model: Annotated[str, typer.Option("--model", help="Only calls of this model.")] = "",
    user: Annotated[str, typer.Option("--user", help="Only of this user.")] = "",
    agent: Annotated[str, typer.Option("--agent", help="Only of this agent.")] = "",
    conversation: Annotated[str, typer.Option("--conversation", help="Only of this conversation.")] = "",
    sort: Annotated[Literal["newest", "slowest", "costliest"], typer.Option("--sort", help="Which come first.")] = "newest",
    limit: Limit = 20,
    endpoint: Endpoint = "",
    *,
    errors: Annotated[bool, typer.Option("--errors", help="Only spans that failed.")] = False,
    entry: Annotated[bool, typer.Option("--entry", help="Only requests to a service.")] = False,
    as_json: Json = False,
) -> None:
    """Find spans; the newest of the last hour first, unless options say otherwise."""
    request = traces_pb.SearchTracesRequest(
        time_range=time_range(since, begin, end),
        service_names=service,
        span_names=name,
        status_codes=[Status.STATUS_CODE_ERROR] if errors else [],
        min_duration_nano=duration(min_duration, "--min-duration"),
        max_duration_nano=duration(max_duration, "--max-duration"),
        entry_spans_only=entry,
        attributes=conditions(attr),
        conversation_id=conversation,
        user_id=user,
        agent_name=agent,
        model=model,
        order=traces_pb.TraceOrder.Value(f"TRACE_ORDER_{sort.upper()}"),
        include_spans=as_json,
    )
    with asking(endpoint) as channel:
        answer = _pages(TraceQueryServiceStub(channel).SearchTraces, request, "spans", limit)
    _print(answer, made.spans, as_json=as_json, rest="spans")


@verbs.command()
def trace(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The trace id, 32 hexadecimal digits.")],
    endpoint: Endpoint = "",
    *,
    omit_content: Annotated[bool, typer.Option("--omit-content", help="Leave out what was said.")] = False,
    as_json: Json = False,
) -> None:
    """Show one trace as a tree, with durations, models, tokens, cost as reported, errors."""
    # A tree does not show what was said.
    request = traces_pb.GetTraceRequest(trace_id=trace_id(identity), omit_content=omit_content or not as_json)
    with asking(endpoint) as channel:
        chunks = [part.traces for part in TraceQueryServiceStub(channel).GetTrace(request, timeout=CALL_SECONDS)]
    if as_json:
        whole = TracesData(resource_spans=[resource for chunk in chunks for resource in chunk.resource_spans])
        typer.echo(json.dumps(shown.as_json(whole), ensure_ascii=False))
    else:
        shown.console().print(tree(chunks))


@verbs.command()
def logs(
    text: Annotated[str, typer.Argument(help="Words that the message or body contains.")] = "",
    since: Since = HOUR,
    begin: From = "",
    end: To = "",
    service: Services = [],
    attr: Attributes = [],
    level: Annotated[str, typer.Option("--level", help="At least this severe: trace, debug, info, warn, error, fatal.")] = "",
    of_trace: Annotated[str, typer.Option("--trace", help="Only of this trace.")] = "",
    limit: Limit = 100,
    endpoint: Endpoint = "",
    *,
    as_json: Json = False,
) -> None:
    """Find log records by words and conditions."""
    request = logs_pb.SearchLogsRequest(
        time_range=time_range(since, begin, end), selection=log_selection(text, service, attr, level, of_trace)
    )
    with asking(endpoint) as channel:
        answer = _pages(LogQueryServiceStub(channel).SearchLogs, request, "logs", limit)
    _print(answer, made.logs, as_json=as_json, rest="records")


@verbs.command()
def services(since: Since = DAY, begin: From = "", end: To = "", endpoint: Endpoint = "", *, as_json: Json = False) -> None:
    """List the services that sent spans, by default in the last 24 hours."""
    request = traces_pb.ListServicesRequest(time_range=time_range(since, begin, end))
    with asking(endpoint) as channel:
        answer = TraceQueryServiceStub(channel).ListServices(request, timeout=CALL_SECONDS)
    _print(answer, made.services, as_json=as_json)


@verbs.command()
def metrics(
    name: Annotated[str, typer.Argument(help="A metric: its values; without one the metrics there are.")] = "",
    since: Since = HOUR,
    begin: From = "",
    end: To = "",
    service: Annotated[str, typer.Option("--service", help="Only of this service.")] = "",
    attr: Attributes = [],
    step: Annotated[str, typer.Option("--step", help="Length of a step; by default a twentieth of the range.")] = "",
    how: Annotated[
        Literal["default", "avg", "sum", "min", "max", "last", "count", "rate", "increase", "quantile"],
        typer.Option("--aggregation", help="How the points of a step become one value."),
    ] = "default",
    quantile: Annotated[float | None, typer.Option("--quantile", min=0, max=1, help="With --aggregation quantile.")] = None,
    by: Annotated[list[str], typer.Option("--by", help="An attribute by which to tell apart.")] = [],
    endpoint: Endpoint = "",
    *,
    as_json: Json = False,
) -> None:
    """List metrics, or show the values of one over time."""
    within = time_range(since, begin, end)
    if not name:
        listing = metrics_pb.ListMetricsRequest(time_range=within, service_name=service)
        with asking(endpoint) as channel:
            _print(MetricQueryServiceStub(channel).ListMetrics(listing, timeout=CALL_SECONDS), made.metrics, as_json=as_json)
        return
    length = within.end_time_unix_nano - within.start_time_unix_nano
    aggregation = "UNSPECIFIED" if how == "default" else how.upper()
    request = metrics_pb.QueryRangeRequest(
        time_range=within,
        metric_name=name,
        step_nano=duration(step, "--step") or max(1, length // 20 // 10**9) * 10**9,
        aggregation=metrics_pb.Aggregation.Value(f"AGGREGATION_{aggregation}"),
        quantile=quantile,
        attributes=conditions(attr),
        service_name=service,
        group_by=by,
    )
    with asking(endpoint) as channel:
        answer = MetricQueryServiceStub(channel).QueryRange(request, timeout=CALL_SECONDS)
    _print(answer, made.values, as_json=as_json)


@verbs.command()
def usage(
    since: Since = DAY,
    begin: From = "",
    end: To = "",
    by: Annotated[
        list[str], typer.Option("--by", help=f"By what to tell apart, may be repeated: {', '.join(USAGE_GROUPS)}.")
    ] = [
        "service",
        "provider",
        "model",
    ],
    step: Annotated[str, typer.Option("--step", help="Length of a bucket, such as 1h or 1d; without it all in one.")] = "",
    service: Services = [],
    model: Models = [],
    user: Users = [],
    conversation: Annotated[list[str], typer.Option("--conversation", help="Only of this conversation.")] = [],
    endpoint: Endpoint = "",
    *,
    as_json: Json = False,
) -> None:
    """Calls, tokens, cost and latency: alone the last 24 hours by service, provider and model."""
    request = usage_pb.GetUsageRequest(
        time_range=time_range(since, begin, end),
        step_nano=duration(step, "--step"),
        selection=usage_pb.UsageSelection(service_names=service, models=model, user_ids=user, conversation_ids=conversation),
        group_by=[_usage_group(name) for name in by],
    )
    with asking(endpoint) as channel:
        answer = UsageQueryServiceStub(channel).GetUsage(request, timeout=CALL_SECONDS)
    _print(answer, lambda found: made.usage(found, by, with_time=bool(step)), as_json=as_json)


@verbs.command()
def conversations(
    since: Since = DAY,
    begin: From = "",
    end: To = "",
    service: Services = [],
    model: Models = [],
    user: Users = [],
    sort: Annotated[Literal["newest", "costliest"], typer.Option("--sort", help="Which come first.")] = "newest",
    limit: Limit = 20,
    endpoint: Endpoint = "",
    *,
    as_json: Json = False,
) -> None:
    """List conversations."""
    request = usage_pb.ListConversationsRequest(
        time_range=time_range(since, begin, end),
        selection=usage_pb.UsageSelection(service_names=service, models=model, user_ids=user),
        order=usage_pb.ConversationOrder.Value(f"CONVERSATION_ORDER_{sort.upper()}"),
    )
    with asking(endpoint) as channel:
        answer = _pages(UsageQueryServiceStub(channel).ListConversations, request, "conversations", limit)
    _print(answer, made.conversations, as_json=as_json, rest="conversations")


@verbs.command()
def conversation(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The conversation's id.")],
    since: Since = DAY,
    begin: From = "",
    end: To = "",
    endpoint: Endpoint = "",
    *,
    omit_content: Annotated[bool, typer.Option("--omit-content", help="Leave out what was said.")] = False,
    as_json: Json = False,
) -> None:
    """Show one conversation, turn by turn, with what was said."""
    request = usage_pb.GetConversationRequest(
        conversation_id=identity, time_range=time_range(since, begin, end), omit_content=omit_content
    )
    answer = usage_pb.GetConversationResponse()
    with asking(endpoint) as channel:
        for part in UsageQueryServiceStub(channel).GetConversation(request, timeout=CALL_SECONDS):
            answer.MergeFrom(part)
    _print(answer, made.turns, as_json=as_json)


def _usage_group(name: str) -> usage_pb.UsageGroup.ValueType:
    if name not in USAGE_GROUPS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(USAGE_GROUPS)}", param_hint="--by")
    return USAGE_GROUPS[name]


def _pages(ask: Callable[..., Answer], request: Any, field: str, limit: int) -> Answer:
    """As many pages as `limit` takes, as one answer: sources of later pages are appended, places in them moved."""
    whole: Any = None
    for page in _each_page(ask, request, field, limit):
        if whole is None:
            whole = page
            continue
        before = len(getattr(whole, "sources", ()))
        for found in getattr(page, field) if before else ():
            found.source_index += before
        whole.next_page_token = ""
        whole.MergeFrom(page)
    return whole  # type: ignore[no-any-return]


def _each_page(ask: Callable[..., Any], request: Any, field: str, limit: int) -> Iterator[Any]:
    ends, count = time.monotonic() + CALL_SECONDS, 0
    while True:
        request.page_size = min(limit - count, MAX_PAGE)
        page = ask(request, timeout=ends - time.monotonic())
        yield page
        count += len(getattr(page, field))
        request.page_token = page.next_page_token
        if not request.page_token or count >= limit:
            return


def _print(answer: Any, table: Callable[[Any], Any], *, as_json: bool, rest: str = "") -> None:
    if as_json:
        typer.echo(json.dumps(shown.as_json(answer), ensure_ascii=False))
        return
    shown.console().print(table(answer))
    if rest and answer.next_page_token:
        typer.echo(f"There are more {rest}: --limit shows them.", err=True)
