"""Log records → rows."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from llm_observatory.codec.reference import log, measure, walk
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.compiled import BesideTable, RecordTable
from llm_observatory.codec.reference.encoder import Source, touched
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.spec import Spec
from llm_observatory.codec.reference.wire import Malformed
from llm_observatory.codec.request import Terms

LOG_RECORD = measure.shape(LogRecord.DESCRIPTOR)


class LogTables:
    """What a log request writes."""

    def __init__(self, spec: Spec) -> None:
        self.records = RecordTable(spec.filled_by("log.id", "fact"), log.OPS)
        self.touched = BesideTable(spec.filled_by("touched.hour", "queue"))
        self.levels = log.LevelNames(spec.logs)


class Logs:
    """The RecordEncoder of logs."""

    def __init__(self, tables: LogTables, sources: str, payload: bytes, batch: Batch, digest: bytes, terms: Terms) -> None:
        self._tables = tables
        self._sources = sources
        self._payload = payload
        self._batch = batch
        self._digest = digest
        self._terms = terms
        self._ordinal = 0

    def prepare(self, speaker: Speaker) -> list[bytes]:
        """See RecordEncoder: a row with all that the source decides."""
        return self._tables.records.template(speaker)

    def scope(self, envelope: walk.Envelope, source: Source[list[bytes]] | str) -> Iterator[int]:
        """See RecordEncoder."""
        payload = self._payload
        for index, (start, end) in enumerate(walk.records(payload, envelope)):
            rule = source if isinstance(source, str) else self._record(payload[start:end], source)
            if rule is not None:
                path = f"resource_logs[{envelope.resource_index}].scope_logs[{envelope.scope_index}].log_records[{index}]"
                self._batch.reject(path, rule)
            self._ordinal += 1
            yield end

    def _record(self, data: bytes, source: Source[list[bytes]]) -> str | None:
        """Encode one record; the rule it breaks when it cannot be stored."""
        batch = self._batch
        try:
            rule = measure.exceeded(data, LOG_RECORD)
            if rule is not None:
                return rule
            message = LogRecord.FromString(data)
        except (Malformed, DecodeError):
            return "record_malformed"
        time = log.time_of(message, batch.now)
        rule = log.broken_rule(message, time[0], batch.now, self._terms)
        if rule is not None:
            return rule
        row = source.prepared.copy()
        record = log.LoggedRecord(message, time, batch.reader, self._digest, self._ordinal, self._tables.levels)
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
