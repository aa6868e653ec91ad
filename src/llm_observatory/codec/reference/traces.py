"""ExportTraceServiceRequest → rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory.codec.reference import measure, walk
from llm_observatory.codec.reference.compiled import Program
from llm_observatory.codec.reference.document import DocumentReader
from llm_observatory.codec.reference.source import (
    Described,
    Source,
    Speaker,
    read_resource,
    read_scope,
)
from llm_observatory.codec.reference.span import SpanRecord, broken_rule
from llm_observatory.codec.reference.wire import Malformed
from llm_observatory.codec.request import REJECTION_SAMPLES, EncodedRequest, EncodedTable, Rejection, Terms

SIGNAL = "traces"
STEP_BYTES = 256 * 1024
CHUNK_BYTES = 128 * 1024
HOUR_US = 3_600_000_000
CACHED_SOURCES = 256
"""Sources remembered within a request; each holds a template of its rows."""

SOURCE_ROWS_MAX_BYTES = 64 * 1024 * 1024
"""Each source repeats its resource. One large resource with many scopes would otherwise grow a request a thousandfold."""

SPAN = measure.shape(Span.DESCRIPTOR)

_SourceKey = tuple[bytes, bytes, bytes, bytes]


class _NewSource(NamedTuple):
    """A source within its request. Its documents are not kept: they may be a hundred times as large as on the wire."""

    origin: Source
    resource_repaired: dict[str, int]
    scope_repaired: dict[str, int]


class TraceEncoder:
    """One request on its way through: what has been encoded, refused and repaired so far."""

    def __init__(self, program: Program, tenant: str, payload: bytes, now: int, terms: Terms) -> None:
        self._program = program
        self._tenant = tenant
        self._payload = payload
        self._now = now
        self._terms = terms
        self._repaired: dict[str, int] = {}
        self._reader = DocumentReader(self._repaired)
        self._rows: list[bytes] = []
        self._row_bytes = 0
        self._chunks: list[bytes] = []
        self._accepted = 0
        self._rejected: list[Rejection] = []
        self._rejected_by_rule: dict[str, int] = {}
        self._source_rows: dict[bytes, bytes] = {}
        self._source_bytes = 0
        self._cache: dict[_SourceKey, _NewSource | str] = {}
        self._resource: tuple[int, Described | str] = (-1, "source_malformed")
        self._repairs_of_resource = -1
        self._trace_times: dict[bytes, tuple[int, int]] = {}
        self._hours: dict[int, set[bytes]] = {}

    def steps(self) -> Generator[None, None, EncodedRequest]:
        """Encode; yields about every STEP_BYTES of payload."""
        try:
            yield from self._walk()
        except Malformed as error:
            broken = walk.invalid(error)
        else:
            return self._finish()
        raise broken

    def _walk(self) -> Generator[None, None, None]:
        payload, mark = self._payload, STEP_BYTES
        for found in walk.envelopes(payload):
            if found is None:
                yield
            elif isinstance(found, int):
                if found >= mark:
                    mark = found + STEP_BYTES
                    yield
            else:
                origin = self._source(found)
                for index, (start, end) in enumerate(walk.records(payload, found)):
                    rule = origin if isinstance(origin, str) else self._span(payload[start:end], origin)
                    if rule is not None:
                        self._reject(found, index, rule)
                    if end >= mark:
                        mark = end + STEP_BYTES
                        yield

    def _source(self, envelope: walk.Envelope) -> Source | str:
        """The source of an envelope's records, or the rule that refuses it. Its repairs count at every occurrence."""
        key = (envelope.resource, envelope.resource_schema_url, envelope.scope, envelope.scope_schema_url)
        if key not in self._cache:
            if len(self._cache) >= CACHED_SOURCES:
                self._cache.clear()
            self._cache[key] = self._new_source(envelope)
        found = self._cache[key]
        if isinstance(found, str):
            return found
        repaired = [found.scope_repaired]
        if envelope.resource_index != self._repairs_of_resource:
            self._repairs_of_resource = envelope.resource_index
            repaired.append(found.resource_repaired)
        for rules in repaired:
            for rule, times in rules.items():
                self._reader.count(rule, times)
        return found.origin

    def _new_source(self, envelope: walk.Envelope) -> _NewSource | str:
        if self._source_bytes > SOURCE_ROWS_MAX_BYTES:
            return "sources_too_large"
        if self._resource[0] != envelope.resource_index:
            self._resource = (envelope.resource_index, read_resource(envelope))
        resource, scope = self._resource[1], read_scope(envelope)
        if isinstance(resource, str):
            return resource
        if isinstance(scope, str):
            return scope
        speaker = Speaker(self._tenant, self._now, resource, scope)
        row = self._program.sources.encode(speaker)
        self._source_bytes += len(row)
        template, ranks = self._program.spans.template(speaker)
        return _NewSource(Source(speaker.id, row, template, ranks), resource.repaired, scope.repaired)

    def _span(self, data: bytes, origin: Source) -> str | None:
        """Encode one span; the rule it breaks when it cannot be stored."""
        try:
            rule = measure.exceeded(data, SPAN)
            if rule is not None:
                return rule
            span = Span.FromString(data)
        except (Malformed, DecodeError):
            return "record_malformed"
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        rule = broken_rule(span, start, end, self._now, self._terms)
        if rule is not None:
            return rule
        record = SpanRecord(span, start, end, self._reader, origin.template.copy())
        row = self._program.spans.row(record, origin)
        self._rows.append(row)
        self._row_bytes += len(row)
        if self._row_bytes >= CHUNK_BYTES:
            self._chunks.append(b"".join(self._rows))
            self._rows.clear()
            self._row_bytes = 0
        self._accepted += 1
        self._source_rows[origin.id] = origin.row
        self._see(span.trace_id, start // 1000)
        return None

    def _see(self, trace_id: bytes, start_us: int) -> None:
        times = self._trace_times.get(trace_id)
        if times is None:
            self._trace_times[trace_id] = (start_us, start_us)
        elif not times[0] <= start_us <= times[1]:
            self._trace_times[trace_id] = (min(times[0], start_us), max(times[1], start_us))
        hour = start_us // HOUR_US
        if hour in self._hours:
            self._hours[hour].add(trace_id)
        else:
            self._hours[hour] = {trace_id}

    def _reject(self, envelope: walk.Envelope, index: int, rule: str) -> None:
        self._rejected_by_rule[rule] = self._rejected_by_rule.get(rule, 0) + 1
        if len(self._rejected) < REJECTION_SAMPLES:
            path = f"resource_spans[{envelope.resource_index}].scope_spans[{envelope.scope_index}].spans[{index}]"
            self._rejected.append(Rejection(path, rule))

    def _finish(self) -> EncodedRequest:
        program = self._program
        if self._rows:
            self._chunks.append(b"".join(self._rows))
        made = {
            program.spans.name: EncodedTable(program.spans.name, self._accepted, tuple(self._chunks)),
            program.trace_index.name: _table(program.trace_index.name, program.trace_index.rows(self._trace_values())),
            program.touched.name: _table(program.touched.name, program.touched.rows(self._touched_values())),
        }
        times = self._trace_times.values()
        return EncodedRequest(
            tables=tuple(made[name] for name in program.table_order if name in made and made[name].rows),
            accepted=self._accepted,
            dimensions={self._program.sources.name: self._source_rows} if self._source_rows else {},
            rejected=tuple(self._rejected),
            rejected_by_rule=self._rejected_by_rule,
            repaired=self._repaired,
            hours=tuple(hour * HOUR_US for hour in sorted(self._hours)),
            min_time=min((first for first, _ in times), default=None),
            max_time=max((last for _, last in times), default=None),
        )

    def _trace_values(self) -> Iterable[dict[str, Any]]:
        """One row per trace, in the order in which they first came."""
        for trace_id, (first, last) in self._trace_times.items():
            yield {"request.tenant": self._tenant, "trace.id": trace_id, "trace.first_us": first, "trace.last_us": last}

    def _touched_values(self) -> Iterable[dict[str, Any]]:
        """One row per hour, oldest first."""
        for hour, trace_ids in sorted(self._hours.items()):
            yield {
                "request.tenant": self._tenant,
                "request.received_at": self._now,
                "touched.signal": SIGNAL,
                "touched.hour": hour * HOUR_US,
                "touched.trace_ids": sorted(trace_ids),
            }


def _table(name: str, rows: list[bytes]) -> EncodedTable:
    chunks: list[bytes] = []
    pending: list[bytes] = []
    size = 0
    for row in rows:
        pending.append(row)
        size += len(row)
        if size >= CHUNK_BYTES:
            chunks.append(b"".join(pending))
            pending.clear()
            size = 0
    if pending:
        chunks.append(b"".join(pending))
    return EncodedTable(name, len(rows), tuple(chunks))
