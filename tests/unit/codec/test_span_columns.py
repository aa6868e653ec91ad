"""What each op reads from a span."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_observatory.codec import Terms
from tests.unit.codec import spans
from tests.unit.codec.spans import START, row
from tests.unit.codec.wire import varint

PARENT = b"\x09" * 8


def test_a_whole_span() -> None:
    found = row(
        {"gen_ai.request.model": "gpt-5", "server.port": 443},
        parent_span_id=PARENT,
        trace_state="a=1",
        flags=0x101,
        status=Status(code=Status.STATUS_CODE_ERROR, message="boom"),
        dropped_attributes_count=1,
        dropped_events_count=2**32 - 1,
        dropped_links_count=3,
    )
    assert found["source_id"] is not None
    del found["source_id"]
    assert {name: value for name, value in found.items() if value is not None} == {
        "tenant": "default",
        "timestamp": START // 1000,
        "timestamp_nanos": START % 1000,
        "trace_id": spans.TRACE_ID,
        "span_id": spans.SPAN_ID,
        "parent_span_id": PARENT,
        "trace_state": "a=1",
        "flags": 0x101,
        "is_entry": False,
        "service_name": "shop",
        "span_name": "chat gpt-5",
        "span_kind": 3,
        "duration_ns": 1_500_000_000,
        "duration_ms": 1500.0,
        "status_code": 2,
        "status_message": "boom",
        "request_model": "gpt-5",
        "usage_role": "none",
        "attributes": {"server.port": 443},
        "dropped_attributes_count": 1,
        "dropped_events_count": 2**32 - 1,
        "dropped_links_count": 3,
    }


def test_the_barest_span() -> None:
    found = row(name="", kind=0, start_time_unix_nano=START, end_time_unix_nano=0)
    for name in ("parent_span_id", "trace_state", "status_message", "duration_ns", "duration_ms", "events", "links"):
        assert found[name] is None, name
    assert found["span_name"] == ""
    assert found["span_kind"] == found["status_code"] == found["flags"] == 0
    assert found["attributes"] == {}


@pytest.mark.parametrize(
    "parent, flags, kind, expected",
    [
        (b"", 0, 1, True),
        (bytes(8), 0, 1, True),
        (PARENT, 0, 1, False),
        (PARENT, 0x100, 3, False),
        (PARENT, 0x200, 3, False),
        (PARENT, 0x300, 3, True),
        (PARENT, 0xFFFFFFFF, 3, True),
        (PARENT, 0, 2, True),
        (PARENT, 0, 5, True),
        (PARENT, 0, 4, False),
        (PARENT, 0, 0, False),
    ],
)
def test_is_entry(parent: bytes, flags: int, kind: int, expected: bool) -> None:
    found = row(parent_span_id=parent, flags=flags, kind=kind)
    assert found["is_entry"] is expected
    assert found["flags"] == flags
    assert found["parent_span_id"] == (parent or None)


@pytest.mark.parametrize(
    "start, end, nanoseconds, milliseconds",
    [
        (START, START, 0, 0.0),
        (START, START + 1, 1, 1e-06),
        (START, START - 7, -7, None),
        (START, 0, None, None),
    ],
)
def test_durations(start: int, end: int, nanoseconds: int | None, milliseconds: float | None) -> None:
    found = row(start_time_unix_nano=start, end_time_unix_nano=end)
    assert (found["duration_ns"], found["duration_ms"]) == (nanoseconds, milliseconds)


def test_a_span_without_start() -> None:
    encoded = spans.encode(spans.request(spans.span(start_time_unix_nano=0)), terms=Terms(None, 0, 1024**2))
    (found,) = spans.read_table(encoded, "llm_traces")
    assert (found["timestamp"], found["timestamp_nanos"], found["duration_ms"]) == (0, 0, None)
    assert found["duration_ns"] == START + 1_500_000_000


@pytest.mark.parametrize("number", [-32768, -1, 6, 32767])
def test_enums_of_the_future_are_kept(number: int) -> None:
    data = spans.span().SerializeToString() + b"\x30" + varint(number)
    data += b"\x7a" + bytes([1 + len(varint(number))]) + b"\x18" + varint(number)
    (found,) = spans.rows(spans.field(1, spans.field(2, spans.field(2, data))))
    assert found["span_kind"] == found["status_code"] == number


def test_events() -> None:
    events = [
        Span.Event(
            time_unix_nano=START + 1,
            name="exception",
            attributes=spans.attributes({"exception.type": "E", "$n": [1.0, b"x"]}),
            dropped_attributes_count=4,
        ),
        Span.Event(),
    ]
    assert row(events=events)["events"] == [
        {
            "time_unix_nano": START + 1,
            "name": "exception",
            "attributes": {"exception.type": "E", "$$n": [1.0, {"$bytes": "eA=="}]},
            "dropped_attributes_count": 4,
        },
        {},
    ]


def test_links() -> None:
    links = [
        Span.Link(
            trace_id=b"\xab" * 16,
            span_id=b"\xcd" * 8,
            trace_state="b=2",
            attributes=spans.attributes({"gen_ai.request.model": "stays"}),
            dropped_attributes_count=5,
            flags=0x300,
        ),
        Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8),
    ]
    assert row(links=links)["links"] == [
        {
            "trace_id": "ab" * 16,
            "span_id": "cd" * 8,
            "trace_state": "b=2",
            "attributes": {"gen_ai.request.model": "stays"},
            "dropped_attributes_count": 5,
            "flags": 0x300,
        },
        {"trace_id": "01" * 16, "span_id": "02" * 8},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": b"", "span_id": b"\x02" * 8},
        {"trace_id": bytes(16), "span_id": b"\x02" * 8},
        {"trace_id": b"\x01" * 15, "span_id": b"\x02" * 8},
        {"trace_id": b"\x01" * 16, "span_id": b""},
        {"trace_id": b"\x01" * 16, "span_id": bytes(8)},
        {"trace_id": b"\x01" * 16, "span_id": b"\x02" * 9},
    ],
)
def test_a_link_with_an_invalid_id_is_dropped_and_counted(wrong: dict[str, Any]) -> None:
    good = Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    payload = spans.request(spans.span(links=[Span.Link(**wrong), good, Span.Link(**wrong)], dropped_links_count=1))
    encoded = spans.encode(payload)
    (found,) = spans.read_table(encoded, "llm_traces")
    assert encoded.repaired == {"link_dropped": 2}
    assert found["dropped_links_count"] == 3
    assert found["links"] == [{"trace_id": "01" * 16, "span_id": "02" * 8}]


def test_no_link_left_is_null() -> None:
    encoded = spans.encode(spans.request(spans.span(links=[Span.Link()])))
    (found,) = spans.read_table(encoded, "llm_traces")
    assert (found["links"], found["dropped_links_count"]) == (None, 1)


def test_nul_in_every_string_of_a_span() -> None:
    link = Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, trace_state="\0", attributes=spans.attributes({"l\0": "\0"}))
    payload = spans.request(
        spans.span(
            {"gen_ai.request.model": "gpt\0", "k\0": "v\0"},
            name="n\0",
            trace_state="t\0",
            status=Status(message="m\0"),
            events=[Span.Event(name="e\0", attributes=spans.attributes({"a\0": ["\0"]}))],
            links=[link],
        )
    )
    encoded = spans.encode(payload)
    assert encoded.repaired == {"nul_replaced": 12}
    (found,) = spans.read_table(encoded, "llm_traces")
    assert found["request_model"] == "gpt\ufffd"
    assert found["span_name"] == "n\ufffd"
    assert found["trace_state"] == "t\ufffd"
    assert found["status_message"] == "m\ufffd"
    assert found["attributes"] == {"k\ufffd": "v\ufffd"}
    assert found["events"] == [{"name": "e\ufffd", "attributes": {"a\ufffd": ["\ufffd"]}}]
    assert found["links"][0]["trace_state"] == "\ufffd"
    assert b"\0" not in "".join(str(value) for value in found.values() if isinstance(value, str)).encode()
