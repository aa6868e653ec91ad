"""Requests as what is written: whole COPY streams for the ceiling, Python values for what a user would write by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import Format

from llm_observatory import codec
from llm_observatory.codec import tuple_fields
from llm_observatory.operate.bench.data import DATA_SETS, requests
from llm_observatory.pipeline.lane import GROUP_MAX_BYTES
from llm_observatory.settings import Settings
from llm_observatory.storage.binary import split_rows
from llm_observatory.storage.direct_compress import DirectCompress, pays
from llm_observatory.storage.script import COPY_HEADER, COPY_TRAILER
from llm_observatory.storage.write import WriteRequest
from llm_observatory.tables import BY_NAME, LLM_TRACES, Table

TENANT = "default"


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one table in one group: `blocks` are a COPY stream, `values` the same as Python values where they are wanted.

    `before` are the statements that the service would send before its COPY.
    """

    table: Table
    rows: int
    blocks: list[bytes]
    values: list[tuple[Any, ...]]
    before: list[str]


@dataclass(frozen=True, slots=True)
class Group:
    """What one transaction writes: whole requests, as the service groups them."""

    items: int
    size: int
    tables: list[TableRows]
    hours: frozenset[int]


def groups(data_set: str, items: int, seed: int, rows: int, chunk_us: int | None, *, decoded: bool) -> Iterator[Group]:
    """Endless groups of about `rows` spans, in requests of `items`; with `decoded` as values, else as COPY streams.

    The service's groups stop growing at GROUP_MAX_BYTES, and so do these.
    """
    settings = Settings()
    terms = codec.Terms(None, int(settings.accept_max_ahead.total_seconds() * 1e6), settings.kept_content_bytes)
    collected: list[WriteRequest] = []
    size = 0
    for payload in requests(DATA_SETS[data_set], items, seed):
        digest, now = codec.digest("traces", TENANT, payload), time.time_ns() // 1000
        encoded = codec.encode("traces", TENANT, payload, digest, now, terms)
        collected.append(WriteRequest(TENANT, "traces", digest, b"", now, encoded))
        size += encoded.size
        if size >= GROUP_MAX_BYTES or sum(request.encoded.accepted for request in collected) >= rows:
            yield _group(collected, chunk_us, decoded=decoded)
            collected, size = [], 0


def _group(collected: list[WriteRequest], chunk_us: int | None, *, decoded: bool) -> Group:
    chunks: dict[str, list[bytes]] = {}
    counts: dict[str, int] = {}
    for request in collected:
        for table in request.encoded.tables:
            chunks.setdefault(table.name, []).extend(table.chunks)
            counts[table.name] = counts.get(table.name, 0) + table.rows
    direct_compress = DirectCompress(sum(request.encoded.size for request in collected))

    def before(table: Table) -> list[str]:
        if chunk_us is None or not table.partitioned:
            return []
        return [step.sql for step in direct_compress.set(on=pays(table, counts[table.name], collected, chunk_us))]

    tables = [
        TableRows(
            table,
            counts[name],
            [] if decoded else [b"".join((COPY_HEADER, *chunks[name], COPY_TRAILER))],
            list(_values(table, chunks[name])) if decoded else [],
            before(table),
        )
        for name, table in BY_NAME.items()
        if name in chunks
    ]
    size = sum(len(chunk) for of_table in chunks.values() for chunk in of_table)
    return Group(counts[LLM_TRACES.name], size, tables, frozenset(hour for one in collected for hour in one.encoded.hours))


def _values(table: Table, chunks: list[bytes]) -> Iterator[tuple[Any, ...]]:
    transformer = Transformer()
    transformer.set_loader_types([oid(column.type) for column in table.columns], Format.BINARY)
    for row in split_rows(chunks, len(table.columns)):
        yield transformer.load_sequence(tuple_fields(row))


def oid(pg_type: str) -> int:
    """The number of a type, which is the same on every server."""
    found = psycopg.adapters.types[pg_type.removesuffix("[]")]
    return found.array_oid if pg_type.endswith("[]") else found.oid
