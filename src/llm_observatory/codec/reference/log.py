"""One log record as one row: the rules it must keep, and what each op reads from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory.codec.reference.accepted import INT2_MAX, INT2_MIN, INT64_MAX, outside_window
from llm_observatory.codec.reference.document import DocumentReader, Value, render, render_value
from llm_observatory.codec.reference.ids import is_span_id, is_trace_id
from llm_observatory.codec.request import Terms

TIME, OBSERVED, RECEIVED = range(3)
"""Where `log.time_us` comes from."""

NUMBERS_A_LEVEL = 4

SUFFIX_BYTES = 10
RANDOM_BITS = 74
"""Of a UUIDv7: 12 after the version, 62 after the variant."""


def time_of(record: LogRecord, now: int) -> tuple[int, int]:
    """Nanoseconds since the Unix epoch at which the record is stored, and where they come from."""
    if record.time_unix_nano:
        return record.time_unix_nano, TIME
    if record.observed_time_unix_nano:
        return record.observed_time_unix_nano, OBSERVED
    return now * 1000, RECEIVED


def broken_rule(record: LogRecord, time: int, now: int, terms: Terms) -> str | None:
    """The first rejection rule that the record breaks, None when it can be stored."""
    if time > INT64_MAX or record.observed_time_unix_nano > INT64_MAX:
        return "time_out_of_range"
    if not INT2_MIN <= record.severity_number <= INT2_MAX:
        return "enum_out_of_range"
    return outside_window(time // 1000, now, terms)


class Identities:
    """Ids of the records of one request. UUIDv7 layout (RFC 9562, 5.7): milliseconds of the record, the rest counts up.

    The first record's number is the last 74 bits of BLAKE2b-128 over the request's digest, and every other record's is one more
    than that of the record before it. So a request that is encoded again gives the same ids, ids sort by time, and those of one
    request and millisecond in its order, but where the count goes over 2^74. `ordinal` is the record's place among all of the
    request. Records without times, which may come twice in a millisecond, have a count of their own: into its hash goes, last,
    when they were received (microseconds, 8 bytes, big endian).
    """

    def __init__(self, digest: bytes, received: int) -> None:
        self._timed = _number(digest)
        self._untimed = _number(digest + received.to_bytes(8, "big"))

    def of(self, time: int, time_source: int, ordinal: int) -> bytes:
        """That of the record at `time` (nanoseconds)."""
        first = self._untimed if time_source == RECEIVED else self._timed
        return (time // 1_000_000).to_bytes(6, "big") + _suffix(first + ordinal)

    def suffixes(self, records: int) -> Iterator[bytes]:
        """The last ten bytes of every id that so many records may have."""
        for ordinal in range(records):
            yield _suffix(self._timed + ordinal)
            yield _suffix(self._untimed + ordinal)


def _number(hashed: bytes) -> int:
    return int.from_bytes(blake2b(hashed, digest_size=16).digest(), "big")


def _suffix(number: int) -> bytes:
    high, low = divmod(number % (1 << RANDOM_BITS), 1 << 62)
    return ((0x7000 | high) << 64 | 0b10 << 62 | low).to_bytes(SUFFIX_BYTES, "big")


class LevelNames:
    """Severity as one of the level names of the logs data model."""

    def __init__(self, logs: Mapping[str, Any]) -> None:
        self._levels: list[str] = logs["levels"]
        self._by_text = {name: name for name in self._levels} | logs["level_aliases"]

    def level(self, number: int, text: str) -> str:
        """By the number; by the text when there is none. Empty when neither says anything."""
        if 1 <= number <= len(self._levels) * NUMBERS_A_LEVEL:
            return self._levels[(number - 1) // NUMBERS_A_LEVEL]
        return self._by_text.get(text.upper(), "") if text.isascii() else ""


class LoggedRecord:
    """One log record on its way into a row: what the ops read.

    `trace` and `span` are their ids, None for no association, which an invalid id means as well. `document` is its attributes,
    `body` its body, None where it has none; what is content leaves both.
    """

    __slots__ = ("body", "document", "id", "levels", "message", "reader", "span", "time", "time_source", "trace")

    def __init__(
        self, message: LogRecord, time: tuple[int, int], reader: DocumentReader, identity: bytes, levels: LevelNames
    ) -> None:
        self.message = message
        self.time, self.time_source = time
        self.reader = reader
        self.id = identity
        self.levels = levels
        self.trace = self._association(message.trace_id, valid=is_trace_id(message.trace_id))
        self.span = self._association(message.span_id, valid=is_span_id(message.span_id))
        self.document: dict[str, Value] = reader.attributes(message.attributes)
        self.body: AnyValue | None = message.body if message.HasField("body") else None

    def _association(self, identity: bytes, *, valid: bool) -> bytes | None:
        if valid:
            return identity
        if identity:
            self.reader.count("log_id_dropped")
        return None

    def text_body(self) -> str | None:
        """The body if it is a string."""
        if self.body is None or self.body.WhichOneof("value") != "string_value":
            return None
        return self.reader.text(self.body.string_value)

    def other_body(self) -> bytes | None:
        """The JSON text of a body that is anything else; null when it holds no value."""
        if self.body is None or self.body.WhichOneof("value") == "string_value":
            return None
        return render_value(self.reader.value(self.body))


def _observed_us(record: LoggedRecord) -> int | None:
    observed = record.message.observed_time_unix_nano
    return observed // 1000 if observed else None


def _observed_nanos(record: LoggedRecord) -> int | None:
    observed = record.message.observed_time_unix_nano
    return observed % 1000 if observed else None


OPS: dict[str, Callable[[LoggedRecord], Any]] = {
    "log.time_us": lambda record: record.time // 1000,
    "log.time_nanos": lambda record: record.time % 1000,
    "log.time_source": lambda record: record.time_source,
    "log.observed_us": _observed_us,
    "log.observed_nanos": _observed_nanos,
    "log.id": lambda record: record.id,
    "log.trace_id": lambda record: record.trace,
    "log.span_id": lambda record: record.span,
    "log.level": lambda record: record.levels.level(record.message.severity_number, record.message.severity_text),
    "log.severity_number": lambda record: record.message.severity_number,
    "log.severity_text": lambda record: record.reader.text(record.message.severity_text) or None,
    "log.event_name": lambda record: record.reader.text(record.message.event_name) or None,
    "log.message": LoggedRecord.text_body,
    "log.body": LoggedRecord.other_body,
    "log.attributes": lambda record: render(record.document),
    "log.flags": lambda record: record.message.flags,
    "log.dropped_attributes_count": lambda record: record.message.dropped_attributes_count,
}
