"""The codec's size limits against PostgreSQL itself: what is just within them is stored, and why they cannot be any limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import psycopg
import pytest
from psycopg import sql

from llm_observatory import tables
from llm_observatory.tables.limits import VALUE_BYTES
from llm_observatory.tables.rules import ROW_MAX_BYTES, VALUES_MAX
from tests.unit.codec import spans
from tests.unit.codec.spans import field

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
PIECE = 128 * 1024
JSONB_MAX_BYTES = 0x0FFFFFFF

TEXT_BYTES = ROW_MAX_BYTES - 4096

GOOD = spans.span().SerializeToString()


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database) as opened:
        yield opened


def copy(connection: psycopg.Connection, chunks: Iterable[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY stored FROM STDIN (FORMAT binary)") as stream:
        stream.write(HEADER)
        for chunk in chunks:
            for start in range(0, len(chunk), PIECE):
                stream.write(chunk[start : start + PIECE])
        stream.write(TRAILER)


WITHIN: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "text": (lambda: field(1, b"x" * TEXT_BYTES), "length(attributes->>'k')", TEXT_BYTES),
    "doubles": (
        lambda: field(5, field(1, b"\x21" + b"\xff" * 6 + b"\xef\x7f") * (VALUES_MAX - 1)),
        "jsonb_array_length(attributes->'k')",
        VALUES_MAX - 1,
    ),
}


@pytest.mark.parametrize("value, query, expected", WITHIN.values(), ids=WITHIN.keys())
def test_a_span_within_the_limits_is_stored(
    connection: psycopg.Connection, value: Callable[[], bytes], query: str, expected: int
) -> None:
    encoded = spans.encode(field(1, field(2, field(2, GOOD + field(9, field(1, b"k") + field(2, value()))))))
    assert encoded.rejected_by_rule == {}
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type)) for column in tables.LLM_TRACES.columns
    )
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE stored ({})").format(columns))
    copy(connection, encoded.tables[0].chunks)
    assert connection.execute(sql.SQL("SELECT {} FROM stored").format(sql.SQL(query))).fetchone() == (expected,)


def test_postgresql_refuses_twice_as_much(connection: psycopg.Connection) -> None:
    """The limit of jsonb, which ROW_MAX_BYTES must stay below with what it costs to keep keys and values."""
    assert ROW_MAX_BYTES + VALUES_MAX * VALUE_BYTES < JSONB_MAX_BYTES
    connection.execute("CREATE TEMPORARY TABLE stored (attributes jsonb)")
    size = JSONB_MAX_BYTES + len(b'[""]')
    head = b"\0\1" + (size + 1).to_bytes(4, "big") + b'\1["'
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        copy(connection, [head, b"x" * JSONB_MAX_BYTES, b'"]'])
