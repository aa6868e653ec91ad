"""The names of everything that may happen to a record on the way in, with the words a client or an operator reads."""

from __future__ import annotations

REFUSED_BY_DATABASE = "refused_by_database"
"""The rule of a request whose values PostgreSQL itself refused."""

VALUES_MAX = 200_000
"""Attributes, events, links, exemplars, buckets and elements of arrays and kvlists, at any depth, of one record, resource,
scope or metric.

The spans of SDKs hold some hundred. A value takes two bytes on the wire and 150 bytes as Python objects; PostgreSQL fails
with "invalid memory alloc request size" (XX000, which says nothing about the data) at 2^24 elements of one jsonb array.
"""

ROW_MAX_BYTES = 128 * 1024 * 1024
"""What a record, resource, scope or metric may become, its JSON with all escapes.

Twice the default of OTLP_MAX_REQUEST_BYTES: text, of which quotes, backslashes and line feeds become two bytes, always
fits; text of other control characters, six bytes each, does not. jsonb holds 268,435,455 bytes and PostgreSQL takes 2.3 s
for 128 MiB (text: 1 GB), far below its statement_timeout.

What the codec takes meanwhile: six bytes for each that came (its own, upb's, four for each character of a str with one
beyond U+FFFF) and twice the row, three times where the row is a source's. Measured: 128 MiB of row took 363 MiB for control
characters, 640 MiB for quotes, 705 MiB for quotes in a resource, each with one such character.
"""

CONTENT_ROWS_MAX_BYTES = 128 * 1024 * 1024
"""What the rows of one request's content may take beside what was said: about a million items.

An item can be thirty bytes on the wire and is a row with tenant, service, ids and kind, 130 to 1,100 bytes. Without a limit
64 MiB of empty items became 2.4 GB. Clients send some hundred items with a request, a Collector some ten thousand.
"""

ESCAPED_MAX = 6
"""Bytes of JSON that one byte of a string becomes at most."""

REQUEST_ROWS_MAX_BYTES = 384 * 1024 * 1024
"""What all rows of a request may take, or ESCAPED_MAX times its size if that is more: text of control characters alone
becomes as much. Quantiles of a summary become 28 times their size, and COPY of a GiB does not end within its
statement_timeout, ever."""

REJECTIONS: dict[str, str] = {
    "trace_id_invalid": "trace_id must be 16 bytes and not all zero",
    "span_id_invalid": "span_id must be 8 bytes and not all zero",
    "parent_span_id_invalid": "parent_span_id must be empty or 8 bytes",
    "time_out_of_range": "a time is beyond 2^63-1 nanoseconds",
    "too_old": "its time is older than ACCEPT_MAX_AGE allows",
    "too_far_ahead": "its time is further ahead than ACCEPT_MAX_AHEAD allows",
    "enum_out_of_range": "kind, status code, severity number or temporality is beyond 32767",
    "point_time_missing": "a data point without a time",
    "point_value_missing": "a data point with neither a value nor the flag that says so",
    "count_out_of_range": "a count is beyond 2^63-1",
    "metric_malformed": "its metric is not valid protobuf, holds invalid UTF-8, or nests too deeply",
    "record_malformed": "the record is not valid protobuf, holds invalid UTF-8, nests too deeply, or is of another signal",
    "too_many_values": "it, its source or its metric holds over 200000 attributes, events, links, buckets and nested values",
    "row_too_large": "it, its source or its metric would be over 128 MiB as JSON",
    "request_rows_too_large": "the rows of the records before it take over 384 MiB, and six times the size of the request",
    "too_much_content": "the request holds so many items of content that their rows would take over 128 MiB beside their text",
    REFUSED_BY_DATABASE: "the database refused the whole request; it is kept in dead_letters for the operator",
    "source_malformed": "its resource or scope is not valid protobuf, holds invalid UTF-8, or nests too deeply",
    "sources_too_large": "the request repeats too large a resource over too many scopes, or too large a metric over its points",
}
"""Why a record was refused by itself (OTLP partial success)."""

REPAIRS: dict[str, str] = {
    "nul_replaced": "a NUL character became U+FFFD: PostgreSQL text cannot hold it",
    "duplicate_key": "of attributes with the same key the last was kept",
    "link_dropped": "a link with an invalid id was dropped and counted in dropped_links_count",
    "string_index_ignored": "a string table index outside profiles was read as absent",
    "log_id_dropped": "an invalid trace or span id of a log record was read as none",
    "exemplar_dropped": "an exemplar without value or with an invalid id was dropped",
    "content_truncated": "content longer than its limit was cut, see original_length",
    "content_dropped": "content was left out because CONTENT_CAPTURE is off",
}
"""What was changed so that a record could be stored."""

ODDITIES: dict[str, str] = {
    "end_before_start": "a span ends before it starts",
    "start_after_time": "the interval of a data point starts after its time",
    "temporality_unspecified": "a sum or histogram does not say whether it is delta or cumulative",
    "buckets_inconsistent": "the buckets of a histogram do not fit its bounds, or do not add up to its count",
    "bounds_not_increasing": "the bounds of a histogram do not increase",
    "metric_without_data": "a metric of no kind that OTLP 1.x knows; nothing of it was stored",
}
"""What no specification allows and was stored as it came: it is evidence, and who reads it should know."""
