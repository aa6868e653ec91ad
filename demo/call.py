"""One call from all sides: what each table holds of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from demo.cells import ABSENT, absent_or, clock, number, one_line
from demo.queries import Row
from demo.rows import Rows

_LABELS_OF_A_CALL = {
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "request_model",
    "gen_ai.response.model": "response_model",
    "openai.response.service_tier": "service_tier",
}
"""Labels of a data point, and the column of the span that says the same of the call."""


def chosen_call(rows: Rows) -> Row | None:
    """The first call that has a log record of its own, else the first call."""
    calls = [row for row in rows.spans if row["usage_role"] == "call"]
    logged = {row["span_id"] for row in rows.logs}
    return next((call for call in calls if call["span_id"] in logged), calls[0] if calls else None)


def _block(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _numbers(table: Table, *columns: str) -> Table:
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _filled(table: Table) -> Table:
    """A table without rows says so with dashes."""
    if not table.rows:
        table.add_row(*[ABSENT] * len(table.columns))
    return table


def span_block(call: Row) -> Table:
    """What its row says of the call."""
    table = _block("request_model\nresponse_model")
    _numbers(table, "input_tokens\noutput_tokens", "cache_read_tokens\nreasoning_tokens", "duration_ms\nttft_ms")
    table.add_column("finish_reasons\nerror_type", overflow="fold")
    table.add_row(
        f"{absent_or(call['request_model'])}\n{absent_or(call['response_model'])}",
        f"{number(call['input_tokens'])}\n{number(call['output_tokens'])}",
        f"{number(call['cache_read_tokens'])}\n{number(call['reasoning_tokens'])}",
        f"{number(call['duration_ms'])}\n{number(call['ttft_ms'])}",
        f"{absent_or(call['finish_reasons'])}\n{absent_or(call['error_type'])}",
    )
    return table


def _said(row: Row) -> str:
    if row["message"] is None and row["body"] is None:
        return f"no body, {len(row['attributes'])} attributes"
    return one_line(row["message"] if row["message"] is not None else row["body"])


def log_block(call: Row, logs: Sequence[Row]) -> Table:
    """The log records of its span and of the span around it."""
    table = _block("timestamp, UTC\nspan", "level\n", "event_name\nmessage or body")
    spans = {call["span_id"]: "the call", call["parent_span_id"]: "around it"}
    for row in logs:
        if row["trace_id"] == call["trace_id"] and row["span_id"] in spans:
            table.add_row(
                f"{clock(row['timestamp'])}\n{spans[row['span_id']]}",
                row["level"] or ABSENT,
                f"{absent_or(row['event_name'])}\n{_said(row)}",
            )
    return _filled(table)


def points_of(call: Row, metrics: Sequence[Row]) -> list[Row]:
    """The data points that hold the measurements of this call: those of its service whose labels say what its span says."""
    return [
        row
        for row in metrics
        if row["service_name"] == call["service_name"]
        and all(row["labels"].get(label) == call[column] for label, column in _LABELS_OF_A_CALL.items())
    ]


def metric_block(call: Row, metrics: Sequence[Row]) -> Table:
    """The data points of the run that the call was counted in, with all calls like it."""
    table = _numbers(_block("metric_name", "unit"), "count", "sum", "average")
    table.add_column("exemplar")
    for row in points_of(call, metrics):
        average = row["sum"] / row["count"] if row["count"] and row["sum"] is not None else None
        table.add_row(
            row["metric_name"],
            " ".join(filter(None, (row["unit"], row["labels"].get("gen_ai.token.type")))) or ABSENT,
            number(row["count"]),
            number(row["sum"]),
            number(average),
            "this trace" if row["trace_id"] == call["trace_id"] else ABSENT,
        )
    return _filled(table)


def content_block(call: Row, content: Sequence[Row]) -> Table:
    """What was said, a line an item, as much of it as the width holds."""
    table = _block("kind", "carrier")
    _numbers(table, "original_length").add_column("body")
    for row in content:
        if (row["trace_id"], row["span_id"]) == (call["trace_id"], call["span_id"]):
            body = Text(one_line(row["body"]), no_wrap=True, overflow="ellipsis")
            table.add_row(row["kind"], row["carrier"], number(row["original_length"]), body)
    return _filled(table)


def price_numbers(call: Row) -> dict[str, str]:
    """What a price list is applied to. `input_tokens` includes the cached, `output_tokens` the reasoning; prices part them."""
    asked, answered = call["input_tokens"], call["output_tokens"]
    read, written, reasoning = call["cache_read_tokens"], call["cache_write_tokens"], call["reasoning_tokens"]
    return {
        "model": absent_or(call["response_model"] or call["request_model"]),
        "service_tier": absent_or(call["service_tier"]),
        "fresh input": ABSENT if asked is None else str(asked - (read or 0) - (written or 0)),
        "cache read": absent_or(read),
        "cache write": absent_or(written),
        "visible output": ABSENT if answered is None else str(answered - (reasoning or 0)),
        "reasoning": absent_or(reasoning),
    }


def price_block(call: Row) -> Table:
    """The numbers a price list is applied to, in tokens."""
    numbers = price_numbers(call)
    model, tier, *tokens = (name.replace(" ", "\n") for name in numbers)
    table = _numbers(_block(model, tier), *tokens)
    table.add_row(*numbers.values())
    return table


def print_call(call: Row, rows: Rows, out: Console) -> None:
    """Every block, and the attributes that have no column of their own."""
    out.print(f"One call from all sides: {call['span_name']} of {call['service_name']}", style="bold")
    out.print(f"trace {call['trace_id']}, span {call['span_id']}\n")
    for title, block in (
        ("llm_traces: the span", span_block(call)),
        ("llm_logs: the records of its span and of the span around it", log_block(call, rows.logs)),
        ("llm_metrics, metric_labels: this call and those like it", metric_block(call, rows.metrics)),
        ("llm_content: what was said", content_block(call, rows.content)),
        ("llm_traces: what a price list is applied to, in tokens", price_block(call)),
    ):
        out.print(title, style="bold")
        out.print(block)
    out.print("llm_traces.attributes: what has no column of its own", style="bold", soft_wrap=True)
    out.print(JSON.from_data(call["attributes"], sort_keys=True), soft_wrap=True)
