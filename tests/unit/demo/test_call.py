"""One call from all sides: which rows are its own, and what is computed from them."""

from __future__ import annotations

import io
import re
from datetime import timedelta, timezone
from typing import Any

import pytest
from rich.console import Console

from demo import call as sides
from demo.rows import Rows
from tests.unit.demo import rows_of_a_run as given
from tests.unit.demo.rows_of_a_run import LABELS, ROOT, TRACE

EVENT = "gen_ai.client.inference.operation.details"
SAID = '[{"role":"user","parts":[{"type":"text","content":"What is a span, and why is it not a trace?\n"}]}]' * 2
FULL = given.rows(
    given.span(),
    given.call(attributes={"server.port": 4317}),
    logs=(given.log(event_name=EVENT), given.log(span_id=ROOT, event_name=None, message="answered in 9 words")),
    metrics=(
        given.point(),
        given.point(metric_name="gen_ai.client.operation.duration", unit="s", sum=0.0123456, trace_id=TRACE),
    ),
    said=(given.content(body=SAID, original_length=len(SAID)),),
)


def printed(rows: Rows, width: int = 100) -> list[str]:
    out = io.StringIO()
    call = sides.chosen_call(rows)
    assert call is not None
    sides.print_call(call, rows, Console(file=out, width=width, markup=False, highlight=False))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def block(lines: list[str], table: str) -> list[str]:
    """The lines of one block after its heading rule."""
    start = next(number for number, line in enumerate(lines) if line.startswith(table))
    rule = next(number for number in range(start, len(lines)) if "──" in lines[number])
    return lines[rule + 1 : lines.index("", rule)]


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def test_every_block_is_there_and_fits_a_hundred_columns() -> None:
    lines = printed(FULL)
    assert max(map(len, lines)) <= 100
    assert cells(block(lines, "llm_traces: the span")[1]) == ["gpt-5-mini-2026-08-07", "45", "16", "-", "-"]
    assert block(lines, "llm_logs")[2] == " 08:30:12.345678  INFO   -"
    assert cells(block(lines, "llm_metrics")[0]) == ["gen_ai.client.token.usage", "{token} input", "2", "240", "120", "-"]
    assert cells(block(lines, "llm_metrics")[1])[-3:] == ["0.0123", "0.00617", "this trace"]
    assert lines[-3:] == ["{", '  "server.port": 4317', "}"]


def test_no_cell_but_a_model_is_folded_at_a_hundred_columns() -> None:
    long = FULL.metrics[1] | {"metric_name": "gen_ai.client.operation.time_per_output_chunk"}
    lines = printed(given.rows(given.call(), logs=tuple(FULL.logs), metrics=(long,)))
    assert len(block(lines, "llm_metrics")) == 1
    assert len(block(lines, "llm_logs")) == 4
    assert len(block(lines, "llm_traces: the span")) == 2


def test_an_event_without_a_body_says_so_and_a_line_of_a_log_is_shown() -> None:
    shown = block(printed(FULL), "llm_logs")
    assert shown[1].split(maxsplit=2) == ["the", "call", "no body, 1 attributes"]
    assert shown[3].split(maxsplit=2) == ["around", "it", "answered in 9 words"]


@pytest.mark.parametrize(
    "columns, shown",
    [({"body": {"role": "user"}}, '{"role": "user"}'), ({"message": "a\n  b"}, "a b"), ({"message": "", "body": None}, "")],
)
def test_message_or_body(columns: dict[str, Any], shown: str) -> None:
    rows = given.rows(given.call(), logs=(given.log(**columns),))
    assert block(printed(rows), "llm_logs")[1].removeprefix(" the call").strip() == shown


def test_times_are_utc_whatever_the_time_zone_of_the_database() -> None:
    rows = given.rows(given.call(), logs=(given.log(timestamp=given.AT.astimezone(timezone(timedelta(hours=5)))),))
    assert block(printed(rows), "llm_logs")[0].split()[0] == "08:30:12.345678"


def test_a_record_without_severity_has_a_dash() -> None:
    rows = given.rows(given.call(), logs=(given.log(level=""),))
    assert cells(block(printed(rows), "llm_logs")[0]) == ["08:30:12.345678", "-", "gen_ai.details"]


def test_records_of_other_spans_are_not_shown() -> None:
    strangers = (given.log(span_id="9" * 16), given.log(trace_id="b" * 32))
    others = (given.content(span_id="9" * 16),)
    lines = printed(given.rows(given.call(), logs=strangers, said=others))
    assert set("".join(block(lines, "llm_logs"))) == {" ", "-"}
    assert set("".join(block(lines, "llm_content"))) == {" ", "-"}


@pytest.mark.parametrize(
    "columns",
    [
        {"labels": LABELS | {"gen_ai.request.model": "gpt-5-busy"}},
        {"labels": LABELS | {"gen_ai.operation.name": "embeddings"}},
        {"labels": {key: value for key, value in LABELS.items() if key != "openai.response.service_tier"}},
        {"service_name": "other"},
    ],
)
def test_points_of_other_calls_are_not_shown(columns: dict[str, Any]) -> None:
    assert sides.points_of(given.call(), [given.point(**columns)]) == []
    assert sides.points_of(given.call(), [given.point()]) == [given.point()]


def test_what_was_said_is_shortened_to_the_width() -> None:
    for width in (80, 100, 140):
        (line,) = block(printed(FULL, width), "llm_content")
        assert line.startswith(" input")
        assert line.endswith("…")
        assert width - 5 <= len(line) <= width


def test_what_a_price_list_is_applied_to() -> None:
    call = given.call(cache_write_tokens=16)
    assert list(sides.price_numbers(call).values()) == ["gpt-5-mini-2026-08-07", "default", "40", "64", "16", "29", "16"]


def test_not_reported_stays_not_reported() -> None:
    silent = given.span(request_model="gpt-5-mini", cache_read_tokens=3)
    assert list(sides.price_numbers(silent).values()) == ["gpt-5-mini", "-", "-", "3", "-", "-", "-"]


def test_a_call_that_was_logged_is_chosen_before_one_that_was_not() -> None:
    unlogged = given.call(span_id="8" * 16)
    assert sides.chosen_call(given.rows(given.span(), unlogged, given.call(), logs=(given.log(),))) == given.call()
    assert sides.chosen_call(given.rows(given.span(), unlogged)) == unlogged
    assert sides.chosen_call(given.rows(given.span())) is None
