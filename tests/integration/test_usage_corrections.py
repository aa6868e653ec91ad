"""Corrections of usage from spans as they come: whole, in pieces, in any order, late; and what is left when they expire."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dashboards.grafana import Shown, chosen
from dashboards.postgres import Postgres
from llm_observatory import metrics
from llm_observatory.api.v1 import usage_query_service_pb2 as pb
from llm_observatory.query.time_range import HOUR, TimeRange, nanoseconds
from llm_observatory.query.usage.answer import usage_of
from llm_observatory.query.usage.repository import UsageRepository
from llm_observatory.query.values import Values
from llm_observatory.settings import Settings
from llm_observatory.storage import touched
from llm_observatory.storage.connection import connect
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.maintenance import Maintenance
from llm_observatory.storage.usage_corrections import work
from tests.contract.query.test_usage import attributes, call, comparable, spans, usage
from tests.plugins import grafana
from tests.plugins.database import execute
from tests.plugins.query import Query

pytestmark = pytest.mark.timeout(180)

BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
START = nanoseconds(BEGIN)
SECOND = 1_000_000_000
ALL = TimeRange(START - 48 * HOUR, START + 5 * HOUR)
GPT: dict[str, Any] = {"provider__name": "openai", "request__model": "gpt-4o"}
TOUCH = """
INSERT INTO ingest_touched
SELECT DISTINCT tenant, 'traces', date_trunc('hour', timestamp, 'UTC'), ARRAY[trace_id], now() FROM {}
"""
SUMS = ("call_count", "error_count", "unreported_count", "input_tokens", "output_tokens", "timed_count")


def of_trace(trace: int, number: int, *, under: int | None = None, at: float = 0, ms: float = 1000, **given: Any) -> Span:
    """A span of a call, `at` seconds after START."""
    made = call(START + int(at * SECOND), trace * 100 + number, trace=trace, ms=ms, **{**GPT, **given})
    if under is not None:
        made.parent_span_id = (trace * 100 + under).to_bytes(8, "big")
    return made


def carrier(made: Span) -> Span:
    """As Logfire sends it."""
    made.attributes.extend(attributes({"logfire.span_type": "log"}))
    return made


def twice(trace: int, at: float = 0, **given: Any) -> list[Span]:
    """One call of 100 and 10 tokens, instrumented twice."""
    said = {"response__id": f"r{trace}", "usage__input_tokens": 100, "usage__output_tokens": 10, **given}
    outer = of_trace(trace, 1, at=at, response__time_to_first_chunk=0.25, **said)
    return [outer, of_trace(trace, 2, under=1, at=at + 0.1, ms=800, **said)]


def stream(trace: int) -> list[Span]:
    """One call of 50 and 5 tokens whose usage came on a span of its own."""
    parent = of_trace(trace, 9, operation__name="invoke_agent", usage__input_tokens=50)
    said = {"response__model": "gpt-4o-2024-08-06", "usage__input_tokens": 50, "usage__output_tokens": 5, "usage__cost": 0.5}
    return [parent, of_trace(trace, 1, under=9), carrier(of_trace(trace, 2, under=9, at=2, ms=0, **said))]


def summed(trace: int) -> list[Span]:
    """Two calls of 10 and 1 tokens below one that is called a call."""
    low = {"usage__input_tokens": 10, "usage__output_tokens": 1}
    outer = of_trace(trace, 1, ms=9000, usage__input_tokens=20, usage__output_tokens=2, failed=True)
    return [outer, of_trace(trace, 2, under=1, at=1, **low), of_trace(trace, 3, under=1, at=4, **low)]


class Kept:
    """A database that is kept up as the service does it."""

    def __init__(self, query: Query, licence: str | None) -> None:
        self.query = query
        self._licence = licence

    async def store(self, *requests: Sequence[Span]) -> None:
        """Each in a request of its own."""
        for request in requests:
            await self.query.store(spans(*request))

    async def round(self, settings: Settings | None = None) -> None:
        """One of maintenance, then what TimescaleDB does by itself."""
        url = self.query.database
        engine = CurrentEngine(lambda: connect(url), settings or Settings())
        maintenance = Maintenance(lambda: connect(url), settings or Settings(), engine)
        try:
            outcome = await maintenance.run_once()
            assert {name: how for name, how in outcome.items() if how != "success"} == {}
        finally:
            await maintenance.close()
        if self._licence == "timescale":
            for grain in ("hourly", "daily"):
                execute(url, f"CALL refresh_continuous_aggregate('llm_usage_{grain}', NULL, NULL)")

    def corrections(self) -> list[tuple[Any, ...]]:
        """All there are, without what the clock says."""
        return self.rows("SELECT * FROM usage_corrections ORDER BY trace_id, span_id")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What it finds."""
        with psycopg.connect(self.query.database) as connection:
            return connection.execute(statement.encode()).fetchall()

    async def sums(self, *, by_rollups: bool) -> tuple[Any, ...]:
        """SUMS of all."""
        [found] = await usage(self.query, ALL, 0, [], pb.UsageSelection(), by_rollups=by_rollups)
        return tuple(getattr(found.sums, name) for name in SUMS)

    async def assert_all_agree(self, expected: tuple[int, ...]) -> None:
        """Rollups and rows say the same, in total and in every group, and it is this."""
        for by_rollups in (True, False):
            assert await self.sums(by_rollups=by_rollups) == expected, f"{by_rollups=}"
        groups = [pb.UsageGroup.USAGE_GROUP_MODEL, pb.UsageGroup.USAGE_GROUP_SERVICE]
        by_row, by_rollup = [
            comparable(await usage(self.query, ALL, HOUR, groups, pb.UsageSelection(), by_rollups=by_rollups))
            for by_rollups in (False, True)
        ]
        assert by_row == by_rollup


@pytest.fixture
def kept(query: Query, licence: str | None) -> Kept:
    return Kept(query, licence)


EXPECTED = (1 + 1 + 2, 0, 0, 100 + 50 + 20, 10 + 5 + 2, 4)
"""SUMS of the three traces: one call, one, two."""


async def test_each_call_counts_once_in_rollups_and_rows(kept: Kept) -> None:
    await kept.store([*twice(1), *stream(2), *summed(3)])
    assert await kept.sums(by_rollups=False) == (6, 1, 1, 290, 29, 6), "as they say by themselves"
    await kept.round()
    await kept.assert_all_agree(EXPECTED)
    assert kept.rows("SELECT verdict, count(*)::int FROM usage_corrections GROUP BY 1 ORDER BY 1") == [
        ("completed", 1), ("duplicate", 1), ("merged", 1), ("rollup", 1),
    ]  # fmt: skip
    [found] = await usage(kept.query, ALL, 0, [], pb.UsageSelection(), by_rollups=True)
    answer = usage_of(found.sums)
    assert answer.reported_cost_usd == pytest.approx(0.5)
    assert answer.cost_usd == pytest.approx(170 * 2.5e-6 + 17 * 10e-6), "of each call once"
    assert answer.ttft_ms_p50 == pytest.approx(250, rel=0.03)
    assert answer.duration_ms_p99 == pytest.approx(1000, rel=0.03), "not the nine seconds of what is no call"
    await kept.round()
    await kept.assert_all_agree(EXPECTED)


DASHBOARD = {query.panel: query.target for query in grafana.queries("postgres") if query.dashboard == "llm-usage"}


RANGES = (timedelta(hours=1), timedelta(days=2), timedelta(days=40))
"""Before the spans: such that the dashboard reads rows, sums by hour, sums by day."""


async def test_the_dashboard_says_what_the_query_service_says(kept: Kept) -> None:
    said: dict[str, Any] = {"agent__name": "planner", "user": "ada"}
    await kept.store([*twice(1, **said), *stream(2), *summed(3), *twice(4, at=60, failed=True, **said)])
    await kept.round()
    dashboard = Postgres(kept.query.database)
    try:
        for back in RANGES:
            await assert_it_says_the_same(kept, dashboard, back)
    finally:
        dashboard.close()


async def assert_it_says_the_same(kept: Kept, dashboard: Postgres, back: timedelta) -> None:
    """In every group, and in total."""
    shown = Shown(BEGIN - back, BEGIN + timedelta(hours=5), timedelta(hours=1), variables={"tenant": "default"})
    within = TimeRange(nanoseconds(shown.begin), nanoseconds(shown.end))
    shown = opened(shown, dashboard)
    for dimension in ("model", "service", "agent", "user"):
        group = pb.UsageGroup.Value(f"USAGE_GROUP_{dimension.upper()}")
        found = await usage(kept.query, within, 0, [group], pb.UsageSelection(), by_rollups=False)
        told = {row.group[0] or "(not said)": figures(usage_of(row.sums)) for row in found}
        assert {row[0]: row[1:] for row in dashboard.ask(DASHBOARD[f"By {dimension}"], shown).rows} == told, (dimension, back)
    glance = [dashboard.ask(DASHBOARD[title], shown).rows[0][0] for title in ("Calls", "Input tokens", "Output tokens")]
    assert glance == [5, 270, 27]
    over_time = dashboard.ask(DASHBOARD["Calls by model"], shown).over_time()
    assert sum(sum(line.values) for line in over_time) == 5
    traces = dashboard.ask(DASHBOARD["Most expensive traces"], shown)
    assert sorted(row[traces.columns.index("calls")] for row in traces.rows) == [1, 1, 1, 2]
    assert [row[3] for row in dashboard.ask(DASHBOARD["What went wrong"], shown).rows] == [1]


def opened(shown: Shown, dashboard: Postgres) -> Shown:
    """With all services and environments chosen."""
    variables = grafana.dashboards()["llm-usage"]
    return replace(shown, variables=chosen(variables, lambda statement: dashboard.options(shown, statement)))


def figures(said: pb.Usage) -> tuple[Any, ...]:
    """As the columns of the dashboard's tables."""
    known = {field.name: value for field, value in said.ListFields()}
    shares = (known.get("error_count", 0) / said.call_count if said.call_count else None,)
    times = ("duration_ms_p50", "duration_ms_p95", "ttft_ms_p50", "ttft_ms_p95")
    close = [
        None if value is None else pytest.approx(value)
        for value in (known.get("cost_usd"), *(known.get(time) for time in times))
    ]
    return (said.call_count, *shares, said.input_tokens, said.output_tokens, *close)


@pytest.mark.parametrize("made", [twice, stream, summed])
async def test_whatever_the_order_and_in_pieces(kept: Kept, made: Any) -> None:
    """Every order of requests of a span each, with a round after each or at the end: the corrections are those of the whole."""
    orders = list(permutations(made(1)))
    for number, order in enumerate(orders, 1):
        trace = [Span.FromString(span.SerializeToString()) for span in order]
        for span in trace:
            span.trace_id = number.to_bytes(16, "big")
        for span in trace:
            await kept.store([span])
            if number % 2:
                await kept.round()
    await kept.round()
    distinct = "count(DISTINCT (span_id, verdict, other_span_id, call_count, input_tokens))::int"
    found = kept.rows(f"SELECT count(*)::int, {distinct} FROM usage_corrections")
    each = len(kept.rows("SELECT FROM usage_corrections WHERE trace_id = '00000000-0000-0000-0000-000000000001'"))
    assert each > 0
    assert found == [(each * len(orders), each)]


async def test_late_spans_change_what_was_decided(kept: Kept) -> None:
    """First the inner of three layers, then the one around it, then the outermost, which tells more than both."""
    outer, inner = twice(1)
    said = {"usage__input_tokens": 100, "usage__output_tokens": 10, "usage__cache_read__input_tokens": 60}
    around = of_trace(1, 7, at=-1, ms=3000, response__id="r1", **said)
    outer.parent_span_id = around.span_id
    verdicts = "SELECT span_id, other_span_id FROM usage_corrections ORDER BY 1"
    for span, expected in (
        (inner, []),
        (outer, [(inner.span_id, outer.span_id)]),
        (around, [(outer.span_id, around.span_id), (inner.span_id, around.span_id)]),
    ):
        await kept.store([span])
        await kept.round()
        assert kept.rows(verdicts) == expected
        await kept.assert_all_agree((1, 0, 0, 100, 10, 1))


async def test_from_nothing_it_is_the_same_again(kept: Kept) -> None:
    await kept.store([*twice(1), *stream(2)], summed(3))
    await kept.round()
    await kept.round()
    before, totals = kept.corrections(), kept.rows("SELECT * FROM usage_corrections_hourly ORDER BY 1, 2, 3, 9, 7")
    assert before
    assert totals
    execute(
        kept.query.database,
        "DELETE FROM usage_corrections",
        "DELETE FROM ingest_touched",
        "INSERT INTO ingest_touched SELECT tenant, 'corrections', bucket, '{}', now() FROM usage_corrections_hourly",
        TOUCH.format("llm_traces"),
    )
    await kept.round()
    assert kept.corrections() == before
    assert kept.rows("SELECT * FROM usage_corrections_hourly ORDER BY 1, 2, 3, 9, 7") == totals
    await kept.assert_all_agree(EXPECTED)


async def test_what_a_deleted_trace_left_goes_with_it(kept: Kept) -> None:
    await kept.store([*twice(1), *stream(2)], summed(3))
    await kept.round()
    execute(
        kept.query.database,
        "DELETE FROM llm_traces WHERE trace_id = '00000000-0000-0000-0000-000000000001'",
        TOUCH.format("usage_corrections"),
    )
    await kept.round()
    await kept.assert_all_agree((3, 0, 0, 70, 7, 3))


async def test_a_trace_across_an_hour_and_another_tenant(kept: Kept) -> None:
    """The outer span in one hour, the inner in the next; another tenant has the same ids, and a call of its own."""
    pair = twice(1, at=3599.95)
    await kept.store([pair[1]], [pair[0]])
    await kept.query.store(spans(pair[1]), tenant="other")
    await kept.round()
    await kept.assert_all_agree((1, 0, 0, 100, 10, 1))
    assert {row[0] for row in kept.corrections()} == {"default"}


async def test_ids_that_are_used_again_hours_later_stop_nobody(kept: Kept) -> None:
    """Of a span's id there is one correction: that of the spans that came last. Both hours are summed up again."""
    await kept.store(twice(1))
    await kept.round()
    again = twice(1, at=4 * 3600)
    await kept.store(again)
    await kept.query.store(spans(*twice(1)), tenant="other")
    await kept.round()
    await settled(kept)
    by_hour = "SELECT tenant, {}, sum(call_count)::int FROM {} GROUP BY 1, 2 ORDER BY 1, 2"
    expected = [("default", BEGIN + timedelta(hours=4), -1), ("other", BEGIN, -1)]
    assert kept.rows(by_hour.format("date_trunc('hour', timestamp)", "usage_corrections")) == expected
    assert kept.rows(by_hour.format("bucket", "usage_corrections_hourly")) == expected
    assert kept.rows("SELECT count(*)::int FROM usage_pending") == [(0,)]


async def settled(kept: Kept) -> None:
    """Hours of changes are computed, which settle for five minutes."""
    for queue, since in (("ingest_touched", "touched_at"), ("rollup_pending", "pending_since")):
        execute(kept.query.database, f"UPDATE {queue} SET {since} = now() - INTERVAL '1 hour'")
    await kept.round()


async def test_a_tenant_whose_traces_cannot_be_corrected_keeps_no_other_waiting(kept: Kept) -> None:
    """It is first in the queue. The round fails, the next does not try it again so soon."""
    for tenant in ("a", "default", "z"):
        await kept.query.store(spans(*twice(1)), tenant=tenant)
    execute(
        kept.query.database,
        "UPDATE ingest_touched SET touched_at = touched_at - INTERVAL '1 minute' WHERE tenant = 'a'",
        "ALTER TABLE usage_corrections ADD CONSTRAINT broken CHECK (tenant <> 'a')",
    )
    url, settings, done = kept.query.database, Settings(), "SELECT tenant FROM usage_corrections ORDER BY 1"
    maintenance = Maintenance(lambda: connect(url), settings, CurrentEngine(lambda: connect(url), settings))
    try:
        assert (await maintenance.run_once())["usage_corrections"] == "error"
        assert kept.rows(done) == [("default",), ("z",)]
        assert metrics.USAGE_PENDING_TRACES._value.get() == 1
        execute(url, "ALTER TABLE usage_corrections DROP CONSTRAINT broken")
        assert (await maintenance.run_once())["usage_corrections"] == "success"
        assert kept.rows(done) == [("default",), ("z",)]
    finally:
        await maintenance.close()
    await kept.round()
    assert kept.rows(done) == [("a",), ("default",), ("z",)]


async def test_conversations_and_turns_count_once_too(kept: Kept) -> None:
    said: dict[str, Any] = {"conversation__id": "c", "user": "ada"}
    trace = [*twice(1, **said), *stream(2)[1:]]
    for span in trace[2:]:
        span.attributes.extend(attributes({"gen_ai.conversation.id": "c"}))
    await kept.store(trace)
    await kept.round()
    repository = UsageRepository(kept.query.reader)
    for order in ("last_time", "cost"):
        [found] = await repository.conversations("default", ALL, [], Values(), order=order, after=None, limit=5)
        answer = usage_of(found.sums)
        assert (answer.call_count, answer.input_tokens, answer.output_tokens, answer.unreported_count) == (2, 150, 15, 0)
    turns = await repository.turns("default", "c", ALL, 10)
    assert [(turn.span_id[-1], turn.counts, turn.input_tokens) for turn in turns if turn.counts] == [
        (101, True, 100),
        (201, True, 50),
    ]
    assert sum(turn.cost_usd or 0 for turn in turns if turn.counts) == pytest.approx(150 * 2.5e-6 + 15 * 10e-6)


async def test_a_trace_of_too_many_spans_is_left_as_it_is(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    await kept.store(twice(1), twice(2))
    await kept.round()
    monkeypatch.setattr("llm_observatory.storage.usage_corrections.work.MAX_SPANS", 2)
    await kept.store([of_trace(1, 5, usage__input_tokens=1)])
    await kept.round()
    assert len(kept.corrections()) == 2
    await kept.assert_all_agree((3, 0, 0, 201, 20, 3))


async def test_many_spans_are_read_in_parts_and_what_there_is_no_time_for_waits_as_long_as_it_did(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.store(*(twice(trace) for trace in range(1, 6)), [of_trace(6, 1)])
    monkeypatch.setattr(work, "SPANS_AT_ONCE", 4)
    monkeypatch.setattr(work, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr("llm_observatory.storage.usage_corrections.replace.ROWS_AT_ONCE", 1)
    decide, parts = work._decide, list[int]()

    def watched(spans: Any, within: Any) -> Any:
        parts.append(sum(map(len, spans.values())))
        return decide(spans, within)

    monkeypatch.setattr(work, "_decide", watched)
    waiting = "SELECT count(*)::int, min(pending_since), max(pending_since) FROM usage_pending"
    async with await connect(kept.query.database) as connection:
        await touched.collect(connection, (), time.monotonic() + 60)
        execute(kept.query.database, "UPDATE usage_pending SET pending_since = '2025-01-01Z'")
        [(_, since, _)] = kept.rows(waiting)
        tenant, hour, over = "default", BEGIN, time.monotonic() - 1
        assert await work.look_at(connection, tenant, hour, over) == 3, "two of two calls each, and the single call"
        assert kept.rows(waiting) == [(3, since, since)]
        assert await work.look_at(connection, tenant, hour, over + 3600) == 3
    assert parts == [4, 4, 2]
    assert len(kept.corrections()) == 5
    assert kept.rows("SELECT count(*)::int FROM usage_pending") == [(0,)]


async def test_corrections_expire_with_their_spans_and_their_days_stay(kept: Kept, licence: str | None) -> None:
    old = [Span.FromString(span.SerializeToString()) for span in twice(1)]
    for span in old:
        span.start_time_unix_nano -= 40 * 24 * HOUR
        span.end_time_unix_nano -= 40 * 24 * HOUR
    await kept.store(old, twice(2))
    settings = Settings(retention="90d")
    await kept.round(settings)
    # The hour of a change settles for five minutes before it is computed.
    execute(kept.query.database, "UPDATE ingest_touched SET touched_at = now() - INTERVAL '1 hour'")
    await kept.round(settings)
    days = "SELECT sum(call_count)::int FROM usage_corrections_daily"
    assert (len(kept.corrections()), kept.rows(days)) == (2, [(-2,)])
    short = Settings(retention="7d", accept_max_age="6d", compress_after="2d")
    # What was stored some hours ago says that the clock is right: it is the setting that changed.
    execute(kept.query.database, "INSERT INTO ingest_ledger SELECT 'default', 'traces', 'd', now() - INTERVAL '3 hours', 'a'")
    await kept.round(short)
    await kept.round(short)
    assert [row[3].int for row in kept.corrections()] == [2]
    assert kept.rows(days) == [(-2,)]
    assert kept.rows("SELECT count(*)::int FROM usage_pending") == [(0,)]
