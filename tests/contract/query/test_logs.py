"""LogQueryService on a real PostgreSQL: what came in is found, whole, in order, once; new records are followed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory import codec
from llm_observatory.api.v1.log_query_service_pb2 import (
    LogOrder,
    LogSelection,
    SearchLogsRequest,
    SearchLogsResponse,
    TailLogsRequest,
)
from llm_observatory.api.v1.log_query_service_pb2_grpc import LogQueryServiceStub
from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeScope, AttributeValue, TimeRange
from llm_observatory.codec.rows import Fields
from llm_observatory.errors import Unauthenticated
from llm_observatory.query import logs, page
from llm_observatory.query.server import QueryServer
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization
from llm_observatory.settings import Settings
from llm_observatory.storage import script, search_filters, touched
from llm_observatory.storage.compose import SQL, Statement
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.copy_writer import CopyWriter
from llm_observatory.storage.dimensions import KnownDimensions
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.pool import ReadPool
from llm_observatory.storage.read import Parameters, PoolReader
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import WriteRequest

HOUR_NS = 3_600 * 10**9
NOW = time.time_ns()
TERMS = codec.Terms(None, 86_400_000_000, 1024**2)


def record(text: str, at: int = NOW, **fields: Any) -> LogRecord:
    """A record of a message."""
    attributes = fields.pop("attributes", {})
    return LogRecord(
        time_unix_nano=at,
        body=AnyValue(string_value=text),
        attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()],
        **fields,
    )


def request(*records: LogRecord, service: str = "checkout") -> ExportLogsServiceRequest:
    """Records of one service."""
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=service))])
    scope = ScopeLogs(scope=InstrumentationScope(name="app", version="1"), log_records=records)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource, scope_logs=[scope])])


class Observatory:
    """A database that is written as the service writes it, and the query service on it."""

    def __init__(self, database: str, stub: Any) -> None:
        self.database, self.stub = database, stub
        engine = CurrentEngine(lambda: connect(database), Settings())
        self.session = CommitSession(lambda: connect(database), CopyWriter(60), engine, KnownDimensions())

    async def store(self, *requests: ExportLogsServiceRequest) -> None:
        """All in one transaction."""
        await self.session.write([self.write_request(sent) for sent in requests])

    @staticmethod
    def write_request(sent: ExportLogsServiceRequest) -> WriteRequest:
        """As the pipeline hands it to storage."""
        payload = sent.SerializeToString()
        digest, received_at = codec.digest("logs", "default", payload), time.time_ns() // 1000
        encoded = codec.encode("logs", "default", payload, digest, received_at, TERMS)
        return WriteRequest("default", "logs", digest, b"", received_at, encoded)

    async def search(self, selection: LogSelection | None = None, **fields: Any) -> SearchLogsResponse:
        """Over the last two days and the next minute unless told otherwise."""
        fields.setdefault("time_range", between(NOW - 48 * HOUR_NS, NOW + 60 * 10**9))
        found: SearchLogsResponse = await self.stub.SearchLogs(SearchLogsRequest(selection=selection, **fields))
        return found

    async def build_filters(self) -> None:
        """What the maintenance does behind ingest."""
        connection = await connect(self.database)
        try:
            await touched.collect(connection, (), time.monotonic() + 60)
            await search_filters.work_off(connection, datetime.now(UTC), datetime.now(UTC) - timedelta(days=3))
        finally:
            await connection.close()


def between(start: int, end: int) -> TimeRange:
    return TimeRange(start_time_unix_nano=start, end_time_unix_nano=end)


def texts(found: SearchLogsResponse) -> list[str]:
    return [one.record.body.string_value for one in found.logs]


class Counting(PoolReader):
    """Counts what it reads of log records and what stands beside them."""

    keys, rows_whole = 0, 0

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        found = await super().rows(statement, parameters)
        Counting.keys += len(found) if "FROM llm_logs" in statement.as_string(None) else 0
        return found

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        found = await super().fields(statement, parameters)
        Counting.rows_whole += len(found)
        return found


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "keys", 0)
    monkeypatch.setattr(Counting, "rows_whole", 0)


class Slow(PoolReader):
    """Finds no log record in any time that a client waits."""

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        if "FROM llm_logs" in statement.as_string(None):
            return await super().rows(SQL("SELECT pg_sleep(300)"), {})
        return await super().rows(statement, parameters)


@asynccontextmanager
async def serving(
    database: str, tenant_of: Authorization = single_tenant, reading: type[PoolReader] = PoolReader, seconds: float = 20
) -> AsyncIterator[LogQueryServiceStub]:
    pool = ReadPool(database, Settings(db_pool_min_connections=1, db_pool_max_connections=4))
    await pool.open()
    server = QueryServer([logs.service(reading(lambda: pool), seconds)], timeout=seconds, tenant_of=tenant_of)
    port = await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield LogQueryServiceStub(channel)
    await server.stop(0)
    await pool.close()


@pytest.fixture
async def observatory(database: str) -> AsyncIterator[Observatory]:
    async with serving(database) as stub:
        made = Observatory(database, stub)
        yield made
        await made.session.close()


async def test_what_came_in_is_found_as_it_came(observatory: Observatory) -> None:
    sent = request(
        record("first", NOW - 2, severity_number=SeverityNumber.SEVERITY_NUMBER_WARN, attributes={"a": "b"}),
        record("second", NOW - 1, trace_id=b"t" * 16, span_id=b"s" * 8, flags=1),
    )
    sent.resource_logs[0].scope_logs[0].log_records[0].body.Clear()
    sent.resource_logs[0].scope_logs[0].log_records[0].body.kvlist_value.values.add(key="k", value=AnyValue(int_value=7))
    await observatory.store(sent, request(record("said", NOW - 3, event_name="gen_ai.user.message"), service="other"))
    found = await observatory.search()
    [of_checkout] = sent.resource_logs
    assert [one.record for one in found.logs[:2]] == list(reversed(of_checkout.scope_logs[0].log_records))
    assert [one.service_name for one in found.logs] == ["checkout", "checkout", "other"]
    assert [one.time_unix_nano for one in found.logs] == [NOW - 1, NOW - 2, NOW - 3]
    assert found.logs[2].record.body.string_value == "said"  # content, from its own table
    source = found.sources[found.logs[0].source_index]
    assert (source.resource, source.scope) == (of_checkout.resource, of_checkout.scope_logs[0].scope)
    assert len(found.sources) == 2
    assert found.logs[1].level == "WARN"


SELECTIONS = {
    "a word": (LogSelection(text="timeout"), {"Timeout of the provider", "TIMEOUT"}),
    "words in any order": (LogSelection(text="provider timeout"), {"Timeout of the provider"}),
    "whole words only": (LogSelection(text="time"), set()),
    "signs of a pattern": (LogSelection(text="100%_"), {"used 100%_ of it"}),
    "severity": (LogSelection(min_severity=SeverityNumber.SEVERITY_NUMBER_ERROR), {"TIMEOUT"}),
    "service": (LogSelection(service_names=["search"]), {"TIMEOUT"}),
    "services": (LogSelection(service_names=["search", "nobody"]), {"TIMEOUT"}),
    "trace": (LogSelection(trace_id=b"t" * 16), {"Timeout of the provider"}),
    "span": (LogSelection(trace_id=b"t" * 16, span_id=b"s" * 8), {"Timeout of the provider"}),
    "other span": (LogSelection(trace_id=b"t" * 16, span_id=b"x" * 8), set()),
    "event": (LogSelection(event_name="app.start"), {"used 100%_ of it"}),
    "attribute": (
        LogSelection(attributes=[AttributeFilter(key="k", equals=AttributeValue(string_value="v"))]),
        {"used 100%_ of it"},
    ),
    "attribute of the resource": (
        LogSelection(
            attributes=[
                AttributeFilter(
                    key="service.name",
                    scope=AttributeScope.ATTRIBUTE_SCOPE_RESOURCE,
                    equals=AttributeValue(string_value="search"),
                )
            ]
        ),
        {"TIMEOUT"},
    ),
}


async def _store_some(observatory: Observatory) -> None:
    old = NOW - 30 * HOUR_NS
    await observatory.store(
        request(record("Timeout of the provider", old, trace_id=b"t" * 16, span_id=b"s" * 8)),
        request(record("used 100%_ of it", old + HOUR_NS, event_name="app.start", attributes={"k": "v"})),
        request(record("TIMEOUT", NOW - 1, severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR), service="search"),
    )


@pytest.mark.parametrize("filtered", [False, True], ids=["without filters", "with filters"])
async def test_every_condition_selects(observatory: Observatory, filtered: bool) -> None:
    await _store_some(observatory)
    if filtered:
        await observatory.build_filters()
    for name, (selection, expected) in SELECTIONS.items():
        assert set(texts(await observatory.search(selection))) == expected, name


async def test_a_late_record_is_found_although_its_hour_has_a_filter(observatory: Observatory) -> None:
    await _store_some(observatory)
    await observatory.build_filters()
    await observatory.store(request(record("late needle", NOW - 30 * HOUR_NS)))
    assert texts(await observatory.search(LogSelection(text="needle"))) == ["late needle"]  # the change waits in the queue
    connection = await connect(observatory.database)
    await touched.collect(connection, (), time.monotonic() + 60)
    assert texts(await observatory.search(LogSelection(text="needle"))) == ["late needle"]  # the filter is gone
    await connection.close()
    await observatory.build_filters()
    assert texts(await observatory.search(LogSelection(text="needle"))) == ["late needle"]  # it was built again


async def test_filters_leave_hours_unread(observatory: Observatory) -> None:
    """Rows that a filter knows nothing of are not seen: hours are left out, and nothing may write past ingest."""
    await _store_some(observatory)
    await observatory.build_filters()
    connection = await connect(observatory.database)
    await connection.execute("UPDATE llm_logs SET message = 'smuggled' WHERE message = 'Timeout of the provider'")
    assert texts(await observatory.search(LogSelection(text="smuggled"))) == []
    await connection.execute("DELETE FROM search_filters")
    await connection.close()
    assert texts(await observatory.search(LogSelection(text="smuggled"))) == ["smuggled"]


async def test_filters_that_nobody_asked_for_are_asked_for_day_by_day(observatory: Observatory) -> None:
    """As after an upgrade from before there were filters."""
    await _store_some(observatory)
    await observatory.build_filters()
    asked_for = "SELECT tenant, signal, hour, bits = '' FROM search_filters ORDER BY signal, hour"
    connection = await connect(observatory.database)
    built = await (await connection.execute(asked_for)).fetchall()
    assert built
    await connection.execute("DELETE FROM search_filters")
    oldest = datetime.now(UTC) - timedelta(days=3)
    before: datetime | None = datetime.now(UTC)
    rounds = 0
    while before is not None:
        before = await search_filters.queue_day(connection, before, oldest)
        rounds += 1
        assert rounds <= 4
    assert rounds >= 3
    queued = await (await connection.execute(asked_for)).fetchall()
    assert [row[:3] for row in queued] == [row[:3] for row in built]
    assert any(row[3] for row in queued)
    await observatory.build_filters()
    assert await (await connection.execute(asked_for)).fetchall() == built
    await connection.close()


@pytest.mark.parametrize("order", [LogOrder.LOG_ORDER_NEWEST, LogOrder.LOG_ORDER_OLDEST])
async def test_pages_give_each_record_once_while_others_come_in(observatory: Observatory, order: LogOrder.ValueType) -> None:
    same = NOW - 5 * HOUR_NS
    await observatory.store(request(*(record(f"r{number}", same + number // 4) for number in range(20))))
    seen: list[str] = []
    token = ""
    while True:
        found = await observatory.search(order=order, page_size=3, page_token=token)
        seen += texts(found)
        token = found.next_page_token
        if not token:
            break
        await observatory.store(request(record("newcomer", NOW + len(seen))))
    ours = [text for text in seen if text != "newcomer"]
    assert sorted(ours) == sorted(f"r{number}" for number in range(20))
    numbers = [int(text[1:]) // 4 for text in ours]
    assert numbers == sorted(numbers, reverse=order == LogOrder.LOG_ORDER_NEWEST)


async def test_bounds_are_exact_to_the_nanosecond(observatory: Observatory) -> None:
    await observatory.store(request(*(record(str(nanos), NOW // 1000 * 1000 - 2000 + nanos) for nanos in (0, 1, 998, 999))))
    base = NOW // 1000 * 1000 - 2000
    assert texts(await observatory.search(time_range=between(base + 1, base + 999))) == ["998", "1"]


async def test_a_page_of_large_records_ends_early(observatory: Observatory) -> None:
    await observatory.store(request(*(record("x" * 900_000, NOW - number) for number in range(10))))
    found = await observatory.search()
    assert len(found.logs) == 3
    rest = await observatory.search(page_token=found.next_page_token)
    assert rest.logs[0].time_unix_nano == NOW - 3


@pytest.mark.usefixtures("counted")
async def test_a_page_of_large_records_reads_little_more_than_it_gives(observatory: Observatory, database: str) -> None:
    records = [record("x" * 500_000, NOW - number, event_name="gen_ai.user.message") for number in range(60)]
    await observatory.store(*(request(*records[begin : begin + 20]) for begin in range(0, 60, 20)))
    async with serving(database, reading=Counting) as stub:
        ask: Any = stub.SearchLogs
        found = await ask(SearchLogsRequest(time_range=between(NOW - 100, NOW + 1)))
    assert [one.record for one in found.logs] == records[:6]
    assert found.next_page_token
    # Rows, their content and the source.
    assert Counting.rows_whole <= 2 * 20 + 1


async def test_pages_end_early_with_large_records_among_small_ones_and_leave_none_out(observatory: Observatory) -> None:
    sizes = [10, 2_000_000, 10, 10, 4_000_000, 10, 2_000_000, 2_000_000, *[10] * 50]
    sent = [record("x" * size, NOW - number) for number, size in enumerate(sizes)]
    await observatory.store(request(*sent))
    pages: list[list[LogRecord]] = []
    token = ""
    while token or not pages:
        found = await observatory.search(page_token=token, page_size=20)
        pages.append([one.record for one in found.logs])
        token = found.next_page_token
    assert [one for page in pages for one in page] == sent
    assert [len(page) for page in pages] == [4, 1, 2, 20, 20, 11]


async def test_a_record_that_was_stored_twice_is_found_once(observatory: Observatory) -> None:
    await observatory.store(request(*(record(str(number), NOW - number) for number in range(6))))
    connection = await connect(observatory.database)
    await connection.execute("INSERT INTO llm_logs SELECT * FROM llm_logs WHERE message IN ('0', '1', '2')")
    await connection.close()
    first = await observatory.search(page_size=4)
    assert texts(first) == ["0", "1", "2", "3"]
    rest = await observatory.search(page_size=4, page_token=first.next_page_token)
    assert (texts(rest), rest.next_page_token) == (["4", "5"], "")


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_the_last_page_has_no_token_also_when_it_is_full(observatory: Observatory, size: int) -> None:
    await observatory.store(request(*(record(str(number), NOW - number) for number in range(4))))
    token, pages = "", 0
    while token or not pages:
        found = await observatory.search(page_size=size, page_token=token)
        token, pages = found.next_page_token, pages + 1
        assert len(found.logs) == size
    assert pages == 4 // size


async def test_no_page_begins_where_no_answer_ended(observatory: Observatory) -> None:
    asked = SearchLogsRequest(time_range=between(NOW - HOUR_NS, NOW))
    of_this_question: list[page.Key] = [[5, "zz"], [5, "00" * 15], [5, "00" * 17], [-1, "00" * 16], [2**63, "00" * 16]]
    of_this_question += [[5, "0 " * 16], [5, None], [None, "00" * 16], [5.0, "00" * 16], [5], [10**30, "00" * 16]]
    for key in of_this_question:
        asked.page_token = page.token(asked, key)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await observatory.stub.SearchLogs(asked)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, key
        assert refused.value.details() == "page_token: is no token of this service", key


REFUSED = {
    "time_range.start_time_unix_nano: is not before the end": {"time_range": between(NOW, NOW)},
    "time_range: is longer than 90 days": {"time_range": between(1, NOW)},
    "selection.trace_id: has 3 bytes, not 16": {"selection": LogSelection(trace_id=b"abc")},
    "selection.span_id: needs trace_id": {"selection": LogSelection(span_id=b"s" * 8)},
    "selection.attributes[0].condition: is required": {"selection": LogSelection(attributes=[AttributeFilter(key="k")])},
    "selection.text: has more than 10 words": {"selection": LogSelection(text="a " * 11)},
    "selection.min_severity: is 25": {"selection": LogSelection(min_severity=25)},  # type: ignore[arg-type]  # no such number
    "page_size: is above 1000": {"page_size": 1001},
    "order: is 42, which is none of LogOrder": {"order": 42},
    "page_token: is no token": {"page_token": "!"},
}


@pytest.mark.parametrize("words", REFUSED)
async def test_what_is_wrong_is_said_with_its_field(observatory: Observatory, words: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await observatory.search(**REFUSED[words])  # type: ignore[arg-type]  # fields by name
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in str(refused.value.details())


async def _followed(stream: Any, number: int) -> list[str]:
    seen: list[str] = []
    async with asyncio.timeout(10):
        while len(seen) < number:
            seen += texts(await stream.read())
    return seen


async def test_new_records_are_followed_once_and_none_is_missed(observatory: Observatory) -> None:
    await observatory.store(request(record("before")))
    stream = observatory.stub.TailLogs(TailLogsRequest())
    assert not (await stream.read()).logs
    for number in range(5):
        await observatory.store(
            request(record(f"new {number}", NOW + number)), request(record(f"old {number}", NOW - 30 * HOUR_NS))
        )
    await observatory.store(request(LogRecord(body=AnyValue(string_value="untimed"))))
    await observatory.store(request(LogRecord(body=AnyValue(string_value="untimed"))))
    await observatory.store(request(record("new 0", NOW)))  # a retry: stored once
    expected = sorted([*(f"{age} {number}" for number in range(5) for age in ("new", "old")), "untimed", "untimed"])
    assert sorted(await _followed(stream, len(expected))) == expected
    await observatory.store(request(record("last")))
    assert await _followed(stream, 1) == ["last"]
    stream.cancel()


@pytest.mark.parametrize(
    "now,code", [({}, grpc.StatusCode.UNAUTHENTICATED), ({"the token": "another"}, grpc.StatusCode.PERMISSION_DENIED)]
)
async def test_who_may_not_ask_any_more_follows_nothing_more(
    observatory: Observatory, database: str, now: dict[str, str], code: grpc.StatusCode
) -> None:
    tenants = {"the token": "default"}

    def tenant_of(shown: str | None) -> str:
        if shown not in tenants:
            raise Unauthenticated("the token is not known")
        return tenants[shown]

    async with serving(database, tenant_of) as stub:
        stream: Any = stub.TailLogs(TailLogsRequest(), metadata=(("authorization", "the token"),))
        assert not (await stream.read()).logs
        await observatory.store(request(record("while it may")))
        assert await _followed(stream, 1) == ["while it may"]
        tenants.clear()
        tenants.update(now)
        await observatory.store(request(record("no more")))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _followed(stream, 1)
    assert refused.value.code() is code


async def test_a_transaction_that_is_committed_late_is_not_missed(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = observatory.stub.TailLogs(TailLogsRequest(selection=LogSelection(service_names=["checkout"])))
    await stream.read()
    slow = await connect(observatory.database)
    begun, may_commit = asyncio.Event(), asyncio.Event()
    run = script.run

    async def held(connection: AsyncConnection, steps: Sequence[script.Step]) -> str:
        if connection is slow:
            await run(connection, steps[:-1])
            begun.set()
            await may_commit.wait()
        return await run(connection, steps[-1:] if connection is slow else steps)

    monkeypatch.setattr(script, "run", held)
    await observatory.store(request(record("earlier")))
    assert await _followed(stream, 1) == ["earlier"]
    late = observatory.write_request(request(record("late commit")))
    committing = asyncio.create_task(CopyWriter(0).write(slow, [late]))
    await begun.wait()
    await observatory.store(request(record("overtaking")))
    assert await _followed(stream, 1) == ["overtaking"]
    may_commit.set()
    await committing
    assert await _followed(stream, 1) == ["late commit"]
    stream.cancel()
    await slow.close()


async def test_a_tail_outlives_a_quiet_time(observatory: Observatory) -> None:
    stream = observatory.stub.TailLogs(TailLogsRequest())
    await stream.read()
    await observatory.store(request(record("before")))
    assert await _followed(stream, 1) == ["before"]
    connection = await connect(observatory.database)
    await connection.execute("""
        CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.written_at := NEW.written_at + interval '6 minutes'; RETURN NEW; END $$;
        CREATE TRIGGER later BEFORE INSERT ON log_feed FOR EACH ROW EXECUTE FUNCTION later()
    """)
    await connection.close()
    await observatory.store(request(record("after six minutes")))
    assert await _followed(stream, 1) == ["after six minutes"]
    await observatory.store(request(record("and then")))
    assert await _followed(stream, 1) == ["and then"]
    stream.cancel()


async def test_what_was_committed_before_is_not_followed(observatory: Observatory) -> None:
    """The newest request before is 20 seconds old: what was there up to half a minute before that is not new either."""
    await observatory.store(request(record("older")))
    await observatory.store(request(record("old")))
    connection = await connect(observatory.database)
    await connection.execute("""
        UPDATE log_feed SET written_at = written_at
            - CASE written_at WHEN (SELECT max(written_at) FROM log_feed) THEN interval '20 s' ELSE interval '35 s' END
    """)
    await connection.close()
    stream = observatory.stub.TailLogs(TailLogsRequest())
    await stream.read()
    await observatory.store(request(record("new")))
    assert await _followed(stream, 1) == ["new"]
    stream.cancel()


@pytest.mark.usefixtures("counted")
async def test_of_a_request_over_a_month_only_its_own_records_are_read(observatory: Observatory, database: str) -> None:
    month = 29 * 24 * HOUR_NS
    for at in (NOW, NOW - month // 2, NOW - month):
        await observatory.store(request(*(record("of others", at - number) for number in range(100))))
    sent = [record("ours", NOW), *(record("ours", NOW - month // part) for part in (3, 2, 1))]
    async with serving(database, reading=Counting) as stub:
        stream: Any = stub.TailLogs(TailLogsRequest())
        await stream.read()
        await observatory.store(request(*sent))
        assert await _followed(stream, 4) == ["ours"] * 4
        stream.cancel()
    assert Counting.keys == 4
    assert Counting.rows_whole == 4 + 1


async def test_of_a_request_over_a_month_what_is_not_asked_for_is_left_out(observatory: Observatory) -> None:
    stream = observatory.stub.TailLogs(TailLogsRequest(selection=LogSelection(text="asked", service_names=["checkout"])))
    await stream.read()
    sent = [
        record("asked for", NOW),
        record("not", NOW - 1),
        *(record(f"asked {days}", NOW - days * 24 * HOUR_NS) for days in (9, 29)),
    ]
    await observatory.store(request(*sent), request(*sent, service="other"))
    assert await _followed(stream, 3) == ["asked 29", "asked 9", "asked for"]
    await observatory.store(request(record("asked again")))
    assert await _followed(stream, 1) == ["asked again"]
    stream.cancel()


@pytest.mark.parametrize(
    "age,code,words",
    [
        (0, grpc.StatusCode.DEADLINE_EXCEEDED, "the query took too long (QUERY_TIMEOUT"),
        (29 * 24 * HOUR_NS, grpc.StatusCode.RESOURCE_EXHAUSTED, "not found among all others in 1 seconds (QUERY_TIMEOUT)"),
    ],
    ids=["near", "far apart"],
)
async def test_each_look_of_a_tail_ends_in_time(
    observatory: Observatory, database: str, age: int, code: grpc.StatusCode, words: str
) -> None:
    async with serving(database, reading=Slow, seconds=1) as stub:
        stream: Any = stub.TailLogs(TailLogsRequest())
        await stream.read()
        await observatory.store(request(record("old", NOW - age), record("new")))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _followed(stream, 1)
    assert refused.value.code() is code
    assert words in str(refused.value.details())
