"""The shape of every statement about logs, metrics and usage, as it was last looked at.

`WRITE_STATEMENTS=1` writes it anew: look at the difference.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from llm_observatory.api.v1.log_query_service_pb2 import LogSelection
from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeValue
from llm_observatory.api.v1.usage_query_service_pb2 import UsageGroup, UsageSelection
from llm_observatory.query.logs import selection as of_logs
from llm_observatory.query.logs.order import LogKey
from llm_observatory.query.logs.repository import LogRepository, Period
from llm_observatory.query.metrics.repository import MetricRepository, Steps
from llm_observatory.query.metrics.series import Metric, Series
from llm_observatory.query.records import read_sources
from llm_observatory.query.time_range import DAY, HOUR, TimeRange
from llm_observatory.query.usage import selection as of_usage
from llm_observatory.query.usage.cover import cover
from llm_observatory.query.usage.repository import ConversationKey, TurnFound, UsageRepository
from llm_observatory.query.values import Values
from llm_observatory.storage.read import Reader
from tests.plugins.statements import held_against, section

TENANT, ID = "default", bytes(range(16))
THEN = datetime(2025, 1, 1, tzinfo=UTC)
WITHIN = TimeRange(20_000 * DAY + 1, 20_000 * DAY + 2 * HOUR)
DAYS = TimeRange(WITHIN.start, WITHIN.end + 3 * DAY)


async def logs() -> str:
    every = LogSelection(
        service_names=["shop"],
        min_severity=SeverityNumber.SEVERITY_NUMBER_INFO,
        trace_id=ID,
        span_id=ID[:8],
        event_name="e",
        text="timeout 404",
        attributes=[AttributeFilter(key="k", equals=AttributeValue(int_value=1))],
    )
    found = []
    for name, asked, after, newest_first in (
        ("the newest", LogSelection(), None, True),
        ("every condition, the oldest", every, None, False),
        ("a page", LogSelection(service_names=["shop", "db"]), LogKey(WITHIN.end - 7, ID), True),
    ):
        values = Values()
        conditions = of_logs.conditions(asked, values)
        found.append(
            await section(
                name,
                lambda recorder, c=conditions, v=values, a=after, n=newest_first: LogRepository(recorder).search(  # type: ignore[misc]
                    TENANT, [WITHIN], c, v, newest_first=n, after=a, limit=20
                ),
            )
        )
    words = of_logs.words(every.text, "")

    async def of_requests(reader: Reader, *, count_all: bool) -> None:
        values = Values()
        conditions = of_logs.conditions(LogSelection(service_names=["shop"]), values)
        await LogRepository(reader).by_suffix(TENANT, Period(THEN, THEN), [ID[:10]], conditions, values, count_all=count_all)

    found += [
        await section("what hours hold", lambda r: LogRepository(r).parts(TENANT, DAYS, every.attributes, words)),
        await section("by key", lambda r: LogRepository(r).whole(TENANT, [LogKey(WITHIN.start, ID)], {})),
        await section("who sent them", lambda r: read_sources(r, TENANT, [ID])),
        *[
            await section(name, lambda r, c=count_all: of_requests(r, count_all=c))  # type: ignore[misc]
            for name, count_all in (("of requests", False), ("of a request that is wide", True))
        ],
        await section("announced", lambda r: LogRepository(r).announced(TENANT, THEN, 2.0)),
    ]
    return "\n".join(found)


async def metrics() -> str:
    delta = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    found = [
        await section("metrics", lambda r: MetricRepository(r).metrics(TENANT, WITHIN, "gen_ai", "shop")),
        await section("series", lambda r: MetricRepository(r).series(TENANT, WITHIN, "m", [], Values())),
        await section("resources", lambda r: MetricRepository(r).resources(TENANT, [ID])),
    ]
    for kind in ("sum", "histogram"):
        metric = Metric("m", kind, "s", "", delta, is_monotonic=True)
        one = [Series(ID, metric, "shop", {}, ID)]
        for name, steps in (("steps", Steps(WITHIN, 60_000_000)), ("one step", Steps(WITHIN, None))):
            found += [
                await section(
                    f"values of a {kind}, {name}",
                    lambda r, m=metric, o=one, s=steps: MetricRepository(r).values(TENANT, m, o, s),  # type: ignore[misc]
                ),
                await section(
                    f"increases of a {kind}, {name}",
                    lambda r, m=metric, o=one, s=steps: MetricRepository(r).increases(TENANT, m, o, s, THEN),  # type: ignore[misc]
                ),
            ]
    found.append(
        await section(
            "buckets", lambda r: anext(MetricRepository(r).histograms(TENANT, metric, one, Steps(WITHIN, None), THEN), None)
        )
    )
    return "\n".join(found)


async def usage() -> str:
    answers: dict[str, list[Any]] = {"SELECT EXISTS": [(True,)], "SELECT conversation_id FROM conversation\n": [("c",)]}
    selected = UsageSelection(service_names=["shop"], models=["gpt"])
    found = []
    for name, group, step, corrected in (
        ("by model and hour", UsageGroup.USAGE_GROUP_MODEL, HOUR, True),
        ("by model and day, nothing to correct", UsageGroup.USAGE_GROUP_MODEL, DAY, False),
        ("by agent, from rows", UsageGroup.USAGE_GROUP_AGENT, 0, True),
    ):
        values = Values()
        conditions = of_usage.conditions(selected, values)
        parts = cover(DAYS, step, by_rollups=of_usage.known_to_rollups(selected, [group]))
        found.append(
            await section(
                name,
                lambda r, p=parts, s=step, g=group, c=conditions, v=values: UsageRepository(r).usage(  # type: ignore[misc]
                    TENANT, p, s, of_usage.groups([g]), c, v, 10
                ),
                answers if corrected else {},
            )
        )
    turn = TurnFound._make([UUID(bytes=ID), ID[:8], *[None] * (len(TurnFound._fields) - 2)])
    by_cost = ConversationKey(Decimal("1.5"), "c")
    found += [
        await section(
            "conversations",
            lambda r: UsageRepository(r).conversations(TENANT, WITHIN, [], Values(), order="last_time", after=None, limit=10),
            answers,
        ),
        await section(
            "conversations by cost, a page",
            lambda r: UsageRepository(r).conversations(TENANT, WITHIN, [], Values(), order="cost", after=by_cost, limit=10),
        ),
        await section("turns", lambda r: UsageRepository(r).turns(TENANT, "c", WITHIN, 10)),
        await section("content", lambda r: UsageRepository(r).content(TENANT, [turn], THEN, THEN)),
    ]
    return "\n".join(found)


async def test_statements_about_logs_are_those_that_were_looked_at() -> None:
    held_against("logs", await logs())


async def test_statements_about_metrics_are_those_that_were_looked_at() -> None:
    held_against("metrics", await metrics())


async def test_statements_about_usage_are_those_that_were_looked_at() -> None:
    held_against("usage", await usage())


async def test_every_statement_about_facts_is_bounded_in_time() -> None:
    for statement in "\n".join([await logs(), await metrics(), await usage()]).split("\n\n"):
        for table in ("llm_logs", "llm_metrics", "llm_content", "llm_traces", "llm_usage_hourly", "llm_usage_daily"):
            if f"FROM {table}" in statement or f'FROM "{table}"' in statement:
                assert "timestamp >= " in statement or "bucket >= " in statement, statement
        assert "now()" not in statement
