"""The codec's rows against PostgreSQL itself: COPY them in, COPY them out in binary, and the same field bytes come back.

The tables are temporary and made from the types that `tables/` declares; migrations are not involved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, SummaryDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from psycopg import sql

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest
from llm_observatory.storage import binary
from llm_observatory.tables import Table
from tests.unit.codec import metrics, spans

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

EVERYTHING = spans.span(
    {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5 é🙂",
        "gen_ai.usage.input_tokens": 2**63 - 1,
        "gen_ai.usage.output_tokens": -(2**63),
        "gen_ai.request.temperature": 5e-324,
        "gen_ai.request.top_p": 1.7976931348623157e308,
        "gen_ai.request.stream": False,
        "gen_ai.response.finish_reasons": ["stop", ""],
        "gen_ai.response.time_to_first_chunk": 0.25,
        "numbers": [0, -1, 2**63 - 1, -(2**63), 0.1, 1.0, 1e-05, 5e-324, 999999999999999.9, 123456789012345.67],
        "special": [1e15, 1e16, -0.0, float("nan"), float("inf"), float("-inf")],
        "texts": ["", '"\\/\b\f\n\r\t\x01\x1f\x7f\u2028', "é🙂", "\ufffd"],
        "bytes": b"\x00\xff",
        "nested": {"$a": {"b": [None, True, {"c": []}]}, "": {}},
        "$dollar": 1,
        "nul\0": "\0",
        "gen_ai.input.messages": '["\0 é🙂\u2028 \\u0000"]',
        "gen_ai.output.messages": [{"parts": [1e16, b"\xff", None]}],
        "llm.tools.0.tool.json_schema": "{}",
        "llm.tools.10": -0.0,
    },
    parent_span_id=b"\x07" * 8,
    trace_state="a=1",
    flags=2**32 - 1,
    kind=5,
    status=Status(code=Status.STATUS_CODE_ERROR, message="boom"),
    events=[
        Span.Event(time_unix_nano=spans.START, name="e", attributes=spans.attributes({"k": 1e300})),
        Span.Event(),
        Span.Event(name="gen_ai.choice", attributes=spans.attributes({"message": "", "index": 0})),
    ],
    links=[Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, trace_state="t", flags=1), Span.Link()],
    dropped_attributes_count=2**32 - 1,
    dropped_events_count=1,
    dropped_links_count=2**32 - 1,
)
BAREST = spans.span(name="", kind=0, end_time_unix_nano=0, trace_id=b"\xff" * 16)
NEGATIVE = spans.span(end_time_unix_nano=spans.START - 5)
OLDEST = spans.span(start_time_unix_nano=0, end_time_unix_nano=2**63 - 1)
LATEST = spans.span(start_time_unix_nano=2**63 - 1, end_time_unix_nano=1)


INFINITY, NAN = float("inf"), float("nan")
EXEMPLARS = [
    metrics.exemplar(as_int=-(2**63), time_unix_nano=2**63 - 1, trace_id=b"\x01" * 16, span_id=b"\x02" * 8),
    metrics.exemplar(as_double=NAN, filtered_attributes=spans.attributes({"$k\0": [1e16, b"\xff"]})),
]
SIDE = ExponentialHistogramDataPoint.Buckets(offset=-(2**31), bucket_counts=[0, 2**63 - 1])
QUANTILES = [
    SummaryDataPoint.ValueAtQuantile(quantile=quantile, value=-quantile) for quantile in (0.0, 5e-324, 0.5, INFINITY, NAN)
]
POINTS = [
    metrics.metric(
        "sum",
        metrics.point("sum", {"b": 1.0, "a": None}, as_int=2**63 - 1, start_time_unix_nano=1, exemplars=EXEMPLARS),
        metrics.point("sum", as_int=-(2**63), time_unix_nano=2**63 - 1, flags=2**32 - 1),
        data={"is_monotonic": True, "aggregation_temporality": -(2**15)},
        metadata=spans.attributes({"$m": -0.0}),
        description="é🙂\0",
    ),
    metrics.metric("gauge", *[metrics.point(as_double=value) for value in (NAN, -INFINITY, -0.0)], name=""),
    metrics.metric("gauge", metrics.point(as_double=None, flags=1), name="é" * 600),
    metrics.metric(
        "histogram",
        metrics.point(
            "histogram", count=2**63 - 1, sum=NAN, min=-INFINITY, bucket_counts=[0, 2**63 - 1], explicit_bounds=[5e-324]
        ),
    ),
    metrics.metric(
        "exponential_histogram",
        metrics.point("exponential_histogram", scale=-(2**31), zero_threshold=-0.0, positive=SIDE, negative=SIDE),
    ),
    metrics.metric("summary", metrics.point("summary", quantile_values=QUANTILES)),
]


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database) as opened:
        yield opened


@pytest.fixture(scope="module")
def encoded() -> EncodedRequest:
    terms = codec.Terms(max_age_us=None, max_ahead_us=2**62, content_max_bytes=1024**2)
    payload = spans.request(EVERYTHING, BAREST, NEGATIVE, OLDEST, LATEST) + spans.request(BAREST, resource={}, scope={"k": "v"})
    made = spans.encode(payload, terms=terms)
    assert (made.accepted, made.rejected_by_rule) == (6, {})
    return made


def rows_of(encoded: EncodedRequest, table: Table) -> list[bytes]:
    if table.name in encoded.dimensions:
        return list(encoded.dimensions[table.name].values())
    return [
        row for made in encoded.tables if made.name == table.name for chunk in made.chunks for row in spans.split_rows(chunk)
    ]


def create(connection: psycopg.Connection, table: Table) -> sql.Identifier:
    """A temporary table of the declared columns."""
    name = sql.Identifier(f"copy_bytes_{table.name}")
    columns = [
        sql.SQL("{} {} {}").format(
            sql.Identifier(column.name), sql.SQL(column.type), sql.SQL("" if column.nullable else "NOT NULL")
        )
        for column in table.columns
    ]
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(name, sql.SQL(", ").join(columns)))
    return name


def through(connection: psycopg.Connection, table: Table, rows: list[bytes]) -> list[bytes]:
    """The rows as PostgreSQL gives them back."""
    name = create(connection, table)
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)) as copy:
            copy.write(HEADER + b"".join(rows) + TRAILER)
        with cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(name)) as copy:
            data = b"".join(map(bytes, copy))
    assert data.startswith(HEADER)
    assert data.endswith(TRAILER)
    return list(spans.split_rows(data[len(HEADER) : -len(TRAILER)]))


def exact(text: bytes) -> Any:
    """JSON with its numbers as they are written, but for what jsonb's numeric does to them: 1e-05 is 0.00001."""
    return json.loads(text, parse_float=lambda digits: ("double", float(digits)), parse_int=lambda digits: ("int", int(digits)))


COPIED = [tables.LLM_TRACES, tables.LLM_CONTENT, tables.TRACE_INDEX, tables.INGEST_TOUCHED, tables.TELEMETRY_SOURCES]


@pytest.mark.parametrize("table", COPIED, ids=lambda table: table.name)
def test_postgresql_gives_the_same_field_bytes_back(
    connection: psycopg.Connection, encoded: EncodedRequest, table: Table
) -> None:
    assert_the_same_comes_back(connection, table, rows_of(encoded, table))


@pytest.mark.parametrize("table", [tables.LLM_METRICS, tables.METRIC_LABELS], ids=lambda table: table.name)
def test_the_same_of_metrics(connection: psycopg.Connection, table: Table) -> None:
    encoded = metrics.encode(metrics.request(*POINTS), terms=codec.Terms(None, 2**62, 1024**2))
    assert (encoded.accepted, encoded.rejected_by_rule) == (9, {})
    assert_the_same_comes_back(connection, table, rows_of(encoded, table))


def assert_the_same_comes_back(connection: psycopg.Connection, table: Table, sent: list[bytes]) -> None:
    assert sent
    received = through(connection, table, sent)
    assert len(received) == len(sent)
    for ours, theirs in zip(sent, received, strict=True):
        for column, mine, its in zip(table.columns, codec.tuple_fields(ours), codec.tuple_fields(theirs), strict=True):
            if column.type == "jsonb" and mine is not None and its is not None:
                assert mine[:1] == its[:1] == b"\x01"
                # Doubles stay doubles and integers stay integers: jsonb's numeric keeps the point.
                assert exact(mine[1:]) == exact(its[1:]), column.name
            else:
                assert mine == its, column.name


def test_postgresql_reads_what_was_meant(connection: psycopg.Connection, encoded: EncodedRequest) -> None:
    through(connection, tables.LLM_TRACES, rows_of(encoded, tables.LLM_TRACES))
    found = connection.execute(
        "SELECT timestamp = '2025-10-09 08:53:19.123456+00', timestamp_nanos, encode(span_id, 'hex'), trace_id::text,"
        " duration_ns, duration_ms, is_entry, finish_reasons, temperature, input_tokens, attributes->'special', service_name"
        " FROM copy_bytes_llm_traces WHERE flags = 4294967295"
    ).fetchone()
    assert found == (
        True,
        789,
        "0102030405060708",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        1_500_000_000,
        1500.0,
        True,
        ["stop", ""],
        5e-324,
        2**63 - 1,
        [{"$double": text} for text in ("1000000000000000.0", "1e+16", "-0.0", "NaN", "Infinity", "-Infinity")],
        "shop",
    )


def test_postgresql_reads_the_content(connection: psycopg.Connection, encoded: EncodedRequest) -> None:
    through(connection, tables.LLM_CONTENT, rows_of(encoded, tables.LLM_CONTENT))
    found = connection.execute(
        "SELECT kind, carrier, event_index, attribute, is_json, body, original_length - octet_length(body),"
        " timestamp = '2025-10-09 08:53:19.123456+00', encode(span_id, 'hex'), service_name FROM copy_bytes_llm_content"
    ).fetchall()
    same = (0, True, "0102030405060708", "shop")
    assert found == [
        ("input", "span_attribute", None, "gen_ai.input.messages", False, '["\ufffd é🙂\u2028 \\u0000"]', *same),
        (
            "output", "span_attribute", None, "gen_ai.output.messages", True,
            '[{"parts":[{"$double":"1e+16"},{"$bytes":"/w=="},null]}]', *same,
        ),
        (
            "tool_definitions", "span_attribute", None, "llm.tools.#", True,
            '{"llm.tools.0.tool.json_schema":"{}","llm.tools.10":{"$double":"-0.0"}}', *same,
        ),
        ("output", "span_event", 2, "message", False, "", *same),
    ]  # fmt: skip


def test_a_field_is_also_the_binary_parameter_of_an_insert(database: str, encoded: EncodedRequest) -> None:
    """There is no second encoder: the fields of a row, sent as parameters, give the same row."""
    sent = rows_of(encoded, tables.LLM_TRACES)
    with psycopg.connect(database) as connection:
        name = create(connection, tables.LLM_TRACES)
        places = ", ".join(f"${number}" for number in range(1, len(tables.LLM_TRACES.columns) + 1))
        statement = sql.SQL("INSERT INTO {} VALUES ({})").format(name, sql.SQL(places)).as_bytes(connection)
        for row in sent:
            result = connection.pgconn.exec_params(
                statement, codec.tuple_fields(row), param_formats=[1] * len(tables.LLM_TRACES.columns)
            )
            assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message
        with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(name)) as copy:
            inserted = b"".join(map(bytes, copy))
    with psycopg.connect(database) as connection:
        copied = through(connection, tables.LLM_TRACES, sent)
    assert inserted == HEADER + b"".join(copied) + TRAILER


@pytest.mark.parametrize("seed", range(3))
def test_hostile_text_never_breaks_a_copy(connection: psycopg.Connection, seed: int) -> None:
    """Every string of a span with NUL, quotes, control characters and all planes of Unicode."""
    hostile = "\0" + "".join(map(chr, range(seed, 0x3000, 7))) + "\U0010ffff\ufffe\\u0000"
    one = spans.span(
        {
            hostile: hostile,
            "gen_ai.request.model": hostile,
            "list": [hostile, {hostile: hostile}],
            "llm.tools.0" + hostile: [hostile],
        },
        name=hostile,
        trace_state=hostile,
        status=Status(message=hostile),
        events=[Span.Event(name=hostile, attributes=spans.attributes({hostile: hostile}))],
        links=[Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, trace_state=hostile)],
    )
    made = spans.encode(spans.request(one, resource={"service.name": hostile, hostile: hostile}, scope={hostile: hostile}))
    assert made.accepted == 1
    for table in (tables.LLM_TRACES, tables.LLM_CONTENT, tables.TELEMETRY_SOURCES):
        (received,) = through(connection, table, rows_of(made, table))
        assert spans.read_row(table.name, received) == spans.read_row(table.name, rows_of(made, table)[0])


def test_types_of_others_are_dumped_as_ever(server: str) -> None:
    """That fields are sent as they are is no business of a COPY that names its types."""
    assert binary.parameters(tables.INGEST_TOUCHED, []) == []
    with psycopg.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE theirs (number int8, at timestamptz, names text[])")
        row = (7, datetime(2026, 11, 23, tzinfo=UTC), ["a", "é"])
        with cursor.copy("COPY theirs FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "timestamptz", "text[]"])
            copy.write_row(row)
        assert cursor.execute("SELECT * FROM theirs").fetchall() == [row]
