"""Rows → OTLP: the other direction of the codec, run by the same spec, as pure.

Rows are taken as they come: fields that PostgreSQL sends in binary format and those of COPY rows are the same bytes, but
for jsonb, which PostgreSQL writes anew (`decode.document`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llm_observatory import tables
from llm_observatory.codec.reference.decode.program import Program
from llm_observatory.codec.reference.decode.source import Described
from llm_observatory.codec.rows import Fields

PROGRAM = Program(tables.SPEC)


def decode_source(fields: Fields) -> Described:
    """The resource and scope of one row of sources."""
    return PROGRAM.source(fields)


def decode(
    signal: str, rows: Iterable[Fields], dimensions: Mapping[str, Mapping[bytes, Fields]], content: Iterable[Fields]
) -> bytes:
    """See the doorway."""
    return PROGRAM.request(signal, rows, dimensions, content)
