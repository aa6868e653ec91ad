"""Export*ServiceRequest → rows: what the three signals have in common.

The way through the payload, who speaks, and the rows that sum up a request. What a record becomes is its signal's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from llm_observatory.codec.reference import walk
from llm_observatory.codec.reference.batch import HOUR_US, Batch
from llm_observatory.codec.reference.compiled import BesideTable, DimensionTable
from llm_observatory.codec.reference.source import Described, Speaker, read_resource, read_scope
from llm_observatory.codec.reference.wire import Malformed
from llm_observatory.codec.request import EncodedRequest
from llm_observatory.tables.limits import CACHED_SOURCES, DIMENSION_ROWS_MAX_BYTES

STEP_BYTES = 256 * 1024

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Source(Generic[Prepared]):
    """One resource and scope: the row of sources, and what the signal made of it once for all its records."""

    id: bytes
    row: bytes
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class _Known(Generic[Prepared]):
    """A source within its request. Its documents are not kept: they may be a hundred times as large as on the wire."""

    source: Source[Prepared]
    resource_repaired: dict[str, int]
    scope_repaired: dict[str, int]


class RecordEncoder(Protocol[Prepared]):
    """What differs between signals."""

    def prepare(self, speaker: Speaker) -> Prepared:
        """What all records of a source share."""
        ...

    def scope(self, envelope: walk.Envelope, source: Source[Prepared] | str) -> Iterator[int | None]:
        """Encode or reject every record of one Scope* message; yields where in the payload it has got to, or None for a pause.

        `source` is the rule that refuses all of them when nobody can be said to speak.
        """
        ...

    def finish(self) -> None:
        """Add the rows that sum up the request."""
        ...


class RequestEncoder(Generic[Prepared]):
    """One request on its way through."""

    def __init__(
        self, sources: DimensionTable[Speaker], order: list[str], payload: bytes, batch: Batch, records: RecordEncoder[Prepared]
    ) -> None:
        self._sources = sources
        self._order = order
        self._payload = payload
        self._batch = batch
        self._records = records
        self._cache: dict[tuple[bytes, bytes, bytes, bytes], _Known[Prepared] | str] = {}
        self._resource: tuple[int, Described | str] = (-1, "source_malformed")
        self._repairs_of_resource = -1
        self._source_bytes = 0

    def steps(self) -> Generator[None, None, EncodedRequest]:
        """Encode; yields about every STEP_BYTES of payload."""
        try:
            yield from self._walk()
        except Malformed as error:
            broken = walk.invalid(error)
        else:
            self._records.finish()
            return self._batch.encoded(self._order)
        raise broken

    def _walk(self) -> Generator[None, None, None]:
        mark = STEP_BYTES
        for found in walk.envelopes(self._payload):
            if found is None:
                yield
            elif isinstance(found, int):
                if found >= mark:
                    mark = found + STEP_BYTES
                    yield
            else:
                for position in self._records.scope(found, self._source(found)):
                    if position is None:
                        yield
                    elif position >= mark:
                        mark = position + STEP_BYTES
                        yield

    def _source(self, envelope: walk.Envelope) -> Source[Prepared] | str:
        """The source of an envelope's records, or the rule that refuses it. Its repairs count at every occurrence."""
        key = (envelope.resource, envelope.resource_schema_url, envelope.scope, envelope.scope_schema_url)
        if key not in self._cache:
            if len(self._cache) >= CACHED_SOURCES:
                del self._cache[next(iter(self._cache))]
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
                self._batch.reader.count(rule, times)
        return found.source

    def _new_source(self, envelope: walk.Envelope) -> _Known[Prepared] | str:
        if self._source_bytes > DIMENSION_ROWS_MAX_BYTES:
            return "sources_too_large"
        if self._resource[0] != envelope.resource_index:
            self._resource = (envelope.resource_index, read_resource(envelope))
        resource, scope = self._resource[1], read_scope(envelope)
        if isinstance(resource, str):
            return resource
        if isinstance(scope, str):
            return scope
        speaker = Speaker(self._batch.tenant, self._batch.now, resource, scope)
        template = self._sources.template(speaker)
        speaker.id = self._sources.seal(template)
        row = b"".join(template)
        self._source_bytes += len(row)
        return _Known(Source(speaker.id, row, self._records.prepare(speaker)), resource.repaired, scope.repaired)


def touched(table: BesideTable, batch: Batch, signal: str) -> None:
    """One row per hour, oldest first: what changed."""
    values = (
        {
            "request.tenant": batch.tenant,
            "request.received_at": batch.now,
            "touched.signal": signal,
            "touched.hour": hour * HOUR_US,
            "touched.trace_ids": sorted(trace_ids),
        }
        for hour, trace_ids in sorted(batch.hours.items())
    )
    for row in table.rows(values):
        batch.rows(table.name).add(row)
