"""The model: what of a request is stored, written from docs/otlp.md and docs/fidelity.md and from no code of the codec.

Given a request it predicts which records are rejected and by which rule, what is repaired and what is odd, and what comes
back of the rest: its normal form. Two requests say the same when their normal forms are equal.

The normal form of a request is the multiset of its records, each with its resource and scope, as JSON: attributes as
documents (docs/schema.md) with sorted keys, fields that are not set left out, and so empty messages where OTLP gives them no
meaning of their own.

It does not know the limits of size (`too_many_values`, `row_too_large`, `request_rows_too_large`, `too_much_content`,
`sources_too_large`): no request that it is asked about comes near them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import copysign, isfinite, isnan
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.codec import Terms
from llm_observatory.tables import content
from tests.plugins.hostile_wire import INVALID_UTF8, read_fields, tagged

INT64_MAX = 2**63 - 1
INT16_MAX = 2**15 - 1
UINT32_MAX = 2**32 - 1
DEPTH_MAX = 100
"""Messages and unknown groups in each other, below a record, resource, scope or metric."""

RECORDS: dict[str, Any] = {"traces": Span, "metrics": Metric, "logs": LogRecord}
POINTS: dict[str, Any] = {
    "gauge": NumberDataPoint,
    "sum": NumberDataPoint,
    "histogram": HistogramDataPoint,
    "exponential_histogram": ExponentialHistogramDataPoint,
    "summary": SummaryDataPoint,
}
KINDS = Metric.DESCRIPTOR.oneofs_by_name["data"].fields
Json = Any


class Envelope(NamedTuple):
    """One Scope* message: who speaks and what is said. Records of metrics are Points."""

    resource_index: int
    resource: Resource
    resource_schema_url: str
    scope: InstrumentationScope
    scope_schema_url: str
    records: list[Any]


class Points(NamedTuple):
    """One Metric, its data points apart, for they may nest as deep as a message of their own."""

    metric: Metric
    kind: str
    points: list[Any]


@dataclass
class Expected:
    """What becomes of a request."""

    records: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)

    def takes(self, rule: str | None) -> bool:
        """Whether a record that breaks this rule, or none, is stored."""
        if rule is not None:
            self.rejected[rule] += 1
        return rule is None

    def store(self, form: Json) -> None:
        """One record in its form."""
        self.records[json.dumps(form, sort_keys=True)] += 1


# Requests as envelopes


def envelopes_of(request: Any) -> Iterator[Envelope]:
    """Those of a message."""
    resources = getattr(request, request.DESCRIPTOR.fields[0].name)
    for index, around in enumerate(resources):
        for scope in getattr(around, around.DESCRIPTOR.fields_by_number[2].name):
            records = [
                _points_of(record) if isinstance(record, Metric) else record
                for record in getattr(scope, scope.DESCRIPTOR.fields_by_number[2].name)
            ]
            yield Envelope(index, around.resource, around.schema_url, scope.scope, scope.schema_url, records)


def _points_of(metric: Metric) -> Points:
    kind = metric.WhichOneof("data") or ""
    return Points(metric, kind, list(getattr(metric, kind).data_points) if kind else [])


def envelopes_in(signal: str, payload: bytes) -> Iterator[Envelope]:
    """Those of bytes. They are cut by hand: a whole request may nest deeper than protobuf reads."""
    for index, (_, resource_data) in enumerate(read_fields(payload)):
        resource, scopes, resource_url = _level(resource_data)
        for scope_data in scopes:
            scope, records, scope_url = _level(scope_data)
            yield Envelope(
                index,
                Resource.FromString(resource),
                resource_url,
                InstrumentationScope.FromString(scope),
                scope_url,
                [_points_in(data) if signal == "metrics" else RECORDS[signal].FromString(data) for data in records],
            )


def _level(data: bytes) -> tuple[bytes, list[bytes], str]:
    described, below, url = b"", [], ""
    for number, value in read_fields(data):
        if number == 1:
            described += value
        elif number == 2:
            below.append(value)
        else:
            url = value.decode()
    return described, below, url


def _points_in(data: bytes) -> Points:
    kinds = {kind.number: kind for kind in KINDS}
    metric, name, points = Metric(), "", []
    for number, value in read_fields(data):
        if number in kinds:
            name = kinds[number].name
            around = getattr(metric, name)
            around.SetInParent()
            for inner, item in read_fields(value):
                if inner == 1:
                    points.append(POINTS[name].FromString(item))
                else:
                    around.MergeFromString(bytes([inner << 3]) + item)
        else:
            metric.MergeFromString(tagged(number, 2, value))
    return Points(metric, name, points)


# What protobuf itself refuses


def is_malformed(message: Message, groups: int = 0, *, besides: str = "") -> bool:
    """Whether a string in it is no UTF-8, or messages below it nest too deeply; leaving out one of its oneofs.

    `groups` is how many unknown groups in each other are in every message: they count as messages do.
    """
    return _depth(message, besides) + groups > DEPTH_MAX


def _depth(message: Message, besides: str = "") -> int:
    """How many messages nest below it; more than can be when a string is no UTF-8."""
    deepest = 0
    for descriptor, value in message.ListFields():
        if besides and descriptor.containing_oneof is not None and descriptor.containing_oneof.name == besides:
            continue
        items = value if descriptor.is_repeated else (value,)
        if descriptor.message_type is not None:
            deepest = max(deepest, *(1 + _depth(item) for item in items))
        elif descriptor.type == FieldDescriptor.TYPE_STRING and any(is_invalid(item) for item in items):
            return DEPTH_MAX + 1
    return deepest


def is_invalid(text: str) -> bool:
    """Whether it stands for invalid UTF-8."""
    return any(mark in text for mark in INVALID_UTF8)


# Values


class Reader:
    """Messages as JSON, with all repairs made and counted in `repaired`."""

    def __init__(self, repaired: Counter[str], content_max_bytes: int) -> None:
        self.repaired = repaired
        self.content_max_bytes = content_max_bytes

    def text(self, value: str) -> str:
        """NUL is what PostgreSQL cannot hold."""
        self.repaired["nul_replaced"] += "\0" in value
        return value.replace("\0", "\ufffd")

    def attributes(self, pairs: Iterable[KeyValue]) -> dict[str, Json]:
        """A document; of equal keys the last value."""
        document: dict[str, Json] = {}
        for pair in pairs:
            if pair.key_strindex and not pair.key:
                self.repaired["string_index_ignored"] += 1
            value = self.value(pair.value)
            key = self.text(("$" if pair.key.startswith("$") else "") + pair.key)
            self.repaired["duplicate_key"] += key in document
            document[key] = value
        return document

    def value(self, any_value: AnyValue) -> Json:
        """One value as it stands in a document."""
        value: Json = None
        match any_value.WhichOneof("value"):
            case "string_value_strindex":
                self.repaired["string_index_ignored"] += 1
            case "string_value":
                value = self.text(any_value.string_value)
            case "double_value":
                value = double(any_value.double_value)
            case "bytes_value":
                value = {"$bytes": b64encode(any_value.bytes_value).decode()}
            case "array_value":
                value = [self.value(item) for item in any_value.array_value.values]
            case "kvlist_value":
                value = self.attributes(any_value.kvlist_value.values)
            case str(plain):
                value = getattr(any_value, plain)
        return value

    def members(self, message: Message, instead: Mapping[str, Any] | None = None, besides: str = "") -> dict[str, Json]:
        """All fields that are set, by name; with other values `instead`, and leaving out one of the message's oneofs."""
        found: dict[str, Json] = {}
        for descriptor in message.DESCRIPTOR.fields:
            name = descriptor.name
            if besides and descriptor.containing_oneof is not None and descriptor.containing_oneof.name == besides:
                continue
            value = (instead or {}).get(name, getattr(message, name))
            if descriptor.message_type is KeyValue.DESCRIPTOR:
                if value:
                    found[name] = self.attributes(value)
            elif descriptor.is_repeated:
                if value:
                    found[name] = [self._one(item) for item in value]
            elif message.HasField(name) if descriptor.has_presence else value or repr(value) == "-0.0":
                found[name] = self._one(value)
        return found

    def _one(self, value: Any) -> Json:
        if isinstance(value, AnyValue):
            return {"value": self.value(value)}
        if isinstance(value, Message):
            return self.members(value)
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, float):
            return double(value)
        return self.text(value) if isinstance(value, str) else value

    def span(self, span: Span) -> dict[str, Json]:
        """A span without the links that cannot be followed, its content under the terms."""
        links = [link for link in span.links if is_id(link.trace_id, 16) and is_id(link.span_id, 8)]
        dropped = len(span.links) - len(links)
        self.repaired["link_dropped"] += dropped
        counted = min(span.dropped_links_count + dropped, UINT32_MAX)
        found = self.members(span, {"links": links, "dropped_links_count": counted})
        if not found.get("status", True):  # a status without anything is that of a span which says nothing
            del found["status"]
        marked = content.MARK in found.get("attributes", {})
        self._keep(found, {}, marked=marked)
        for event in found.get("events", ()):
            _, keys = content.EVENTS.get(event.get("name", ""), ("", ()))
            self._keep(event, dict.fromkeys(keys), marked=False)
        return found

    def log_record(self, record: LogRecord) -> dict[str, Json]:
        """A log record, its content under the terms; an id that is none is no association."""
        valid: dict[str, bytes] = {}
        for name, size in (("trace_id", 16), ("span_id", 8)):
            value: bytes = getattr(record, name)
            valid[name] = value if is_id(value, size) else b""
            self.repaired["log_id_dropped"] += valid[name] != value
        found = self.members(record, valid)
        document = found.get("attributes", {})
        names = (record.event_name, *(document.get(key) for key in content.EVENT_NAME_KEYS))
        keys = next((content.EVENTS[name][1] for name in names if isinstance(name, str) and name in content.EVENTS), None)
        self._keep(found, dict.fromkeys(keys or ()), marked=False)
        if keys is not None and "body" in found:
            body = found.pop("body")["value"]
            kept = self._cut(body)
            if kept is not None:
                found["body"] = {"value": body if kept == text_of(body) else kept}
        return found

    def point(self, point: Any) -> dict[str, Json]:
        """A data point without the exemplars that say nothing or point nowhere."""
        if "exemplars" not in point.DESCRIPTOR.fields_by_name:
            return self.members(point)
        exemplars = [exemplar for exemplar in point.exemplars if is_whole(exemplar)]
        self.repaired["exemplar_dropped"] += len(point.exemplars) - len(exemplars)
        return self.members(point, {"exemplars": exemplars})

    def metric(self, metric: Metric, kind: str) -> dict[str, Json]:
        """A Metric without its data points."""
        data = self.members(getattr(metric, kind), {"data_points": ()})
        return self.members(metric, besides="data") | {kind: data}

    def described(self, message: Message, schema_url: str) -> dict[str, Json]:
        """A resource or a scope."""
        found = self.members(message)
        url = self.text(schema_url)
        return found | ({"the schema_url beside it": url} if url else {})

    def _keep(self, carrier: dict[str, Json], own: Mapping[str, Any], *, marked: bool) -> None:
        """Cut the content among the attributes of a span, event or log record to what is kept of it."""
        document = carrier.get("attributes", {})
        items: dict[str, list[str]] = {}
        for key in document:
            name = key if key in own else content_name(key, marked=marked)
            if name is not None:
                items.setdefault(name, []).append(key)
        for name, keys in items.items():
            values = {key: document[key] for key in keys}
            value = values if name.endswith((".#", ".*")) else values[name]
            kept = self._cut(value)
            if kept == text_of(value):
                continue
            for key in keys:
                del document[key]
            if kept is not None:
                document[name] = kept
        if not document:
            carrier.pop("attributes", None)

    def _cut(self, value: Json) -> str | None:
        """What is kept of an item as text, None when content is off."""
        if not self.content_max_bytes:
            self.repaired["content_dropped"] += 1
            return None
        data = text_of(value).encode()
        self.repaired["content_truncated"] += len(data) > self.content_max_bytes
        return data[: self.content_max_bytes].decode(errors="ignore")


def text_of(value: Json) -> str:
    """An item of content as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def double(value: float) -> Json:
    """A double as documents hold it."""
    if abs(value) < 1e15 and not (value == 0 and copysign(1, value) < 0):
        return value
    if isfinite(value):
        return {"$double": repr(value)}
    return {"$double": "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"}


def content_name(key: str, *, marked: bool) -> str | None:
    """Under which name an attribute is an item of content: its own or its family's."""
    names = [name for names in content.KINDS.values() for name in names]
    names += [name for names in content.MARKED_KINDS.values() for name in names] if marked else []
    for name in names:
        family = name[:-1] if name.endswith((".#", ".*")) else None
        if family is None:
            if key == name:
                return name
        elif key.startswith(family) and (name.endswith("*") or key[len(family) :][:1] in tuple("0123456789")):
            return name
    return None


def is_id(value: bytes, size: int) -> bool:
    """Whether a trace id (16 bytes) or span id (8 bytes) is one."""
    return len(value) == size and any(value)


def is_whole(exemplar: Exemplar) -> bool:
    """Whether it has a value, and ids that are valid or not there."""
    return (
        exemplar.WhichOneof("value") is not None
        and (not exemplar.trace_id or is_id(exemplar.trace_id, 16))
        and (not exemplar.span_id or is_id(exemplar.span_id, 8))
    )


# Rules: the first one that a record breaks


class Rules(NamedTuple):
    """What the rules depend on."""

    now: int
    terms: Terms
    groups: int = 0

    def window(self, nanoseconds: int) -> str | None:
        """Whether a time is accepted, to the microsecond."""
        time = nanoseconds // 1000
        if self.terms.max_age_us is not None and time < self.now - self.terms.max_age_us:
            return "too_old"
        return "too_far_ahead" if time > self.now + self.terms.max_ahead_us else None

    def span(self, span: Span) -> str | None:
        """Of a span."""
        times = [span.start_time_unix_nano, span.end_time_unix_nano, *(event.time_unix_nano for event in span.events)]
        broken = {
            "record_malformed": is_malformed(span, self.groups),
            "trace_id_invalid": not is_id(span.trace_id, 16),
            "span_id_invalid": not is_id(span.span_id, 8),
            "parent_span_id_invalid": len(span.parent_span_id) not in (0, 8),
            "time_out_of_range": max(times) > INT64_MAX,
            self.window(span.start_time_unix_nano) or "": self.window(span.start_time_unix_nano),
            "enum_out_of_range": is_far(span.kind) or is_far(span.status.code),
        }
        return next((rule for rule, is_broken in broken.items() if is_broken), None)

    def log_record(self, record: LogRecord) -> str | None:
        """Of a log record. Without a time it is as old as its arrival."""
        times = (record.time_unix_nano, record.observed_time_unix_nano)
        outside = self.window(record.time_unix_nano or record.observed_time_unix_nano or self.now * 1000)
        broken = {
            "record_malformed": is_malformed(record, self.groups),
            "time_out_of_range": max(times) > INT64_MAX,
            "enum_out_of_range": is_far(record.severity_number),
            outside or "": outside,
        }
        return next((rule for rule, is_broken in broken.items() if is_broken), None)

    def point(self, point: Any) -> str | None:
        """Of a data point."""
        if is_malformed(point, self.groups):
            return "record_malformed"
        if not point.time_unix_nano:
            return "point_time_missing"
        exemplars = getattr(point, "exemplars", ())
        if max(point.time_unix_nano, point.start_time_unix_nano, *(item.time_unix_nano for item in exemplars)) > INT64_MAX:
            return "time_out_of_range"
        outside = self.window(point.time_unix_nano)
        if outside is not None:
            return outside
        if isinstance(point, NumberDataPoint):
            return None if point.WhichOneof("value") or point.flags & 1 else "point_value_missing"
        return "count_out_of_range" if max(counts_of(point)) > INT64_MAX else None

    def metric(self, metric: Metric, kind: str) -> str | None:
        """Of a Metric, which then is that of all its points."""
        if is_malformed(metric, self.groups, besides="data"):
            return "metric_malformed"
        return "enum_out_of_range" if is_far(getattr(getattr(metric, kind), "aggregation_temporality", 0)) else None

    def source(self, envelope: Envelope) -> str | None:
        """Of who speaks, which then is that of all records."""
        malformed = (
            is_malformed(envelope.resource, self.groups)
            or is_malformed(envelope.scope, self.groups)
            or is_invalid(envelope.resource_schema_url)
            or is_invalid(envelope.scope_schema_url)
        )
        return "source_malformed" if malformed else None


def is_far(number: int) -> bool:
    """Whether an enum does not fit 16 bits."""
    return not -INT16_MAX - 1 <= number <= INT16_MAX


def counts_of(point: Any) -> list[int]:
    """Every count in a histogram or summary."""
    found = [point.count]
    if isinstance(point, HistogramDataPoint):
        found += point.bucket_counts
    elif isinstance(point, ExponentialHistogramDataPoint):
        found += [point.zero_count, *point.positive.bucket_counts, *point.negative.bucket_counts]
    return found


def oddities(point: Any) -> Iterator[str]:
    """What is odd about a data point by itself."""
    if point.start_time_unix_nano > point.time_unix_nano:
        yield "start_after_time"
    if isinstance(point, HistogramDataPoint):
        counts, bounds = point.bucket_counts, point.explicit_bounds
        if (counts or bounds) and (len(counts) != len(bounds) + 1 or sum(counts) != point.count):
            yield "buckets_inconsistent"
        if any(isnan(bound) for bound in bounds) or not all(lower < upper for lower, upper in pairwise(bounds)):
            yield "bounds_not_increasing"
    elif isinstance(point, ExponentialHistogramDataPoint) and sum(counts_of(point)[1:]) != point.count:
        yield "buckets_inconsistent"


# All of it


def predict(envelopes: Iterable[Envelope], now: int, terms: Terms, groups: int = 0) -> Expected:
    """What becomes of a request that is received at `now`, in microseconds since the Unix epoch.

    `groups` is how many unknown groups in each other its writer puts into every message.
    """
    expected, rules = Expected(), Rules(now, terms, groups)
    reader = Reader(expected.repaired, terms.content_max_bytes)
    elsewhere = Reader(Counter(), terms.content_max_bytes)
    read: set[int] = set()
    for envelope in envelopes:
        if not envelope.records:
            continue
        refused = rules.source(envelope)
        speaker: list[Json] = []
        if refused is None:
            # What is repaired in a resource counts once, though it speaks for several scopes.
            of_resource = elsewhere if envelope.resource_index in read else reader
            read.add(envelope.resource_index)
            speaker.append(of_resource.described(envelope.resource, envelope.resource_schema_url))
            speaker.append(reader.described(envelope.scope, envelope.scope_schema_url))
        for record in envelope.records:
            if isinstance(record, Points):
                _points(record, speaker, refused, rules, expected, reader)
            elif isinstance(record, Span):
                if expected.takes(refused or rules.span(record)):
                    expected.store([*speaker, reader.span(record)])
                    expected.odd["end_before_start"] += 0 < record.end_time_unix_nano < record.start_time_unix_nano
            elif expected.takes(refused or rules.log_record(record)):
                expected.store([*speaker, reader.log_record(record)])
    for counts in (expected.repaired, expected.odd):
        counts += Counter()  # without those that are 0
    return expected


def _points(record: Points, speaker: list[Json], refused: str | None, rules: Rules, expected: Expected, reader: Reader) -> None:
    """The data points of one Metric; what is repaired in it counts once, if one of them is stored."""
    metric, kind, points = record
    if not kind:
        expected.odd["metric_without_data"] += 1
        return
    refused = refused or rules.metric(metric, kind)
    head: Json = None
    for point in points:
        if not expected.takes(refused or rules.point(point)):
            continue
        if head is None:
            head = reader.metric(metric, kind)
        expected.store([*speaker, head, reader.point(point)])
        expected.odd["temporality_unspecified"] += getattr(getattr(metric, kind), "aggregation_temporality", 1) == 0
        expected.odd.update(oddities(point))
