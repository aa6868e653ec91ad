"""`bench query` without a database: faults of its options, and what its questions ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.query.options import Options
from llm_observatory.operate.bench.query.questions import NEWEST, QUESTIONS, SEARCH, USAGE, Known

CLOCK = datetime(2026, 11, 28, tzinfo=UTC)
DAYS = 9
TRACE_IDS = [bytes([number]) * 16 for number in range(1, 99)]
KNOWN = Known(CLOCK, DAYS, TRACE_IDS, [f"req_{number}" for number in range(99)], [str(number) for number in range(1000, 1099)])
ASKED = 40


def asked(ask: Callable[[Random, Known], Any]) -> list[Any]:
    random = Random(3)
    return [ask(random, KNOWN) for _ in range(ASKED)]


@pytest.mark.parametrize(
    "changed, fault",
    [({"spans": 20, "days": 30}, "--spans: 20 over 30 days"), ({"keep": True}, "--keep: an embedded server is gone")],
)
def test_options_that_cannot_be_followed(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Options(**changed)
    assert [one for one in refused.value.faults if one.startswith(fault)]


def test_a_named_server_may_keep() -> None:
    assert Options(keep=True, database_url="postgresql:///postgres").spans == 1_000_000


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_questions_differ_and_stay_within_the_days(question: Any) -> None:
    requests = asked(question.ask)
    assert len({one.SerializeToString() for one in requests}) > ASKED // 4
    for one in requests:
        if not one.DESCRIPTOR.fields_by_name.get("time_range"):
            continue
        begin, end = (value / 1e9 for value in (one.time_range.start_time_unix_nano, one.time_range.end_time_unix_nano))
        assert (CLOCK - timedelta(days=DAYS)).timestamp() <= begin < end <= CLOCK.timestamp()


@pytest.mark.parametrize("question", [one for one in QUESTIONS if one.method == SEARCH], ids=lambda question: question.name)
def test_a_search_wants_the_newest_few_of_the_time_its_name_says(question: Any) -> None:
    for one in asked(question.ask):
        hours = (one.time_range.end_time_unix_nano - one.time_range.start_time_unix_nano) / 3600e9
        wanted = 24 * DAYS if "all days" in question.name else 1 if "hour" in question.name else 24
        assert wanted - 0.01 < hours < wanted
        assert one.page_size == NEWEST


def test_usage_is_asked_by_whole_steps_which_rollups_can_answer() -> None:
    for question in QUESTIONS:
        if question.method == USAGE:
            for one in asked(question.ask):
                assert one.time_range.start_time_unix_nano % one.step_nano == 0
                assert one.group_by
