"""Each answer as a table, or as what else a person reads best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from llm_observatory.api.v1 import log_query_service_pb2 as logs_pb
from llm_observatory.api.v1 import metric_query_service_pb2 as metrics_pb
from llm_observatory.api.v1 import trace_query_service_pb2 as traces_pb
from llm_observatory.api.v1 import usage_query_service_pb2 as usage_pb
from llm_observatory.app.cli.query.shown import dollars, duration, failed, moment, number, optional, plain, table

LONGEST_TEXT = 120
MAX_CONTENT = 2000
"""Characters of what was said that are shown of one item; --json has all."""
_NANO_PER_MS = 10**6
_BAD_LEVELS = frozenset({"ERROR", "FATAL"})


def spans(answer: traces_pb.SearchTracesResponse) -> RenderableType:
    """One line a span."""
    if not answer.spans:
        return Text("No such spans in this range: look further back with --since.")
    titles = ("start", "trace", "service", "span", "model", "duration", "tokens in", "out", "cost", "error")
    return table(titles, map(_span, answer.spans), numbers=("duration", "tokens in", "out", "cost"))


def _span(found: traces_pb.FoundSpan) -> Sequence[str | Text]:
    span = found.summary
    error = span.status_code == Status.STATUS_CODE_ERROR
    return (
        moment(span.start_time_unix_nano),
        span.trace_id.hex(),
        span.service_name,
        plain(span.span_name, LONGEST_TEXT),
        span.response_model or span.request_model,
        duration(optional(span, "duration_nano")),
        number(optional(span, "input_tokens")),
        number(optional(span, "output_tokens")),
        dollars(optional(span, "cost_usd")),
        failed(plain(span.error_type or span.status_message or "error", LONGEST_TEXT)) if error else "",
    )


def services(answer: traces_pb.ListServicesResponse) -> RenderableType:
    """One line a service."""
    if not answer.services:
        return Text("No service sent spans in this range: look further back with --since.")
    rows = [
        (one.service_name or "(none)", number(one.span_count), number(one.error_count), moment(one.last_hour_unix_nano))
        for one in answer.services
    ]
    return table(("service", "spans", "errors", "last hour"), rows, numbers=("spans", "errors"))


def logs(answer: logs_pb.SearchLogsResponse) -> RenderableType:
    """One line a record."""
    if not answer.logs:
        return Text("No such records in this range: look further back with --since.")
    return Group(*map(log_line, answer.logs))


def log_line(found: logs_pb.FoundLog) -> Text:
    """Time, level, service and what it says."""
    line = Text(moment(found.time_unix_nano), style="dim")
    line.append(f" {plain(found.level) or '-':<5}", style="bold red" if found.level in _BAD_LEVELS else "bold")
    line.append(f" {plain(found.service_name)}" if found.service_name else "", style="cyan")
    line.append(f" {plain(value(found.record.body) or found.record.event_name)}", style="not dim")
    return line


def value(given: AnyValue) -> str:
    """A value of OTLP as text."""
    match given.WhichOneof("value"):
        case None:
            return ""
        case "array_value":
            return f"[{', '.join(map(value, given.array_value.values))}]"
        case "kvlist_value":
            return f"{{{', '.join(f'{one.key}: {value(one.value)}' for one in given.kvlist_value.values)}}}"
        case "bytes_value":
            return given.bytes_value.hex()
        case "bool_value":
            return str(given.bool_value).lower()
        case kind:
            return str(getattr(given, kind))


def metrics(answer: metrics_pb.ListMetricsResponse) -> RenderableType:
    """One line a metric."""
    if not answer.metrics:
        return Text("No metrics in this range: look further back with --since.")
    rows = [
        (one.metric_name, _kind(one), one.unit, number(one.series_count), plain(one.description, LONGEST_TEXT))
        for one in answer.metrics
    ]
    return table(("metric", "type", "unit", "series", "description"), rows, numbers=("series",))


def _kind(metric: metrics_pb.MetricSummary) -> str:
    return metrics_pb.MetricType.Name(metric.type).removeprefix("METRIC_TYPE_").lower().replace("_", " ")


def values(answer: metrics_pb.QueryRangeResponse) -> RenderableType:
    """One line a value; steps without any have none."""
    how = metrics_pb.Aggregation.Name(answer.aggregation).removeprefix("AGGREGATION_").lower()
    title = f"{how}, {answer.metric.unit}" if answer.metric.unit else how
    if not any(series.points for series in answer.series):
        return Text("No values in this range: look further back with --since.")
    rows = [
        (
            moment(point.start_time_unix_nano),
            ", ".join(f"{one.key}={value(one.value)}" for one in series.attributes),
            number(point.value),
        )
        for series in answer.series
        for point in series.points
    ]
    return table(("start", "group", plain(title)), rows, numbers=(plain(title),))


_USAGE = ("calls", "errors", "tokens in", "out", "cost", "mean", "p95", "first token")


def usage(answer: usage_pb.GetUsageResponse, by: Sequence[str], *, with_time: bool) -> RenderableType:
    """One line a group and bucket."""
    if not answer.rows:
        return Text("No calls of models in this range: look further back with --since.")
    rows = (
        (*((moment(row.start_time_unix_nano),) if with_time else ()), *(one or "-" for one in row.group), *_sums(row.usage))
        for row in answer.rows
    )
    return table((*(("start",) if with_time else ()), *by, *_USAGE), rows, numbers=_USAGE)


def _sums(found: usage_pb.Usage) -> Iterator[str]:
    cost = optional(found, "cost_usd")
    yield number(found.call_count)
    yield number(found.error_count)
    yield number(optional(found, "input_tokens"))
    yield number(optional(found, "output_tokens"))
    yield dollars(optional(found, "reported_cost_usd") if cost is None else cost)
    for field in ("duration_ms_mean", "duration_ms_p95", "ttft_ms_p50"):
        yield _milliseconds(optional(found, field))


def _milliseconds(length: float | None) -> str:
    return duration(None if length is None else length * _NANO_PER_MS)


def conversations(answer: usage_pb.ListConversationsResponse) -> RenderableType:
    """One line a conversation."""
    if not answer.conversations:
        return Text("No conversations in this range: look further back with --since.")
    rows = (
        (
            moment(one.last_time_unix_nano),
            one.conversation_id,
            ", ".join(one.user_ids),
            ", ".join(one.models),
            *_sums(one.usage),
        )
        for one in answer.conversations
    )
    return table(("last call", "conversation", "users", "models", *_USAGE), rows, numbers=_USAGE)


def turns(answer: usage_pb.GetConversationResponse) -> RenderableType:
    """Each turn with what was said below it."""
    parts: list[RenderableType] = []
    for turn in answer.turns:
        parts.append(_turn(turn))
        for item in turn.content:
            said = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in item.body[:MAX_CONTENT])
            rest = f" … {len(item.body) - MAX_CONTENT:,} characters more" if len(item.body) > MAX_CONTENT else ""
            parts += [Padding(Text(item.kind, style="bold"), (0, 0, 0, 2)), Padding(Text(said + rest), (0, 0, 0, 4))]
    return Group(*parts)


def _turn(turn: usage_pb.Turn) -> Text:
    line = Text(f"{moment(turn.start_time_unix_nano)}  ", style="dim")
    line.append(plain(turn.operation or turn.span_name), style="bold not dim")
    details: list[Any] = [turn.model or turn.tool_name or turn.agent_name, duration(optional(turn, "duration_nano"))]
    tokens = number(optional(turn, "input_tokens")), number(optional(turn, "output_tokens"))
    details.append(f"{tokens[0] or '?'} → {tokens[1] or '?'} tokens" if any(tokens) else "")
    details.append(dollars(optional(turn, "cost_usd")))
    line.append("".join(f"  {plain(detail)}" for detail in details if detail), style="not dim")
    if turn.is_error:
        line.append(f"  ERROR {plain(turn.status_message or turn.error_type, LONGEST_TEXT)}".rstrip(), style="bold red not dim")
    return line
