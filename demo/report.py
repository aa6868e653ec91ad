"""Shows rows: the spans of each service and one call from all sides for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.call import chosen_call, print_call
from demo.cells import ABSENT, absent_or
from demo.queries import Row
from demo.rows import Rows

_FILE_WIDTH = 100
_STATUS_ERROR = 2


def console() -> Console:
    """A console as wide as the terminal, and wide enough for the table where standard output is a file."""
    plain = Console(markup=False, highlight=False)
    if not plain.is_terminal:
        plain.width = _FILE_WIDTH
    return plain


def _tokens(row: Row) -> str:
    if row["input_tokens"] is None and row["output_tokens"] is None:
        return ABSENT
    asked = f"{absent_or(row['input_tokens'])} in, {absent_or(row['cache_read_tokens'])} cached"
    return f"{asked}\n{absent_or(row['output_tokens'])} out, {absent_or(row['reasoning_tokens'])} reasoning"


def _outcome(row: Row) -> Text:
    if row["status_code"] == _STATUS_ERROR:
        first = Text(row["error_type"] or "error", style="red")
    else:
        first = Text(absent_or(row["finish_reasons"]))
    duration = ABSENT if row["duration_ms"] is None else f"{row['duration_ms']:.1f} ms"
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
            f"{row['span_name']}\n{absent_or(row['provider'])}, {absent_or(row['operation'])}, {row['usage_role']}",
            f"{absent_or(row['request_model'])}\n{absent_or(row['response_model'])}",
            _tokens(row),
            _outcome(row),
        )
    return table


def print_rows(rows: Rows, out: Console) -> None:
    """Everything; a dash is: not reported."""
    for service_name in dict.fromkeys(row["service_name"] for row in rows.spans):
        out.print(span_table(service_name, [row for row in rows.spans if row["service_name"] == service_name]))
        out.print()
    call = chosen_call(rows)
    if call is not None:
        print_call(call, rows, out)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"cannot write {type(value).__name__} as JSON"
    raise TypeError(message)


def as_json(rows: Rows) -> str:
    """One object a row in a list a table, column names as keys, times in ISO 8601."""
    document = {"spans": rows.spans, "logs": rows.logs, "metrics": rows.metrics, "content": rows.content}
    return json.dumps(document, default=_plain, indent=2, ensure_ascii=False)
