"""Shows rows: a table a service for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from demo.rows import Row

_FILE_WIDTH = 134
_STATUS_ERROR = 2
_TOKENS = (
    ("input\ntokens", "input_tokens"),
    ("of it\ncached", "cache_read_tokens"),
    ("output\ntokens", "output_tokens"),
    ("of it\nreasoning", "reasoning_tokens"),
)


def console() -> Console:
    """A console as wide as the terminal, and wide enough for the table where standard output is a file."""
    plain = Console(markup=False, highlight=False)
    if not plain.is_terminal:
        plain.width = _FILE_WIDTH
    return plain


def _text(value: object) -> str:
    if value is None:
        return "·"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _stacked(upper: object, lower: object) -> str:
    return "·" if upper is None and lower is None else f"{_text(upper)}\n{_text(lower)}"


def _outcome(row: Row) -> Text:
    if row["status_code"] == _STATUS_ERROR:
        return Text(row["error_type"] or "error", style="red")
    return Text(_text(row["finish_reasons"]))


def span_table(service_name: str, rows: Sequence[Row]) -> Table:
    """The spans of one service in the order they began."""
    table = Table(box=None, padding=(0, 2, 0, 0), title=f"service {service_name}", title_justify="left", title_style="bold")
    table.add_column("span", overflow="fold")
    table.add_column("provider\noperation", no_wrap=True)
    table.add_column("model asked\nmodel answered", no_wrap=True)
    for heading, _ in _TOKENS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("usage\nrole")
    table.add_column("finish\nor error", no_wrap=True)
    table.add_column("ms", justify="right", min_width=6)
    for row in rows:
        table.add_row(
            row["span_name"],
            _stacked(row["provider"], row["operation"]),
            _stacked(row["request_model"], row["response_model"]),
            *(_text(row[column]) for _, column in _TOKENS),
            row["usage_role"],
            _outcome(row),
            "·" if row["duration_ms"] is None else f"{row['duration_ms']:.1f}",
        )
    return table


def print_tables(rows: Sequence[Row], out: Console) -> None:
    """Everything, then the attributes of the first call that have no column of their own."""
    for service_name in dict.fromkeys(row["service_name"] for row in rows):
        out.print(span_table(service_name, [row for row in rows if row["service_name"] == service_name]))
        out.print()
    call = next((row for row in rows if row["usage_role"] == "call"), rows[0])
    out.print(f"Column `attributes` of {call['span_name']} ({call['service_name']}): what has no column of its own.")
    out.print(JSON.from_data(call["attributes"], sort_keys=True), soft_wrap=True)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"cannot write {type(value).__name__} as JSON"
    raise TypeError(message)


def as_json(rows: Sequence[Row]) -> str:
    """`{"spans": [...]}`, one object a row, column names as keys, times in ISO 8601."""
    return json.dumps({"spans": list(rows)}, default=_plain, indent=2, ensure_ascii=False)
