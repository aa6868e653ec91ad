"""Log records → rows of records, and of what was said in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory.codec.reference import log, measure, walk
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.compiled import BesideTable, RecordTable
from llm_observatory.codec.reference.content_rows import ContentRows, ContentTable, Template
from llm_observatory.codec.reference.encoder import Source, touched
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.request import Terms

LOG_RECORD = measure.shape(LogRecord.DESCRIPTOR)

NAMED = b"\x0a"
"""How spans and metrics begin: field 1 (trace id, name) as bytes. Of a log record it is a fixed64. All that a record needs is
optional, so that spans and sums sent to the wrong service would be records without time and text."""


class Prepared(NamedTuple):
    """What the source decides of a row of records and of content."""

    row: list[bytes]
    content: Template


class LogTables:
    """What a log request writes."""

    def __init__(self, spec: Spec) -> None:
        records = spec.filled_by("log.id", "fact")
        self.records = RecordTable(records, log.OPS)
        self.content = ContentTable(spec, records)
        self.touched = BesideTable(spec.filled_by("touched.hour", "queue"))
        self.levels = log.LevelNames(spec.logs)


class Logs:
    """The RecordEncoder of logs."""

    def __init__(self, tables: LogTables, sources: str, payload: bytes, batch: Batch, digest: bytes, terms: Terms) -> None:
        self._tables = tables
        self._sources = sources
        self._payload = payload
        self._batch = batch
        self._identities = log.Identities(digest, batch.now)
        self._terms = terms
        self._content = ContentRows(tables.content, batch, terms.content_max_bytes)
        self._ordinal = 0

    def prepare(self, speaker: Speaker) -> Prepared:
        """See RecordEncoder."""
        return Prepared(self._tables.records.template(speaker), self._tables.content.prepare(speaker))

    def scope(self, envelope: walk.Envelope, source: Source[Prepared] | str) -> Iterator[int]:
        """See RecordEncoder."""
        payload = self._payload
        for index, (start, end) in enumerate(walk.records(payload, envelope)):
            rule = source if isinstance(source, str) else self._record(payload[start:end], source)
            if rule is not None:
                path = f"resource_logs[{envelope.resource_index}].scope_logs[{envelope.scope_index}].log_records[{index}]"
                self._batch.reject(path, rule)
            self._ordinal += 1
            yield end

    def _record(self, data: bytes, source: Source[Prepared]) -> str | None:
        """Encode one record; the rule it breaks when it cannot be stored."""
        batch = self._batch
        message = measure.parsed(data, LogRecord, LOG_RECORD, "record_malformed")
        if isinstance(message, str):
            return message
        if data.startswith(NAMED):
            return "record_malformed"
        time = log.time_of(message, batch.now)
        rule = log.broken_rule(message, time[0], batch.now, self._terms) or self._content.full()
        if rule is not None:
            return rule
        row = source.prepared.row.copy()
        identity = self._identities.of(*time, self._ordinal)
        record = log.LoggedRecord(message, time, batch.reader, identity, self._tables.levels)
        self._content.take_from_log(record, source.prepared.content)
        self._tables.records.fill(row, record)
        batch.rows(self._tables.records.name).add(b"".join(row))
        batch.name(self._sources, source.id, source.row)
        batch.accept(time[0] // 1000)
        batch.untimed |= record.time_source == log.RECEIVED
        return None

    def finish(self) -> None:
        """See RecordEncoder."""
        if self._batch.hours:
            touched(self._tables.touched, self._batch, "logs")
