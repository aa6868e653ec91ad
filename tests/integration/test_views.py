"""The views on a real PostgreSQL: what a client sent comes back, and a query bounded in time touches few partitions."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from psycopg import sql
from psycopg.types.json import Jsonb

from llm_observatory import tables
from llm_observatory.codec import EncodedRequest
from llm_observatory.codec.reference.document import DocumentReader
from llm_observatory.tables import llm
from tests.unit.codec import spans

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
DAY = timedelta(days=1)
START = datetime(2025, 10, 9, 8, 53, 19, 123456, tzinfo=UTC)
"""spans.START without its 789 nanoseconds."""
MIDNIGHT = START.replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = 5
TRACE, SPAN = spans.TRACE_ID.hex(), spans.SPAN_ID.hex()

PROMOTED = [
    column for column in llm.LLM_COLUMNS if column.op.startswith("attr:") and column.op.rsplit(":")[-1] != "seconds_to_ms"
]
"""Columns that may be the only place of an attribute; milliseconds need not lead back to the seconds that were sent."""


def key_of(column: tables.Column) -> str:
    """The canonical attribute of a promoted column."""
    return column.op.split(":")[1]


def other_names(column: tables.Column) -> set[str]:
    """What else on a span fills it."""
    return {alias.key for alias in column.aliases if alias.carrier == "span"}


@pytest.fixture
def connection(database: str, licence: str | None) -> Iterator[psycopg.Connection]:
    """Partitions from two days before START to two days after it; hypertables make their own."""
    with psycopg.connect(database, autocommit=True) as opened:
        for table in ("llm_traces", "llm_content") if licence is None else ():
            for day in range(-2, DAYS - 2):
                opened.execute(
                    sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(f"{table}_day{day + 2}"),
                        sql.Identifier(table),
                        MIDNIGHT + day * DAY,
                        MIDNIGHT + (day + 1) * DAY,
                    )
                )
        yield opened


def store(connection: psycopg.Connection, encoded: EncodedRequest) -> None:
    """The rows of an encoded request, as a committer writes them."""
    assert encoded.rejected_by_rule == {}
    rows = {
        made.name: b"".join(map(bytes, made.chunks)) for made in encoded.tables if made.name in {"llm_traces", "llm_content"}
    }
    rows |= {name: b"".join(found.values()) for name, found in encoded.dimensions.items()}
    for name, data in rows.items():
        with (
            connection.cursor() as cursor,
            cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(name))) as copy,
        ):
            copy.write(HEADER + data + TRAILER)


def say(connection: psycopg.Connection, attribute: str, body: str, **members: Any) -> None:
    """One row of content of the span that `spans.span` makes."""
    row: dict[str, Any] = {
        "tenant": "default",
        "timestamp": START,
        "service_name": "shop",
        "trace_id": spans.TRACE_ID,
        "span_id": spans.SPAN_ID,
        "kind": "input",
        "carrier": "span_attribute",
        "event_index": None,
        "attribute": attribute,
        "is_json": False,
        "body": body,
        "original_length": len(body.encode()),
    } | members
    row["trace_id"] = row["trace_id"].hex()
    connection.execute(
        sql.SQL("INSERT INTO llm_content ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        ),
        row,
    )


def exact(document: str) -> Any:
    """JSON in which integers, doubles and doubles in a tag, by its text, are told apart."""

    def tagged(members: dict[str, Any]) -> Any:
        return ("tag", members["$double"]) if members.keys() == {"$double"} else members

    return json.loads(
        document,
        parse_float=lambda digits: ("double", float(digits)),
        parse_int=lambda digits: ("int", digits),
        object_hook=tagged,
    )


def columns_of(connection: psycopg.Connection, view: str) -> list[str]:
    cursor = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum", [view]
    )
    return [name for (name,) in cursor]


def test_spans_have_the_columns_of_their_tables(connection: psycopg.Connection) -> None:
    ours = [column.name for column in tables.LLM_TRACES.columns]
    ours.insert(ours.index("trace_id") + 1, "trace_uuid")
    ours.insert(ours.index("span_id") + 1, "span_bytes")
    source = [column.name for column in tables.TELEMETRY_SOURCES.columns]
    ours += [name for name in source if name not in {"tenant", "source_id", "service_name", "last_seen"}]
    assert columns_of(connection, "trace_spans") == ours
    assert columns_of(connection, "trace_spans_full") == [*ours, "content"]


def test_what_is_merged_back_is_what_is_promoted(connection: psycopg.Connection) -> None:
    """Both ways: a promoted column, or another name of one, needs a migration that makes the view anew."""
    row = connection.execute("SELECT pg_get_viewdef('trace_spans'::regclass)").fetchone()
    assert row is not None
    line = r"\('([^']+)'::text,\s*to_jsonb\(t\.(\w+)\),[^']*'\{([^}]*)\}'::text\[\]\)"
    merged = {column: (key, set(filter(None, names.split(",")))) for key, column, names in re.findall(line, row[0])}
    assert merged == {column.name: (key_of(column), other_names(column)) for column in PROMOTED}


VALUES: list[Any] = [
    "openai", "gpt-5 é🙂", "", " ", "null", "chat", "LLM", "stop", "42", "1e3", "true", "NaN",
    0, 1, -1, 2**63 - 1, -(2**63), True, False, None,
    0.0, -0.0, 1.0, 0.7, 1e-05, 5e-324, 0.1 + 0.2, 123456789012345.67, 999999999999999.9,
    1e15, -1e15, 1.5e15, 1234567890123456.8, 9999999999999998.0, 1e16, -1.5e16,
    1.7976931348623157e308, float("nan"), float("inf"), float("-inf"),
    [], ["stop"], ["end_turn"], ["stop", ""], ["", "null"], [1], {}, {"a": {"$b": [None]}}, b"\x00\xff",
]  # fmt: skip


CONTENT = (
    "gen_ai.prompt",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt.variable.$city",
    "llm.input_messages.0.message.content",
    "llm.input_messages.1.message.content",
)
"""Attributes that are rows of their own, some of them of families."""


def fitting(column: tables.Column) -> Any:
    """A value that the column holds alone."""
    return {"text": "x", "int8": 3, "float8": 1.0, "bool": True, "text[]": ["stop"]}[column.type]


def some_attributes(seed: int) -> dict[str, Any]:
    """Attributes of promoted columns, mostly fitting ones, under canonical and other names, and some of no column."""
    chance = random.Random(seed)
    found: dict[str, Any] = {"$other": 1.0, "plain": "text"} if seed % 2 else {}
    for column in llm.LLM_COLUMNS:
        if not column.op.startswith("attr:"):
            continue
        if chance.random() < 0.6:
            found[key_of(column)] = fitting(column) if chance.random() < 0.4 else chance.choice(VALUES)
        if chance.random() < 0.2 and (names := sorted(other_names(column))):
            found[chance.choice(names)] = chance.choice(VALUES)
    found |= {key: chance.choice(VALUES) for key in CONTENT if chance.random() < 0.3}
    return found


def test_attributes_are_those_that_were_sent(connection: psycopg.Connection) -> None:
    sent = [{}, *({key_of(column): value} for column in PROMOTED for value in (fitting(column), *VALUES))]
    sent += [{name: fitting(column)} for column in PROMOTED for name in sorted(other_names(column))]
    sent += [{key: value} for key in CONTENT for value in VALUES]
    sent += [some_attributes(seed) for seed in range(500)]
    ids = [number.to_bytes(8, "big") for number in range(1, len(sent) + 1)]
    made = [spans.span(items, span_id=span_id) for items, span_id in zip(sent, ids, strict=True)]
    store(connection, spans.encode(spans.request(*made)))
    for view, left_out in (("trace_spans", CONTENT), ("trace_spans_full", ())):
        cursor = connection.execute(sql.SQL("SELECT span_id, attributes::text FROM {}").format(sql.Identifier(view)))
        found: dict[str, str] = dict(cursor.fetchall())
        assert len(found) == len(sent)
        for items, span_id in zip(sent, ids, strict=True):
            expected = {key: value for key, value in items.items() if key not in left_out}
            document = DocumentReader({}).attributes(spans.attributes(expected))
            assert exact(found[span_id.hex()]) == exact(json.dumps(document)), items
    promoted = connection.execute("SELECT count(*) FROM llm_traces WHERE attributes = '{}'").fetchone()
    assert promoted is not None
    assert promoted[0] > 2 * len(PROMOTED), "hardly any attribute left its document: nothing was tested"


def test_ids_are_text_and_beside_them_as_they_are_stored(connection: psycopg.Connection) -> None:
    store(connection, spans.encode(spans.request(spans.span(parent_span_id=b"\x07" * 8))))
    row = connection.execute(
        "SELECT trace_id, trace_uuid::text, span_id, span_bytes, parent_span_id, timestamp, duration_ns FROM trace_spans"
    )
    uuid = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert row.fetchone() == (TRACE, uuid, SPAN, spans.SPAN_ID, "07" * 8, START, 1_500_000_000)


def test_a_span_is_there_with_and_without_its_source(connection: psycopg.Connection) -> None:
    payload = spans.request(spans.span(), resource={"service.name": "shop", "host.name": "h"}, scope={"k": 1})
    store(connection, spans.encode(payload))
    query = "SELECT service_name, resource, scope_name, scope_version, scope_attributes FROM trace_spans"
    resource = {"service.name": "shop", "host.name": "h"}
    assert connection.execute(query).fetchall() == [("shop", resource, "agent", "1.2", {"k": 1})]
    connection.execute("UPDATE telemetry_sources SET tenant = 'another'")
    assert connection.execute(query).fetchall() == [("shop", None, None, None, None)]


def test_content_is_merged_back_under_its_attributes(connection: psycopg.Connection) -> None:
    store(connection, spans.encode(spans.request(spans.span({"gen_ai.request.model": "m", "k": 1}))))
    say(connection, "gen_ai.prompt", 'not [JSON] "é"')
    say(connection, "gen_ai.input.messages", '[{"role":"user","parts":[1.0,{"$double":"NaN"}]}]', is_json=True)
    say(connection, "lk.user_input", "7", is_json=True)
    family = '{"llm.input_messages.0.message.role":"user","llm.input_messages.0.message.content":"hi"}'
    say(connection, "llm.input_messages.#", family, is_json=True)
    say(connection, "gen_ai.prompt.variable.*", '{"gen_ai.prompt.variable.city":"Aix"}', is_json=True)
    say(connection, "gen_ai.prompt", "of an event", carrier="span_event", event_index=0)
    (row,) = connection.execute("SELECT attributes::text, attributes ->> 'gen_ai.prompt' FROM trace_spans_full").fetchall()
    assert exact(row[0]) == {
        "gen_ai.request.model": "m",
        "k": ("int", "1"),
        "gen_ai.prompt": 'not [JSON] "é"',
        "gen_ai.input.messages": [{"role": "user", "parts": [("double", 1.0), ("tag", "NaN")]}],
        "lk.user_input": ("int", "7"),
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "hi",
        "gen_ai.prompt.variable.city": "Aix",
    }
    assert connection.execute("SELECT attributes FROM trace_spans").fetchall() == [({"gen_ai.request.model": "m", "k": 1},)]


@pytest.mark.parametrize("attribute", ["gen_ai.input.messages", "llm.input_messages.#", "gen_ai.prompt.variable.*"])
@pytest.mark.parametrize("body", ['{"a":"b', "[1,2", '"', "", "12", "{}"])
def test_json_that_was_cut_is_its_text(connection: psycopg.Connection, attribute: str, body: str) -> None:
    """Also where the cut left valid JSON: it says something else than what was sent."""
    store(connection, spans.encode(spans.request(spans.span())))
    say(connection, attribute, body, is_json=True, original_length=1000)
    assert connection.execute("SELECT attributes FROM trace_spans_full").fetchall() == [({attribute: body},)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_no_cut_makes_a_view_fail(connection: psycopg.Connection, limit: int) -> None:
    """Values of every type, cut anywhere: what is whole is as it was sent, what is cut is a string."""
    sent = [{key: value} for key in CONTENT for value in VALUES]
    ids = [number.to_bytes(8, "big") for number in range(1, len(sent) + 1)]
    made = [spans.span(items, span_id=span_id) for items, span_id in zip(sent, ids, strict=True)]
    store(connection, spans.encode(spans.request(*made), terms=spans.TERMS._replace(content_max_bytes=limit)))
    rows = connection.execute(
        "SELECT span_id, attributes::text, (content -> 0 ->> 'original_length')::int8 > octet_length(content -> 0 ->> 'body'),"
        " octet_length(content -> 0 ->> 'body') <= %s FROM trace_spans_full",
        [limit],
    ).fetchall()
    found = {row[0]: row[1:] for row in rows}
    assert all(row[3] for row in rows)
    assert {row[2] for row in rows} == {True, False} or limit < 20
    for items, span_id in zip(sent, ids, strict=True):
        attributes, cut, _ = found[span_id.hex()]
        if cut:
            assert [type(value) for value in json.loads(attributes).values()] == [str]
        else:
            assert exact(attributes) == exact(json.dumps(DocumentReader({}).attributes(spans.attributes(items)))), items


def test_text_that_was_cut_and_text_that_is_empty(connection: psycopg.Connection) -> None:
    store(connection, spans.encode(spans.request(spans.span())))
    say(connection, "gen_ai.prompt", "abc", original_length=4)
    say(connection, "gen_ai.completion", "")
    say(connection, "llm.input_messages.#", "7", is_json=True)  # a family that is no object was never written
    expected = {"gen_ai.prompt": "abc", "gen_ai.completion": "", "llm.input_messages.#": 7}
    assert connection.execute("SELECT attributes FROM trace_spans_full").fetchall() == [(expected,)]


def test_all_content_of_a_span_in_order(connection: psycopg.Connection) -> None:
    store(connection, spans.encode(spans.request(spans.span(), spans.span(span_id=b"\x09" * 8))))
    say(connection, "gen_ai.completion", "late", kind="output", carrier="span_event", event_index=10, original_length=9)
    say(connection, "gen_ai.prompt", "early", carrier="span_event", event_index=2)
    say(connection, "gen_ai.prompt", "[1]", is_json=True)
    rows: dict[str, Any] = dict(connection.execute("SELECT span_id, content FROM trace_spans_full").fetchall())
    names = ("kind", "carrier", "event_index", "attribute", "is_json", "body", "original_length")
    assert [tuple(item[name] for name in names) for item in rows[SPAN]] == [
        ("input", "span_attribute", None, "gen_ai.prompt", True, "[1]", 3),
        ("input", "span_event", 2, "gen_ai.prompt", False, "early", 5),
        ("output", "span_event", 10, "gen_ai.completion", False, "late", 9),
    ]
    assert all(item.keys() == set(names) for item in rows[SPAN])
    assert rows["09" * 8] is None


@pytest.mark.parametrize(
    "other",
    [
        {"timestamp": START + timedelta(microseconds=1)},
        {"timestamp": START - DAY},
        {"trace_id": b"\x01" * 16},
        {"span_id": b"\x01" * 8},
        {"tenant": "another"},
        {"log_id": "1" * 32, "carrier": "log_attribute"},
    ],
    ids=["microsecond", "day", "trace_id", "span_id", "tenant", "log_id"],
)
def test_content_of_another_record_is_not_taken(connection: psycopg.Connection, other: dict[str, Any]) -> None:
    store(connection, spans.encode(spans.request(spans.span())))
    say(connection, "gen_ai.prompt", "not mine", **other)
    assert connection.execute("SELECT attributes, content FROM trace_spans_full").fetchall() == [({}, None)]


def test_events_one_by_one(connection: psycopg.Connection) -> None:
    last = 2**63 - 1
    events = [
        Span.Event(
            time_unix_nano=spans.START,
            name="first",
            attributes=spans.attributes({"a": 1.0}),
            dropped_attributes_count=2**32 - 1,
        ),
        Span.Event(),
        Span.Event(time_unix_nano=1, name="début"),
        Span.Event(time_unix_nano=last),
    ]
    store(connection, spans.encode(spans.request(spans.span(events=events), spans.span(span_id=b"\x09" * 8))))
    rows = connection.execute(
        "SELECT event_index, event_timestamp, event_timestamp_nanos, time_unix_nano, event_name, attributes::text,"
        " dropped_attributes_count FROM trace_events ORDER BY event_index"
    ).fetchall()
    # The end of signed nanoseconds: 2262-04-11 23:47:16.854775807, which a double of microseconds does not hold.
    assert rows == [
        (0, START, 789, spans.START, "first", '{"a": 1.0}', 2**32 - 1),
        (1, None, None, None, "", "{}", 0),
        (2, datetime(1970, 1, 1, tzinfo=UTC), 1, 1, "début", "{}", 0),
        (3, datetime(2262, 4, 11, 23, 47, 16, 854775, tzinfo=UTC), 807, last, "", "{}", 0),
    ]
    row = connection.execute("SELECT DISTINCT tenant, timestamp, trace_id, span_id, service_name, span_name FROM trace_events")
    assert row.fetchall() == [("default", START, TRACE, SPAN, "shop", "chat gpt-5")]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_times_of_events_do_not_depend_on_the_session(connection: psycopg.Connection, zone: str) -> None:
    """Days of 23 and 25 hours lie between the epoch and any time in such a zone."""
    connection.execute("SELECT set_config('timezone', %s, false)", [zone])
    event = Span.Event(time_unix_nano=spans.START)
    store(connection, spans.encode(spans.request(spans.span(events=[event]))))
    assert connection.execute("SELECT event_timestamp = timestamp FROM trace_events").fetchall() == [(True,)]


def test_links_one_by_one(connection: psycopg.Connection) -> None:
    links = [
        Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8),
        Span.Link(
            trace_id=b"\xff" * 16, span_id=b"\xfe" * 8, trace_state="a=1", flags=2**32 - 1, dropped_attributes_count=3,
            attributes=spans.attributes({"k": "v"}),
        ),
    ]  # fmt: skip
    store(connection, spans.encode(spans.request(spans.span(links=links), spans.span(span_id=b"\x09" * 8))))
    rows = connection.execute(
        "SELECT trace_id, span_id, link_index, linked_trace_id, linked_trace_uuid::text, linked_span_id, trace_state,"
        " attributes, dropped_attributes_count, flags FROM trace_links ORDER BY link_index"
    ).fetchall()
    assert rows == [
        (TRACE, SPAN, 0, "01" * 16, "01010101-0101-0101-0101-010101010101", "02" * 8, None, {}, 0, 0),
        (TRACE, SPAN, 1, "ff" * 16, "ffffffff-ffff-ffff-ffff-ffffffffffff", "fe" * 8, "a=1", {"k": "v"}, 3, 2**32 - 1),
    ]


def plan(connection: psycopg.Connection, query: str, *options: str) -> list[dict[str, Any]]:
    """All nodes of the plan of a query."""
    explain = f"EXPLAIN ({', '.join(['FORMAT json', *options])}) {query}"
    row = connection.execute(explain.encode()).fetchone()
    assert row is not None
    nodes, left = [], [row[0][0]["Plan"]]
    while left:
        nodes.append(left.pop())
        left += nodes[-1].get("Plans", [])
    return nodes


def scanned(nodes: list[dict[str, Any]], table: str) -> set[str]:
    """The partitions of `table` that the plan has, those excepted that it has and never came to."""
    return {
        node["Relation Name"]
        for node in nodes
        if node.get("Relation Name", "").startswith(f"{table}_day") and node.get("Actual Loops", 1)
    }


@pytest.fixture
def filled(connection: psycopg.Connection) -> psycopg.Connection:
    """2,000 spans a day with events, links and content."""
    connection.execute(
        "INSERT INTO llm_traces (tenant, timestamp, timestamp_nanos, trace_id, span_id, flags, is_entry, service_name,"
        " span_name, span_kind, status_code, source_id, usage_role, attributes, events, links, dropped_attributes_count,"
        " dropped_events_count, dropped_links_count)"
        " SELECT 'default', %(start)s + n * interval '40 seconds', 0, md5(n::text)::uuid, uuid_send(md5(n::text)::uuid),"
        " 0, true, 'shop', 'span', 1, 0, md5('s')::uuid, 'none', '{}', %(events)s, %(links)s, 0, 0, 0"
        " FROM generate_series(0, 2160 * %(days)s - 1) n",
        {
            "start": MIDNIGHT - 2 * DAY,
            "days": DAYS,
            "events": Jsonb([{"name": "e"}]),
            "links": Jsonb([{"trace_id": "01" * 16, "span_id": "02" * 8}]),
        },
    )
    connection.execute(
        "INSERT INTO llm_content SELECT tenant, timestamp, service_name, trace_id, span_id, NULL, 'input', 'span_attribute',"
        " NULL, 'gen_ai.prompt', false, 'hi', 2 FROM llm_traces"
    )
    connection.execute("VACUUM ANALYZE llm_traces, llm_content")
    return connection


WITHIN_A_DAY = f"tenant = 'default' AND timestamp >= '{MIDNIGHT:%F %T}+00' AND timestamp < '{MIDNIGHT + DAY:%F %T}+00'"


@pytest.mark.postgresql("plans that name partitions")
@pytest.mark.parametrize("view", tables.VIEWS)
def test_a_query_bounded_in_time_scans_only_its_partitions(filled: psycopg.Connection, view: str) -> None:
    nodes = plan(filled, f"SELECT * FROM {view} WHERE {WITHIN_A_DAY}")
    assert scanned(nodes, "llm_traces") == {"llm_traces_day2"}
    assert scanned(plan(filled, f"SELECT * FROM {view}"), "llm_traces") == {f"llm_traces_day{day}" for day in range(DAYS)}


@pytest.mark.postgresql("plans that name partitions")
@pytest.mark.parametrize("view", tables.VIEWS)
def test_a_trace_is_found_by_index(filled: psycopg.Connection, view: str) -> None:
    [(uuid,)] = filled.execute("SELECT md5('5000')::uuid::text").fetchall()
    nodes = plan(filled, f"SELECT * FROM {view} WHERE {WITHIN_A_DAY} AND trace_uuid = '{uuid}'", "ANALYZE")
    found = [node for node in nodes if "trace_id" in node.get("Index Cond", "") and "llm_traces_day2" in node["Index Name"]]
    assert [node["Actual Rows"] for node in found] == [1]
    assert "tenant" in found[0]["Index Cond"]


@pytest.mark.postgresql("plans that name partitions")
def test_content_is_looked_up_in_the_partition_of_its_span(filled: psycopg.Connection) -> None:
    query = f"SELECT content, attributes FROM trace_spans_full WHERE {WITHIN_A_DAY} ORDER BY timestamp DESC LIMIT 20"
    nodes = plan(filled, query, "ANALYZE")
    assert scanned(nodes, "llm_content") == {"llm_content_day2"}
    looked_up = [node for node in nodes if node.get("Relation Name") == "llm_content_day2"]
    assert all(node["Node Type"] == "Index Scan" and node["Actual Loops"] <= 20 for node in looked_up)
    rows = filled.execute(query.encode()).fetchall()
    assert [row[1] for row in rows] == [{"gen_ai.prompt": "hi"}] * 20


SPANS, ITEMS = 3000, 4


@pytest.fixture
def one_trace(connection: psycopg.Connection) -> psycopg.Connection:
    """A trace of 3,000 spans with 4 items of content each, within a minute of MIDNIGHT."""
    connection.execute(
        "INSERT INTO llm_traces (tenant, timestamp, timestamp_nanos, trace_id, span_id, flags, is_entry, service_name,"
        " span_name, span_kind, status_code, source_id, usage_role, attributes, dropped_attributes_count,"
        " dropped_events_count, dropped_links_count)"
        " SELECT 'default', %s + n * interval '20 ms', 0, md5('t')::uuid, substr(sha256(n::text::bytea), 1, 8),"
        " 0, true, 'shop', 'span', 1, 0, md5('s')::uuid, 'none', '{}', 0, 0, 0 FROM generate_series(1, %s) n",
        [MIDNIGHT, SPANS],
    )
    connection.execute(
        "INSERT INTO llm_content SELECT tenant, timestamp, service_name, trace_id, span_id, NULL, 'input', 'span_attribute',"
        " NULL, 'said.' || item, false, 'hi', 2 FROM llm_traces, generate_series(1, %s) item",
        [ITEMS],
    )
    connection.execute("VACUUM ANALYZE llm_traces, llm_content")
    return connection


@pytest.mark.postgresql("plans that name partitions")
@pytest.mark.parametrize("limit", [10, SPANS])
def test_a_span_reads_its_own_content_once_however_long_its_trace_is(one_trace: psycopg.Connection, limit: int) -> None:
    query = f"SELECT * FROM trace_spans_full WHERE {WITHIN_A_DAY} AND trace_uuid = md5('t')::uuid LIMIT {limit}"
    nodes = plan(one_trace, query, "ANALYZE")
    (read,) = [node for node in nodes if node.get("Relation Name") == "llm_content_day2"]
    assert re.search(r"\(span_id = \w+\.span_id\)", read["Index Cond"])
    assert read["Actual Loops"] == limit
    assert read["Actual Rows"] == ITEMS
    assert read.get("Rows Removed by Filter", 0) == 0


@pytest.mark.parametrize("columns", ["span_id, service_name, events", "*"])
def test_content_that_is_not_asked_for_is_not_read(filled: psycopg.Connection, columns: str) -> None:
    view = "trace_spans_full" if columns != "*" else "trace_spans"
    assert scanned(plan(filled, f"SELECT {columns} FROM {view} WHERE {WITHIN_A_DAY}"), "llm_content") == set()
