"""Log records → rows: times, ids, severity, bodies, associations, and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from llm_observatory import codec
from llm_observatory.codec import Rejection, Terms
from llm_observatory.codec.reference.log import RANDOM_BITS, TIME, Identities
from tests.unit.codec import logs, spans
from tests.unit.codec.spans import DAY_US, NOW, START

NOW_NS = NOW * 1000
OBSERVED = START + 987


@pytest.mark.parametrize(
    "members, stored, source",
    [
        ({"time_unix_nano": START, "observed_time_unix_nano": OBSERVED}, START, 0),
        ({"time_unix_nano": START}, START, 0),
        ({"time_unix_nano": 0, "observed_time_unix_nano": OBSERVED}, OBSERVED, 1),
        ({"time_unix_nano": 0}, NOW_NS, 2),
    ],
)
def test_the_time_is_the_records_else_the_observed_else_the_received(members: dict[str, Any], stored: int, source: int) -> None:
    row = logs.row(**members)
    assert row["timestamp"] * 1000 + row["timestamp_nanos"] == stored
    assert row["time_source"] == source
    observed = members.get("observed_time_unix_nano")
    assert row["observed_timestamp"] == (None if observed is None else observed // 1000)
    assert row["observed_timestamp_nanos"] == (None if observed is None else observed % 1000)


def test_an_observed_time_within_the_first_microsecond_of_the_epoch_is_a_time() -> None:
    row = logs.row(observed_time_unix_nano=5)
    assert (row["observed_timestamp"], row["observed_timestamp_nanos"]) == (0, 5)


@pytest.mark.parametrize("members", [{}, {"time_unix_nano": 0, "observed_time_unix_nano": OBSERVED}])
def test_a_request_with_times_can_be_told_from_its_repeat(members: dict[str, Any]) -> None:
    assert not logs.encode(logs.request(logs.record(**members))).untimed


def test_one_record_without_any_time_makes_the_request_untimed() -> None:
    assert logs.encode(logs.request(logs.record(), logs.record(time_unix_nano=0))).untimed


def test_a_refused_record_without_time_does_not() -> None:
    refused = logs.record(time_unix_nano=0, severity_number=2**31 - 1)
    assert not logs.encode(logs.request(logs.record(), refused)).untimed


@pytest.mark.parametrize(
    "number, text, level",
    [
        *((number, "", name) for number, name in ((1, "TRACE"), (4, "TRACE"), (5, "DEBUG"), (9, "INFO"), (12, "INFO"))),
        *((number, "", name) for number, name in ((13, "WARN"), (17, "ERROR"), (20, "ERROR"), (21, "FATAL"), (24, "FATAL"))),
        (17, "info", "ERROR"),
        (0, "", ""),
        (0, "error", "ERROR"),
        (0, "Warning", "WARN"),
        (0, "critical", "FATAL"),
        (0, "something else", ""),
        (0, "\u017fevere", ""),
        (25, "", ""),
        (-1, "debug", "DEBUG"),
    ],
)
def test_the_level_follows_the_number_else_the_text(number: int, text: str, level: str) -> None:
    row = logs.row(severity_number=number, severity_text=text)
    assert (row["level"], row["severity_number"], row["severity_text"]) == (level, number, text or None)


@pytest.mark.parametrize(
    "body, message, other",
    [
        ("hello", "hello", None),
        ("", "", None),
        ("a\0b", "a\ufffdb", None),
        (7, None, 7),
        (True, None, True),
        (1.5, None, 1.5),
        (float("nan"), None, {"$double": "NaN"}),
        (b"\x01\x02\x03", None, {"$bytes": "AQID"}),
        (["a", 1, [2.0]], None, ["a", 1, [2.0]]),
        ({"role": "user", "$x": {"deep": None}}, None, {"role": "user", "$$x": {"deep": None}}),
        ({}, None, {}),
    ],
)
def test_a_string_is_the_message_and_anything_else_the_body(body: Any, message: str | None, other: Any) -> None:
    row = logs.row(body)
    assert (row["message"], row["body"]) == (message, other)


def test_no_body_is_not_an_empty_one() -> None:
    absent, empty = logs.encode(logs.request(logs.record(...))), logs.encode(logs.request(logs.record(None)))
    place = [column.name for column in codec_columns()].index("body")
    fields = [codec.tuple_fields(next(spans.split_rows(each.tables[0].chunks[0])))[place] for each in (absent, empty)]
    assert fields == [None, b"\x01null"]


def codec_columns() -> Any:
    from llm_observatory.tables import LLM_LOGS

    return LLM_LOGS.columns


def test_everything_else_of_a_record() -> None:
    row = logs.row(
        items={"gen_ai.operation.name": "chat", "n": 2**53 + 1, "deep": {"a": [1.0]}},
        trace_id=spans.TRACE_ID,
        span_id=spans.SPAN_ID,
        flags=2**32 - 1,
        event_name="gen_ai.client.inference.operation.details",
        dropped_attributes_count=2**32 - 1,
    )
    expected = {
        "tenant": "default",
        "service_name": "shop",
        "trace_id": spans.TRACE_ID,
        "span_id": spans.SPAN_ID,
        "flags": 2**32 - 1,
        "event_name": "gen_ai.client.inference.operation.details",
        "dropped_attributes_count": 2**32 - 1,
        "attributes": {"gen_ai.operation.name": "chat", "n": 2**53 + 1, "deep": {"a": [1.0]}},
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("member", ["trace_id", "span_id"])
@pytest.mark.parametrize("value", [b"\x01", bytes(8), bytes(16), b"\x01" * 7, b"\x01" * 17])
def test_an_invalid_id_is_no_association_and_is_counted(member: str, value: bytes) -> None:
    given: dict[str, Any] = {member: value}
    encoded = logs.encode(logs.request(logs.record(**given)))
    (row,) = spans.read_table(encoded, "llm_logs")
    assert row[member] is None
    assert encoded.repaired == {"log_id_dropped": 1}


def test_no_id_is_nothing_to_count() -> None:
    encoded = logs.encode(logs.request(logs.record()))
    assert encoded.repaired == {}


class TestIds:
    def ids(self, *records: Any, digest: bytes = b"d" * 16) -> list[uuid.UUID]:
        encoded = codec.encode("logs", "default", logs.request(*records), digest, NOW, spans.TERMS)
        return [uuid.UUID(bytes=row["id"]) for row in spans.read_table(encoded, "llm_logs")]

    def test_they_are_version_7_with_the_milliseconds_of_the_record(self) -> None:
        (identity,) = self.ids(logs.record())
        assert (identity.version, identity.variant) == (7, uuid.RFC_4122)
        assert identity.int >> 80 == START // 1_000_000

    def test_equal_records_of_one_request_differ(self) -> None:
        assert len(set(self.ids(*[logs.record()] * 100))) == 100

    def test_those_of_one_millisecond_sort_as_they_came(self) -> None:
        ids = self.ids(*[logs.record()] * 100)
        assert ids == sorted(ids)

    def test_a_count_goes_on_from_its_beginning(self) -> None:
        last = Identities(b"", 0)
        last._timed = (1 << RANDOM_BITS) - 1
        first, second = (uuid.UUID(bytes=last.of(START, TIME, ordinal)) for ordinal in (0, 1))
        assert (second.version, second.variant) == (7, uuid.RFC_4122)
        assert (first.int & ~second.int).bit_count() == RANDOM_BITS

    def test_the_same_request_gives_the_same(self) -> None:
        assert self.ids(logs.record(), logs.record()) == self.ids(logs.record(), logs.record())

    def test_another_request_gives_others(self) -> None:
        assert self.ids(logs.record()) != self.ids(logs.record(), digest=b"e" * 16)

    def test_records_without_times_differ_from_one_microsecond_to_the_next(self) -> None:
        request = logs.request(logs.record(time_unix_nano=0))
        encoded = [codec.encode("logs", "default", request, b"d" * 16, NOW + later, spans.TERMS) for later in (0, 1)]
        first, second = (spans.read_table(each, "llm_logs")[0]["id"] for each in encoded)
        assert first[:6] == second[:6]
        assert first != second

    def test_a_refused_neighbour_moves_none(self) -> None:
        bad = logs.record(time_unix_nano=2**63)
        assert self.ids(bad, logs.record())[0] == self.ids(logs.record(), logs.record())[1]

    def test_the_earliest_and_latest_time(self) -> None:
        encoded = codec.encode(
            "logs", "default",
            logs.request(logs.record(time_unix_nano=1), logs.record(time_unix_nano=2**63 - 1)),
            b"d" * 16, NOW, Terms(None, 2**62, 0),
        )  # fmt: skip
        first, last = (uuid.UUID(bytes=row["id"]) for row in spans.read_table(encoded, "llm_logs"))
        assert first.int >> 80 == 0
        assert last.int >> 80 == (2**63 - 1) // 1_000_000


REFUSED = {
    "time_out_of_range": [
        logs.record(time_unix_nano=2**63),
        logs.record(time_unix_nano=2**64 - 1),
        logs.record(observed_time_unix_nano=2**63),
        logs.record(time_unix_nano=0, observed_time_unix_nano=2**63),
    ],
    "too_old": [logs.record(time_unix_nano=NOW_NS - 90 * DAY_US * 1000), logs.record(time_unix_nano=1)],
    "too_far_ahead": [
        logs.record(time_unix_nano=2**63 - 1),
        logs.record(time_unix_nano=0, observed_time_unix_nano=NOW_NS + 2 * DAY_US * 1000),
    ],
    "enum_out_of_range": [logs.record(severity_number=2**15), logs.record(severity_number=-(2**15) - 1)],
}


@pytest.mark.parametrize("rule", REFUSED)
def test_the_record_alone_is_refused(rule: str) -> None:
    bad = REFUSED[rule]
    encoded = logs.encode(logs.request(logs.record("first"), *bad, logs.record("last")))
    assert encoded.rejected_by_rule == {rule: len(bad)}
    assert encoded.rejected[0] == Rejection("resource_logs[0].scope_logs[0].log_records[1]", rule)
    assert [row["message"] for row in spans.read_table(encoded, "llm_logs")] == ["first", "last"]


@pytest.mark.parametrize(
    "tail",
    [
        b"\x1a\x02\xc3\x28",  # a severity text that is not UTF-8
        b"\x62\x02\xff\xfe",  # an event name that is not UTF-8
        b"\x2a\x04\x0a\x02\xff\xfe",  # a body that is not UTF-8
        b"\x2a\x7f",  # longer than the record
    ],
)
def test_a_malformed_record_alone_is_refused(tail: bytes) -> None:
    good = logs.record().SerializeToString()
    payload = spans.field(1, spans.field(2, spans.field(2, good) + spans.field(2, good + tail) + spans.field(2, good)))
    encoded = logs.encode(payload)
    assert (encoded.accepted, encoded.rejected_by_rule) == (2, {"record_malformed": 1})


def test_what_changed_is_queued_by_hour() -> None:
    encoded = logs.encode(logs.request(logs.record(), logs.record(time_unix_nano=START - 3600 * 10**9)))
    rows = spans.read_table(encoded, "ingest_touched")
    assert [(row["signal"], row["trace_ids"]) for row in rows] == [("logs", []), ("logs", [])]
    assert encoded.hours == tuple(row["hour"] for row in rows)
    assert (encoded.min_time, encoded.max_time) == (START // 1000 - 3_600_000_000, START // 1000)


def test_the_source_is_that_of_spans() -> None:
    encoded = logs.encode(logs.request(logs.record()))
    ((identity, _),) = encoded.dimensions["telemetry_sources"].items()
    assert [row["source_id"] for row in spans.read_table(encoded, "llm_logs")] == [identity]
    assert identity in spans.encode(spans.request(spans.span())).dimensions["telemetry_sources"]
