"""How the hot statements about logs and metrics are answered: by their index, without opening days that hold nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import psycopg
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.api.v1.log_query_service_pb2 import LogSelection
from llm_observatory.query.logs import selection
from llm_observatory.query.logs.order import LogKey, key_of_row
from llm_observatory.query.logs.repository import LogRepository, Period, Suffixed
from llm_observatory.query.metrics.repository import MetricRepository, Steps
from llm_observatory.query.time_range import DAY, TimeRange, moment
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Statement
from llm_observatory.storage.read import Parameters
from llm_observatory.tables import LLM_LOGS
from tests.contract.query.test_trace_plans import Explaining
from tests.plugins.query import TENANT, Query
from tests.plugins.traces import HOUR, SECOND, T0

DAYS, RECORDS, SERVICES = 4, 2000, 15
WEEK = TimeRange(T0 - 7 * DAY, T0 + HOUR)


def _named(number: int) -> Resource:
    return Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=f"s{number}"))])


def _times(service: int) -> list[int]:
    """Nanoseconds: many in the newest hour, one on each of the days before."""
    return [T0 + n * SECOND for n in range(service, RECORDS, SERVICES)] + [T0 - day * DAY + service for day in range(1, DAYS)]


class Filtering(Explaining):
    """Keeps the filters of the last plan, too."""

    filters = ""

    def _explain(self, statement: Statement, parameters: Parameters) -> None:
        super()._explain(statement, parameters)
        with psycopg.connect(self._database, autocommit=True) as connection:
            lines = connection.execute(SQL("EXPLAIN {}").format(statement), dict(parameters)).fetchall()
        self.filters = "\n".join(line for (line,) in lines if "Filter: " in line)


@pytest.fixture
async def explaining(query: Query) -> Filtering:
    for number in range(SERVICES):
        records = [LogRecord(time_unix_nano=at, body=AnyValue(string_value=f"it took {at % 977} ms")) for at in _times(number)]
        points = [NumberDataPoint(time_unix_nano=at, as_double=1.0) for at in _times(number)]
        gauge = Metric(name=f"m{number}", gauge=Gauge(data_points=points))
        await query.store(
            ExportLogsServiceRequest(
                resource_logs=[ResourceLogs(resource=_named(number), scope_logs=[ScopeLogs(log_records=records)])]
            ),
            ExportMetricsServiceRequest(
                resource_metrics=[ResourceMetrics(resource=_named(number), scope_metrics=[ScopeMetrics(metrics=[gauge])])]
            ),
        )
    with psycopg.connect(query.database, autocommit=True) as connection:
        connection.execute("ANALYZE llm_logs, llm_metrics")
    return Filtering(query)


@pytest.mark.parametrize(
    "asked, index",
    [
        (LogSelection(), "tenant_timestamp|logs_timestamp"),
        (LogSelection(service_names=["s1"]), "tenant_service_name_timestamp|service_timestamp"),
        (LogSelection(text="took"), "tenant_timestamp|logs_timestamp"),
    ],
    ids=["all", "service", "text"],
)
async def test_the_newest_records_are_read_by_the_index_of_time_in_one_day(
    explaining: Explaining, asked: LogSelection, index: str
) -> None:
    values = Values()
    conditions = selection.conditions(asked, values)
    found = await LogRepository(explaining).search(TENANT, [WEEK], conditions, values, newest_first=True, after=None, limit=5)
    assert len(found) == 5
    [(_, used)] = explaining.plans[0]
    assert re.search(index, used), used


async def test_a_page_opens_nothing_newer(explaining: Explaining) -> None:
    after = LogKey(T0 - DAY, bytes(16))
    found = await LogRepository(explaining).search(TENANT, [WEEK], [], Values(), newest_first=True, after=after, limit=SERVICES)
    assert len(found) == SERVICES
    relations = {relation for plan in explaining.plans for relation, _ in plan}
    with_rows = {relation for relation in relations - {LLM_LOGS.name} if "logs" in relation or "hyper" in relation}
    assert len(with_rows) <= DAYS - 1, with_rows


async def test_whole_records_are_read_by_index_in_their_day(explaining: Explaining) -> None:
    repository = LogRepository(explaining)
    keys = await repository.search(TENANT, [WEEK], [], Values(), newest_first=True, after=None, limit=20)
    explaining.plans.clear()
    found = await repository.whole(TENANT, keys, {})
    assert [key_of_row(row) for row in found.rows] == keys
    [(_, used)], *_ = explaining.plans
    assert used


async def test_records_of_requests_are_read_by_the_index_of_time_and_a_table_of_hashes(explaining: Filtering) -> None:
    """A loop over all ends of ids for each record would take a thousand times as long: nothing is known of what is new."""
    repository = LogRepository(explaining)
    [newest] = await repository.search(TENANT, [WEEK], [], Values(), newest_first=True, after=None, limit=1)
    then = moment(newest.time)
    explaining.plans.clear()
    suffixes = [newest.log_id[6:], *(number.to_bytes(10, "big") for number in range(20))]
    found = await repository.by_suffix(TENANT, Period(then - timedelta(hours=1), then), suffixes, [], Values(), count_all=False)
    assert found == {Suffixed(newest, wanted=True)}
    [plan] = explaining.plans
    parts = [used for part, used in plan if part != "llm_logs"]  # a hypertable itself has no rows
    assert parts
    assert all(re.search("tenant_timestamp|logs_timestamp", used) for used in parts), plan
    assert "hashed SubPlan" in explaining.filters, explaining.filters


async def test_points_are_read_by_name_or_series_in_the_days_of_the_range(explaining: Explaining) -> None:
    repository = MetricRepository(explaining)
    series = await repository.series(TENANT, WEEK, "m3", [], Values())
    assert len(series) == 1
    for within, days in ((TimeRange(T0, T0 + HOUR), 1), (WEEK, DAYS)):
        explaining.plans.clear()
        assert await repository.values(TENANT, series[0].metric, series, Steps(within, None))
        [plan] = explaining.plans
        assert len(plan) == days
        assert all(re.search("metric_name|series_id|metrics_name|metrics_series", used) for _, used in plan), plan
