"""The names of everything that may happen to a record on the way in, with the words a client or an operator reads."""

from __future__ import annotations

REFUSED_BY_DATABASE = "refused_by_database"
"""The rule of a request whose values PostgreSQL itself refused."""

VALUES_MAX = 200_000
"""Attributes, events, links and elements of arrays and kvlists, at any depth, of one record, resource or scope.

The spans of SDKs hold some hundred. A value takes two bytes on the wire and 150 bytes as Python objects; PostgreSQL fails
with "invalid memory alloc request size" (XX000, which says nothing about the data) at 2^24 elements of one jsonb array.
"""

ROW_MAX_BYTES = 128 * 1024 * 1024
"""What a record, resource or scope may become, its JSON with all escapes.

Twice the default of OTLP_MAX_REQUEST_BYTES: text, of which quotes, backslashes and line feeds become two bytes, always
fits; text of other control characters, six bytes each, does not. jsonb holds 268,435,455 bytes and PostgreSQL takes 2.3 s
for 128 MiB (text: 1 GB), far below its statement_timeout. The codec takes five times a row's size in memory.
"""

REJECTIONS: dict[str, str] = {
    "trace_id_invalid": "trace_id must be 16 bytes and not all zero",
    "span_id_invalid": "span_id must be 8 bytes and not all zero",
    "parent_span_id_invalid": "parent_span_id must be empty or 8 bytes",
    "time_out_of_range": "a time is beyond 2^63-1 nanoseconds",
    "too_old": "the start time is older than ACCEPT_MAX_AGE allows",
    "too_far_ahead": "the start time is further ahead than ACCEPT_MAX_AHEAD allows",
    "enum_out_of_range": "kind or status code is beyond 32767",
    "record_malformed": "the record is not valid protobuf, holds invalid UTF-8, or nests too deeply",
    "too_many_values": "it or its source holds over 200000 attributes, events, links and nested values",
    "row_too_large": "it or its source would be over 128 MiB as JSON",
    REFUSED_BY_DATABASE: "the database refused the whole request; it is kept in dead_letters for the operator",
    "source_malformed": "its resource or scope is not valid protobuf, holds invalid UTF-8, or nests too deeply",
    "sources_too_large": "the request repeats too large a resource over too many scopes",
}
"""Why a record was refused by itself (OTLP partial success)."""

REPAIRS: dict[str, str] = {
    "nul_replaced": "a NUL character became U+FFFD: PostgreSQL text cannot hold it",
    "duplicate_key": "of attributes with the same key the last was kept",
    "link_dropped": "a link with an invalid id was dropped and counted in dropped_links_count",
    "string_index_ignored": "a string table index outside profiles was read as absent",
}
"""What was changed so that a record could be stored."""
