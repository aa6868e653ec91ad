"""Rows as OTLP again, with what stands beside them: the sources that sent them and what was said in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from llm_observatory import codec
from llm_observatory.api.v1.source_pb2 import Source
from llm_observatory.codec.reference.decode import decode_source
from llm_observatory.codec.reference.fields import EPOCH_US
from llm_observatory.codec.rows import Fields
from llm_observatory.query.time_range import NANOSECONDS_PER_MICROSECOND
from llm_observatory.storage.compose import SQL, Composed, Identifier, named
from llm_observatory.storage.read import Reader
from llm_observatory.tables import LLM_CONTENT, LLM_LOGS, TELEMETRY_SOURCES, Table

T = TypeVar("T", Span, LogRecord)

MESSAGE_BYTES = 3 * 1024 * 1024
"""Of an answer: clients of gRPC take 4 MiB unless they are told otherwise."""


class Room:
    """What still goes into a message: up to MESSAGE_BYTES, and one thing at least, however large it is."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, size: int) -> bool:
        """Room for `size` bytes more; False where there is none."""
        if self._taken and self._taken + size > MESSAGE_BYTES:
            return False
        self._taken += size
        return True


Dimensions: TypeAlias = Mapping[str, Mapping[bytes, Fields]]
"""Rows of dimension tables, by table name and id."""


def columns(table: Table, alias: str | None = None) -> Composed:
    """All columns of a table in their order, as `codec.decode` takes them."""
    return SQL(", ").join(
        Identifier(column.name) if alias is None else Identifier(alias, column.name) for column in table.columns
    )


def place(table: Table, op: str) -> int:
    """Where in a row of all columns the one stands that `op` fills."""
    [found] = (place for place, column in enumerate(table.columns) if column.op == op)
    return found


def time_of(time: bytes | None, rest: bytes | None) -> int:
    """Nanoseconds since the Unix epoch, of a timestamptz and the nanoseconds beside it as PostgreSQL sends them."""
    microseconds = int.from_bytes(time or b"", "big", signed=True) + EPOCH_US
    return microseconds * NANOSECONDS_PER_MICROSECOND + int.from_bytes(rest or b"", "big")


_SOURCES = named(files(__package__) / "sql", "sources").format(columns=columns(TELEMETRY_SOURCES))
_SOURCE_ID = place(TELEMETRY_SOURCES, "source.id")
_LOG_ID, _CONTENT_LOG_ID = place(LLM_LOGS, "log.id"), place(LLM_CONTENT, "content.log_id")
_SHALLOW: dict[int, bytes | None] = {place(LLM_LOGS, "log.attributes"): b"\x01{}", place(LLM_LOGS, "log.body"): None}
"""What nests. A record may be 100 messages deep, and with what stands around it that is beyond what is read."""


async def read_sources(reader: Reader, tenant: str, ids: Collection[bytes]) -> dict[bytes, Fields]:
    """The rows of these sources by id; what is not there any more is left out."""
    if not ids:
        return {}
    found = await reader.fields(_SOURCES, {"tenant": tenant, "ids": [identity.hex() for identity in ids]})
    return {row[_SOURCE_ID] or b"": row for row in found}


def source_of(row: Fields | None) -> Source:
    """A row of sources as an answer has it; empty for one that is not there any more."""
    return Source() if row is None else Source(**decode_source(row)._asdict())


async def dimensions_of(reader: Reader, tenant: str, table: Table, rows: Sequence[Fields]) -> Dimensions:
    """What `codec.decode` needs beside rows of spans or log records."""
    which = place(table, "source.id")
    ids = {identity for row in rows if (identity := row[which]) is not None}
    return {TELEMETRY_SOURCES.name: await read_sources(reader, tenant, ids)}


class FoundRows(NamedTuple):
    """Rows of spans or log records, and what `codec.decode` needs beside them."""

    rows: Sequence[Fields]
    dimensions: Dimensions
    content: Sequence[Fields]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def byte_size(self) -> int:
        """Of the fields of its rows and content: what decoding them takes goes by it."""
        return sum(len(field) for row in (*self.rows, *self.content) for field in row if field is not None)


class Record(NamedTuple, Generic[T]):
    """A span or log record and who sent it."""

    record: T
    source: Source


def spans(rows: Sequence[Fields], dimensions: Dimensions, content: Sequence[Fields] = ()) -> Iterator[Record[Span]]:
    """Each row of spans as it was sent, in the order of the rows."""
    for row in rows:
        [resource] = TracesData.FromString(codec.decode("traces", [row], dimensions, content)).resource_spans
        [scope] = resource.scope_spans
        source = Source(
            resource=resource.resource,
            resource_schema_url=resource.schema_url,
            scope=scope.scope,
            scope_schema_url=scope.schema_url,
        )
        yield Record(scope.spans[0], source)


def logs(found: FoundRows) -> Iterator[Record[LogRecord]]:
    """Each row of log records as it was sent, in the order of the rows; decoded when it is asked for.

    What nests too deep for an answer comes without content, attributes and a body that is no string.
    """
    said: dict[bytes | None, list[Fields]] = {}
    for row in found.content:
        said.setdefault(row[_CONTENT_LOG_ID], []).append(row)
    for row in found.rows:
        # With its own content alone: all that is handed over is parsed.
        own = said.get(row[_LOG_ID], ())
        try:
            record = _log(row, found.dimensions, own)
        except DecodeError:
            record = _log([_SHALLOW.get(place, value) for place, value in enumerate(row)], found.dimensions, ())
        yield record


def _log(row: Fields, dimensions: Dimensions, content: Sequence[Fields]) -> Record[LogRecord]:
    [resource] = LogsData.FromString(codec.decode("logs", [row], dimensions, content)).resource_logs
    [scope] = resource.scope_logs
    source = Source(
        resource=resource.resource,
        resource_schema_url=resource.schema_url,
        scope=scope.scope,
        scope_schema_url=scope.schema_url,
    )
    return Record(scope.log_records[0], source)


class Sources:
    """The sources of one answer; equal ones stand in it once."""

    def __init__(self) -> None:
        self.listed: list[Source] = []
        self._places: dict[bytes, int] = {}

    def index(self, source: Source) -> int:
        """Its place in the list."""
        key = source.SerializeToString(deterministic=True)
        if key not in self._places:
            self._places[key] = len(self.listed)
            self.listed.append(source)
        return self._places[key]
