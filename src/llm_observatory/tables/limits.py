"""How much may be made of one request at most: what both codecs are held to, as part of the spec."""

from __future__ import annotations

from llm_observatory.tables.rules import (
    CONTENT_ROWS_MAX_BYTES,
    ESCAPED_MAX,
    REQUEST_ROWS_MAX_BYTES,
    ROW_MAX_BYTES,
    VALUES_MAX,
)

COUNTED_FROM_BYTES = 128 * 1024
"""Below it there are 128 Ki values at most: bucket counts take a byte, every other value two."""

VALUE_BYTES = 256
"""What a value adds to a row beside its strings and bytes. The most is a link: names of its members, two ids in
hexadecimal, two numbers, and in jsonb 4 bytes for each key and value."""

DIMENSION_ROWS_MAX_BYTES = 64 * 1024 * 1024
"""Each source repeats its resource, each series its metric. One large resource with many scopes would otherwise grow a
request a thousandfold. What is counted is work: a source that was forgotten and comes again counts again."""

CACHED_SOURCES = 4096
"""Sources remembered within a request, the oldest forgotten first; each holds templates of its rows, about 3 KB."""

REJECTION_SAMPLES = 20
"""How many rejections keep their path; all are counted by rule. A reply must stay far below 4 MiB (OTLP spec)."""

CHUNK_BYTES = 128 * 1024
"""Rows of a table are handed on in chunks of about this size."""

LIMITS: dict[str, int] = {
    "values_max": VALUES_MAX,
    "value_bytes": VALUE_BYTES,
    "counted_from_bytes": COUNTED_FROM_BYTES,
    "row_max_bytes": ROW_MAX_BYTES,
    "escaped_max": ESCAPED_MAX,
    "content_rows_max_bytes": CONTENT_ROWS_MAX_BYTES,
    "request_rows_max_bytes": REQUEST_ROWS_MAX_BYTES,
    "dimension_rows_max_bytes": DIMENSION_ROWS_MAX_BYTES,
    "cached_sources": CACHED_SOURCES,
    "rejection_samples": REJECTION_SAMPLES,
    "chunk_bytes": CHUNK_BYTES,
}
