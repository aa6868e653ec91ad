"""Shows rows: a table a service for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from demo.rows import Row

_FILE_WIDTH = 100
_STATUS_ERROR = 2
_ABSENT = "-"


def console() -> Console:
    """A console as wide as the terminal, and wide enough for the table where standard output is a file."""
    plain = Console(markup=False, highlight=False)
    if not plain.is_terminal:
        plain.width = _FILE_WIDTH
    return plain


def _text(value: object) -> str:
    if value is None:
        return _ABSENT
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _tokens(row: Row) -> str:
    if row["input_tokens"] is None and row["output_tokens"] is None:
        return _ABSENT
    asked = f"{_text(row['input_tokens'])} in, {_text(row['cache_read_tokens'])} cached"
    return f"{asked}\n{_text(row['output_tokens'])} out, {_text(row['reasoning_tokens'])} reasoning"


def _outcome(row: Row) -> Text:
    if row["status_code"] == _STATUS_ERROR:
        first = Text(row["error_type"] or "error", style="red")
    else:
        first = Text(_text(row["finish_reasons"]))
    duration = _ABSENT if row["duration_ms"] is None else f"{row['duration_ms']:.1f} ms"
    return first.append(f"\n{duration}", style="default")


def span_table(service_name: str, rows: Sequence[Row]) -> Table:
    """The spans of one service in the order they began."""
    table = Table(box=SIMPLE_HEAD, padding=0, title=f"service {service_name}", title_justify="left", title_style="bold")
    table.add_column("span\nprovider, operation, usage role", overflow="fold")
    table.add_column("model asked\nmodel answered", overflow="fold")
    table.add_column("tokens", overflow="fold")
    table.add_column("finish or error\nduration", overflow="fold")
    for row in rows:
        table.add_row(
            f"{row['span_name']}\n{_text(row['provider'])}, {_text(row['operation'])}, {row['usage_role']}",
            f"{_text(row['request_model'])}\n{_text(row['response_model'])}",
            _tokens(row),
            _outcome(row),
        )
    return table


def print_tables(rows: Sequence[Row], out: Console) -> None:
    """Everything (a dash is: not reported), then the attributes of the first call that have no column of their own."""
    for service_name in dict.fromkeys(row["service_name"] for row in rows):
        out.print(span_table(service_name, [row for row in rows if row["service_name"] == service_name]))
        out.print()
    call = next((row for row in rows if row["usage_role"] == "call"), rows[0])
    out.print(
        f"Column `attributes` of {call['span_name']} ({call['service_name']}): what has no column of its own.", soft_wrap=True
    )
    out.print(JSON.from_data(call["attributes"], sort_keys=True), soft_wrap=True)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"cannot write {type(value).__name__} as JSON"
    raise TypeError(message)


def as_json(rows: Sequence[Row]) -> str:
    """`{"spans": [...]}`, one object a row, column names as keys, times in ISO 8601."""
    return json.dumps({"spans": list(rows)}, default=_plain, indent=2, ensure_ascii=False)
