"""What the verbs have in common: options as people write them, and what they mean in the protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from math import isnan
from typing import Annotated

import typer

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, TimeRange
from llm_observatory.quantity import parse_duration

HEX_TRACE_ID = 32

Endpoint = Annotated[
    str, typer.Option("--endpoint", help="host:port of the query service; by default LISTEN_HOST, QUERY_PORT.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: the answer in the encoding of OTLP/JSON.")]
Since = Annotated[str, typer.Option("--since", help="How far back, such as 15min, 1h or 7d.")]
From = Annotated[str, typer.Option("--from", help="First moment, RFC 3339, instead of --since.")]
To = Annotated[str, typer.Option("--to", help="First moment that does not belong to it any more, RFC 3339; by default now.")]
Services = Annotated[list[str], typer.Option("--service", help="Only of this service; may be repeated.")]
Attributes = Annotated[
    list[str], typer.Option("--attr", help="key=value (text, or a number or truth value as such), or key alone: it is there.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]
Models = Annotated[list[str], typer.Option("--model", help="Only of this model.")]
Users = Annotated[list[str], typer.Option("--user", help="Only of this user.")]


def nanoseconds(length: timedelta) -> int:
    """Of a length of time, exactly."""
    return length // timedelta(microseconds=1) * 1000


def duration(text: str, option: str) -> int:
    """Nanoseconds of a duration; 0 of none."""
    if not text:
        return 0
    try:
        return nanoseconds(parse_duration(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}", param_hint=option) from None


def moment(text: str, option: str) -> int:
    """Nanoseconds since the Unix epoch; without an offset the local zone is meant."""
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(f"{text!r} is no time; write for example 2026-01-31T09:00:00Z", param_hint=option) from None


def time_range(since: str, begin: str, end: str) -> TimeRange:
    """The range that these options mean."""
    last = moment(end, "--to") if end else time.time_ns()
    first = moment(begin, "--from") if begin else max(1, last - duration(since, "--since"))
    if first >= last:
        raise typer.BadParameter("is not before --to", param_hint="--from" if begin else "--since")
    return TimeRange(start_time_unix_nano=first, end_time_unix_nano=last)


def conditions(given: Sequence[str]) -> list[AttributeFilter]:
    """One for each. `1` and `true` match the text as well as the number and the truth value: who types cannot tell."""
    return [_condition(text) for text in given]


def _condition(text: str) -> AttributeFilter:
    key, equals, value = text.partition("=")
    if not key:
        raise typer.BadParameter(f"{text!r} has no key; write key=value", param_hint="--attr")
    if not equals:
        return AttributeFilter(key=key, exists=True)
    made = AttributeFilter(key=key)
    any_of = getattr(made, "in").values  # a word of Python
    any_of.add(string_value=value)
    if value in {"true", "false"}:
        any_of.add(bool_value=value == "true")
    with suppress(ValueError):
        any_of.add(int_value=int(value))
    with suppress(ValueError):
        number = float(value)
        if not isnan(number):  # which equals nothing
            any_of.add(double_value=number)
    return made


def trace_id(text: str) -> bytes:
    """Of 32 hexadecimal digits; dashes, as in a UUID, do not matter."""
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        found = b""
    if len(found) * 2 != HEX_TRACE_ID:
        raise typer.BadParameter(f"{text!r} is no trace id: {HEX_TRACE_ID} hexadecimal digits", param_hint="trace id")
    return found
