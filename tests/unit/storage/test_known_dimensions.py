"""What is remembered of stored dimensions: by table and day, the longest unused forgotten first, nothing over a reconnect."""

from __future__ import annotations

import pytest

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.storage import dimensions
from llm_observatory.storage.dimensions import KnownDimensions

TODAY = 20_000
SOURCES, LABELS = "telemetry_sources", "metric_labels"


def request(*ids: bytes, table: str = SOURCES) -> EncodedRequest:
    return EncodedRequest((), accepted=1, dimensions={table: {key: b"row of " + key for key in ids}})


def add(known: KnownDimensions, *ids: bytes, day: int = TODAY, table: str = SOURCES) -> None:
    known.add(table, ids, day, known.generation)


def test_what_is_known_today_is_not_missing_and_tomorrow_it_is() -> None:
    known = KnownDimensions()
    add(known, b"a")
    assert known.missing([request(b"b", b"a")], TODAY) == {SOURCES: {b"b": b"row of b"}}
    assert known.missing([request(b"b"), request(b"a")], TODAY + 1) == {SOURCES: {b"a": b"row of a", b"b": b"row of b"}}


def test_what_is_known_tomorrow_needs_no_older_day() -> None:
    """A request from before midnight may come to its turn after one from after it."""
    known = KnownDimensions()
    add(known, b"a", day=TODAY + 1)
    assert known.missing([request(b"a", b"b")], TODAY) == {SOURCES: {b"b": b"row of b"}}
    add(known, b"b", day=TODAY)
    assert known.missing([request(b"b")], TODAY + 1) == {SOURCES: {b"b": b"row of b"}}, "its last_seen must move on"


def test_a_table_knows_nothing_of_the_other() -> None:
    known = KnownDimensions()
    add(known, b"a", table=LABELS)
    found = known.missing([request(b"a"), request(b"a", table=LABELS)], TODAY)
    assert found == {SOURCES: {b"a": b"row of a"}}


def test_the_longest_unused_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dimensions, "KNOWN_IDS_MAX", 2)
    known = KnownDimensions()
    add(known, b"busy", b"idle")
    assert known.missing([request(b"busy")], TODAY) == {}
    add(known, b"new")
    assert known.missing([request(b"busy", b"idle", b"new")], TODAY) == {SOURCES: {b"idle": b"row of idle"}}


def test_nothing_is_known_after_a_reconnect() -> None:
    known = KnownDimensions()
    add(known, b"a")
    add(known, b"a", table=LABELS)
    known.clear()
    assert known.missing([request(b"a"), request(b"a", table=LABELS)], TODAY).keys() == {SOURCES, LABELS}


def test_what_was_sent_before_another_session_reconnected_is_not_remembered() -> None:
    known = KnownDimensions()
    generation = known.generation
    known.clear()
    known.add(SOURCES, [b"a"], TODAY, generation)
    assert known.missing([request(b"a")], TODAY) == {SOURCES: {b"a": b"row of a"}}
