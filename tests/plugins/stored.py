"""An encoded request as `codec.decode` takes rows: without a database in between."""

from __future__ import annotations

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, Fields
from llm_observatory.storage.binary import split_rows

FACTS = {"traces": tables.LLM_TRACES, "metrics": tables.LLM_METRICS, "logs": tables.LLM_LOGS}
"""Where the records of each signal are."""


def fields_of(encoded: EncodedRequest, table: tables.Table) -> list[Fields]:
    """The rows of one table."""
    return [
        codec.tuple_fields(row)
        for made in encoded.tables
        if made.name == table.name
        for row in split_rows(made.chunks, len(table.columns))
    ]


def dimensions_of(encoded: EncodedRequest) -> dict[str, dict[bytes, Fields]]:
    """The rows of dimensions by table and id."""
    return {
        name: {identity: codec.tuple_fields(row) for identity, row in rows.items()} for name, rows in encoded.dimensions.items()
    }


def decoded(signal: str, encoded: EncodedRequest) -> bytes:
    """OTLP again."""
    rows = fields_of(encoded, FACTS[signal])
    return codec.decode(signal, rows, dimensions_of(encoded), fields_of(encoded, tables.LLM_CONTENT))
