"""Hand-picked requests of log records by name: what each is about (else the rule it is named after), and its payload."""

from __future__ import annotations

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.golden.hand_picked.shared import (
    FAMILY,
    FAR_AHEAD,
    GOOD_METRIC,
    GOOD_RECORD,
    LONG_AGO,
    MESSAGES,
    VALUES,
    ZERO,
    beside,
    styled,
)
from tests.plugins.hostile_wire import Style
from tests.unit.codec import logs
from tests.unit.codec.logs import record
from tests.unit.codec.metrics import request as metrics_request
from tests.unit.codec.spans import SPAN_ID, START, TRACE_ID, attributes, deep_value, request, span

LOGS: dict[str, tuple[str, bytes]] = {
    "another_signal": (
        "Spans and a metric that were sent to the logs service.",
        request(span()) + metrics_request(GOOD_METRIC),
    ),
    "empty": ("No byte at all.", b""),
    "one_record": ("The least record: not even a time.", logs.request(LogRecord())),
    "full_record": (
        "Every field.",
        logs.request(
            record(
                "text",
                VALUES,
                observed_time_unix_nano=START + 7,
                event_name="e",
                trace_id=TRACE_ID,
                span_id=SPAN_ID,
                flags=2**32 - 1,
                dropped_attributes_count=2**32 - 1,
            )
        ),
    ),
    "bodies": (
        "Bodies of every type, none, and one without value.",
        logs.request(*(record(body) for body in VALUES.values()), record(VALUES), record(...)),
    ),
    "times": (
        "Time, observed time, neither.",
        logs.request(record(observed_time_unix_nano=5), record(**ZERO, observed_time_unix_nano=START), record(**ZERO)),
    ),
    "levels": (
        "By number, by text, by neither.",
        logs.request(
            *(record(severity_number=number, severity_text="") for number in (0, 1, 4, 5, 24, 25, -1, 32767)),
            *(record(severity_number=0, severity_text=text) for text in ("warning", "Err", "INFO", "x", "\u0131nfo")),
        ),
    ),
    "ids": (
        "Ids of records with the same content.",
        logs.request(record(), record(), record(time_unix_nano=START + 1_000_000)),
    ),
    "content_attributes": (
        "Attributes that were said.",
        logs.request(
            record(
                "kept", {"gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": [{"a": 1}], "k": 1}, trace_id=TRACE_ID
            ),
            record("kept", FAMILY | {"prompt": "kept", "logfire.json_schema": ""}),
        ),
    ),
    "content_bodies": (
        "Bodies of message events, however they are named.",
        logs.request(
            record({"content": "hi"}, {"gen_ai.system": "openai", "content": "c"}, event_name="gen_ai.user.message"),
            record("hi", {"event.name": "gen_ai.choice"}),
            record("hi", {"event_name": "gen_ai.tool.message"}, event_name="other"),
            record(..., event_name="gen_ai.choice"),
            record(None, event_name="gen_ai.choice"),
            record("kept", event_name="other"),
        ),
    ),
    "nul": (
        "NUL in every string.",
        logs.request(record("\0", {"\0": "\0"}, severity_text="\0", event_name="\0"), record(["\0", {"\0": 1}])),
    ),
    "duplicate_keys": (
        "Equal keys in attributes and body.",
        logs.request(LogRecord(attributes=[*attributes({"a": 1}), *attributes({"a": 2})], observed_time_unix_nano=START)),
    ),
    "log_id_dropped": (
        "Ids that are none.",
        logs.request(record(trace_id=b"\1", span_id=bytes(8)), record(trace_id=bytes(16), span_id=SPAN_ID)),
    ),
    "unknown_fields": ("Fields that nobody knows.", styled("logs", logs.request(record({"a": 1})), Style(unknown=True))),
    "time_out_of_range": (
        "",
        logs.request(record(time_unix_nano=2**63), record(observed_time_unix_nano=2**64 - 1), GOOD_RECORD),
    ),
    "outside_window": (
        "Too old, too far ahead.",
        logs.request(record(time_unix_nano=LONG_AGO), record(**ZERO, observed_time_unix_nano=FAR_AHEAD), GOOD_RECORD),
    ),
    "enum_out_of_range": ("", logs.request(record(severity_number=32768), GOOD_RECORD)),
    "record_malformed": (
        "Invalid UTF-8 in a body; an attribute too deep.",
        logs.request(record("SPOILED"), GOOD_RECORD).replace(b"SPOILED", b"\xed\xa0\x80ILED")
        + beside(deep_value(60).replace(b"\x4a", b"\x32", 1)),
    ),
    "source_malformed": (
        "A schema URL that is no UTF-8.",
        logs.request(GOOD_RECORD) + beside(GOOD_RECORD.SerializeToString(), schema_url=b"\xff"),
    ),
    **{
        f"content_{name}": (
            f"Content {name}.",
            logs.request(
                record({"content": "ééé"}, FAMILY, event_name="gen_ai.user.message"), record("ééé", event_name="gen_ai.choice")
            ),
        )
        for name in ("off", "cut")
    },
}
