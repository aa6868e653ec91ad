"""Durations and sizes are read and shown as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_observatory.quantity import parse_duration, parse_size, show_duration, show_size


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("90d", 90 * 86400),
        ("90 days", 90 * 86400),
        ("1w", 604800),
        ("6 Hours", 21600),
        ("15min", 900),
        ("15m", 900),
        ("30s", 30),
        ("30", 30),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("0", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "d", "5 parsecs", "-5s", "1h30m", "1e9", "٣s", "9" * 400, "inf", "nan", "5 s s"])
def test_not_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_a_duration_beyond_what_can_be_counted() -> None:
    with pytest.raises(ValueError, match="is too long"):
        parse_duration("999999999999999w")


@pytest.mark.parametrize("text,size", [("64MiB", 64 * 1024**2), ("1 GB", 10**9), ("512 kib", 512 * 1024), ("1000", 1000)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "64 MeB", "-1", "9" * 400])
def test_not_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["90d", "36h", "15min", "20s", "250ms", "0s"])
def test_a_duration_is_shown_as_it_is_written(text: str) -> None:
    assert show_duration(parse_duration(text)) == text


@given(st.integers(0, 10**12))
def test_what_is_shown_reads_back(number: int) -> None:
    assert parse_size(show_size(number)) == number
    duration = timedelta(milliseconds=number)
    assert parse_duration(show_duration(duration)) == duration
