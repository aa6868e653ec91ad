"""Answers for people: texts that cannot harm a terminal, times in the local zone, numbers that line up, tables that fit."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

FILE_WIDTH = 160
"""Of what is written to a file, unless COLUMNS says otherwise."""
_IDS = frozenset({"traceId", "spanId", "parentSpanId", "logId", "seriesId"})
_NANO, _MICRO = 10**9, 1000


def console() -> Console:
    """Standard output; NO_COLOR and the terminal's width are rich's business."""
    made = Console(highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = FILE_WIDTH
    return made


def plain(text: str, longest: int = 0) -> str:
    """One line without control characters: what clients sent must not move the cursor. 0: of any length."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    return f"{line[: longest - 1]}…" if longest and len(line) > longest else line


def table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]], *, numbers: Iterable[str] = ()) -> Table:
    """A table; columns in `numbers` are aligned to the right, those before them may be cut to fit."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    right = set(numbers)
    for title in titles:
        if title in right:
            made.add_column(title, justify="right", no_wrap=True)
        else:
            made.add_column(title, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return made


def moment(nanoseconds: int) -> str:
    """In the local zone, with its offset, to the millisecond."""
    if not nanoseconds:
        return ""
    seconds, rest = divmod(nanoseconds, _NANO)
    try:
        local = datetime.fromtimestamp(seconds).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s"
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S}.{rest // 10**6:03d} {offset[:3]}:{offset[3:5]}"


def duration(nanoseconds: float | None) -> str:
    """`340 µs`, `12.3 ms`, `4.56 s`, `3 min 20 s`; empty for none."""
    if nanoseconds is None:
        return ""
    if abs(nanoseconds) < 10**6:
        return f"{nanoseconds / _MICRO:.0f} µs"
    if abs(nanoseconds) < _NANO:
        return f"{nanoseconds / 10**6:.1f} ms"
    if abs(nanoseconds) < 60 * _NANO:
        return f"{nanoseconds / _NANO:.2f} s"
    minutes, seconds = divmod(round(nanoseconds / _NANO), 60)
    return f"{minutes:,} min {seconds} s"


def number(value: float | None) -> str:
    """With separators; empty for none."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


LEAST_DOLLARS = 0.000001
"""What is shown as a number; a call of an embedding model may cost less."""


def dollars(value: float | None) -> str:
    """US dollars: cents, and what is below a dollar to the millionth."""
    if value is None:
        return ""
    if 0 < value < LEAST_DOLLARS:
        return f"<${LEAST_DOLLARS:.6f}"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.6f}".rstrip("0")


def optional(message: Message, field: str) -> Any:
    """The value of a field, None when it is not set."""
    return getattr(message, field) if message.HasField(field) else None


def failed(text: str) -> Text:
    """What is wrong catches the eye."""
    return Text(plain(text), style="bold red")


def as_json(message: Message) -> dict[str, Any]:
    """As OTLP/JSON has it: ids in hexadecimal digits, enums as numbers, 64 bits as text."""
    found: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    _hex_ids(found)
    return found


def _hex_ids(value: Any) -> None:

    if isinstance(value, list):
        for one in value:
            _hex_ids(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in _IDS and isinstance(one, str):
                value[key] = base64.b64decode(one).hex()
            else:
                _hex_ids(one)
