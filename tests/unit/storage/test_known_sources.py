"""What is remembered of stored sources: by day, the longest unused forgotten first."""

from __future__ import annotations

import pytest

from llm_observatory.codec.request import EncodedRequest
from llm_observatory.storage import sources
from llm_observatory.storage.sources import KnownSources

TODAY = 20_000


def request(*source_ids: bytes) -> EncodedRequest:
    return EncodedRequest((), accepted=1, sources={source_id: b"row of " + source_id for source_id in source_ids})


def test_what_is_known_today_is_not_missing_and_tomorrow_it_is() -> None:
    known = KnownSources()
    known.add([b"a"], TODAY)
    assert known.missing([request(b"b", b"a")], TODAY) == {b"b": b"row of b"}
    assert list(known.missing([request(b"b"), request(b"a")], TODAY + 1)) == [b"a", b"b"]


def test_the_longest_unused_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "KNOWN_SOURCES_MAX", 2)
    known = KnownSources()
    known.add([b"busy", b"idle"], TODAY)
    assert known.missing([request(b"busy")], TODAY) == {}
    known.add([b"new"], TODAY)
    assert list(known.missing([request(b"busy", b"idle", b"new")], TODAY)) == [b"idle"]


def test_nothing_is_known_after_a_reconnect() -> None:
    known = KnownSources()
    known.add([b"a"], TODAY)
    known.clear()
    assert list(known.missing([request(b"a")], TODAY)) == [b"a"]
