"""COPY field bytes as parameters and as streams: the second use of what the codec encoded, with no second encoder.

A field of a binary COPY row and a binary parameter of the extended query protocol are the same bytes
(PostgreSQL documentation, COPY "Binary Format" and typsend/typreceive).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import ClassVar

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from llm_observatory.codec import tuple_fields
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.tables import PgType, Table


class _Field(bytes):
    """What psycopg sends as it is, as a binary parameter of the type `oid`."""

    oid: ClassVar[int]


class _FieldDumper(Dumper):
    format = Format.BINARY

    def __init__(self, cls: type[_Field], context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        # Not of the class: psycopg would take it for the dumper of everything that is of this type, whoever sends it.
        self.oid = cls.oid

    def dump(self, obj: bytes) -> Buffer:
        return obj


def _field_class(pg_type: PgType) -> type[_Field]:
    info = psycopg.adapters.types[pg_type.removesuffix("[]")]
    oid = info.array_oid if pg_type.endswith("[]") else info.oid
    field = type(f"Field_{pg_type}", (_Field,), {"oid": oid})
    psycopg.adapters.register_dumper(field, _FieldDumper)
    return field


_PG_TYPES: tuple[PgType, ...] = (
    "bool", "bytea", "date", "float8", "float8[]", "int2", "int8", "int8[]", "jsonb", "text", "text[]", "timestamptz", "uuid",
    "uuid[]",
)  # fmt: skip
_FIELDS = {pg_type: _field_class(pg_type) for pg_type in _PG_TYPES}


@cache
def copy_statement(table: Table) -> str:
    """`COPY … FROM STDIN` for all columns of `table` in their order."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    return f"COPY {table.name} ({columns}) FROM STDIN (FORMAT binary)"


async def insert(connection: AsyncConnection, table: Table, rows: Sequence[bytes], suffix: str = "") -> None:
    """One INSERT of COPY rows of `table`; `suffix` may hold its ON CONFLICT clause."""
    async with psycopg.AsyncRawCursor(connection) as cursor:
        await cursor.execute(insert_statement(table, len(rows), suffix), parameters(table, rows))


@lru_cache(256)
def insert_statement(table: Table, rows: int, suffix: str = "") -> str:
    """`INSERT … VALUES` with `$n` placeholders for `rows` rows of `table`, for a raw cursor."""
    width = len(table.columns)
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join("(" + ", ".join(f"${row * width + column + 1}" for column in range(width)) + ")" for row in range(rows))
    return f"INSERT INTO {table.name} ({columns}) VALUES {values} {suffix}"


def parameters(table: Table, rows: Iterable[bytes]) -> list[bytes | None]:
    """The fields of COPY rows of `table` as parameters of `insert_statement`, row by row."""
    classes = [_FIELDS[column.type] for column in table.columns]
    return [
        None if value is None else field(value) for row in rows for field, value in zip(classes, tuple_fields(row), strict=True)
    ]


def split_rows(chunks: Iterable[bytes], width: int) -> Iterator[bytes]:
    """Cut concatenated COPY rows of `width` fields into single rows."""
    for chunk in chunks:
        start = position = 0
        while position < len(chunk):
            position += 2
            for _ in range(width):
                length = int.from_bytes(chunk[position : position + 4], "big", signed=True)
                position += 4 + max(length, 0)
            yield chunk[start:position]
            start = position
