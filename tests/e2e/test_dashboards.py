"""Every query of every dashboard, on a real service, its database and a Prometheus that scrapes it."""

from __future__ import annotations

import asyncio
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import grpc
import psycopg
import pytest
from PIL import Image

from dashboards.grafana import Prometheus, Shown, chosen
from dashboards.pictures.__main__ import main as draw
from dashboards.postgres import Postgres
from dashboards.traffic import Driver
from llm_observatory.api.v1.selection_pb2 import TimeRange
from llm_observatory.api.v1.usage_query_service_pb2 import USAGE_GROUP_MODEL, GetUsageRequest
from llm_observatory.api.v1.usage_query_service_pb2_grpc import UsageQueryServiceStub
from llm_observatory.operate.maintain import Maintain
from llm_observatory.settings import Settings
from tests.plugins import grafana
from tests.plugins.database import execute
from tests.plugins.grafana import Query, dashboards
from tests.plugins.programs import environment, program
from tests.plugins.service import Service, lay_migrated_data

ROOT = Path(__file__).parents[2]
SECONDS = 30
"""The longest that traffic goes on until every panel shows something."""

EMPTY_WHEN_ALL_IS_WELL = {
    "storage-overview: Errors of PostgreSQL A": "PostgreSQL made no error",
    "storage-overview: New dead letters A": "no request was refused by PostgreSQL",
    "storage-overview: Requests refused, by reason A": "no request was refused",
    "storage-overview: Refused and failed D": "nothing failed inside",
    "storage-overview: Refused and failed E": "nothing failed inside",
    "storage-overview: Refused and failed F": "nothing failed inside",
    "storage-overview: Refused and failed A": "no span was refused",
    "storage-overview: Refused and failed B": "no data point was refused",
    "database-health: Errors by kind A": "PostgreSQL made no error",
    "database-health: Replication lag A": "there is no standby",
    "database-health: Age of the newest backup A": "there is no backup",
    "database-health: Size of the newest backup A": "there is no backup",
    "database-health: Certificates end in A": "there is no TLS",
    "query-performance: Questions to the cache C": "the cache made no error",
}
"""Queries that may show nothing, and why. All others must show something."""

pytestmark = pytest.mark.timeout(180)


class Run(NamedTuple):
    """A service with traffic, and who is asked about it."""

    service: Service
    prometheus: Prometheus
    postgres: Postgres
    shown: dict[str, Shown]
    """By dashboard: the last hour, with its variables as it is opened."""


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with TemporaryDirectory(prefix="observatory-") as name:
        Path(name).chmod(0o711)
        service = lay_migrated_data(request, Service(Path(name), REDIS_URL="redis://127.0.0.1:6379/9"))
        try:
            service.start()
            execute(service.dsn(), "CREATE EXTENSION pg_stat_statements")
            with grafana.scraping(service, tmp_path_factory.mktemp("prometheus") / "run") as url:
                yield from _driven(service, Prometheus(url))
        finally:
            service.stop()


def _driven(service: Service, prometheus: Prometheus) -> Iterator[Run]:
    driver = Driver(service.endpoint, service.http_endpoint, service.query_endpoint)
    postgres = Postgres(service.dsn())
    try:
        driver.tell_of(30, 30)
        deadline = time.monotonic() + SECONDS
        waiting = [query for query in grafana.queries("prometheus") if demanded(query)]
        while waiting and time.monotonic() < deadline:
            driver.round()
            look_at_the_database(service)
            shown = {name: opened(name, postgres) for name in dashboards()}
            waiting = [query for query in waiting if not prometheus.ask(query.target, shown[query.dashboard])]
        yield Run(service, prometheus, postgres, {name: opened(name, postgres) for name in dashboards()})
    finally:
        postgres.close()
        driver.close()


def look_at_the_database(service: Service) -> None:
    """Have its gauges set now, not within a minute."""
    request = urllib.request.Request(f"http://127.0.0.1:{service.health_port}/admin/update_metrics", b"", method="POST")
    urllib.request.urlopen(request, timeout=30).close()


def opened(name: str, postgres: Postgres, back: timedelta = timedelta(hours=1)) -> Shown:
    """A dashboard with its variables as it is opened now."""
    now = datetime.now(UTC)
    shown = Shown(now - back, now, max(back / 200, timedelta(seconds=1)), timedelta(seconds=1), {"tenant": "default"})
    return replace(shown, variables=chosen(dashboards()[name], lambda statement: postgres.options(shown, statement)))


def demanded(query: Query) -> bool:
    """Whether it must show something."""
    return query.name not in EMPTY_WHEN_ALL_IS_WELL


def test_every_prometheus_query_shows_something(run: Run) -> None:
    asked = grafana.queries("prometheus")
    empty = [
        query.name
        for query in asked
        if not any(one.values for one in run.prometheus.ask(query.target, run.shown[query.dashboard]))
    ]
    assert [name for name in empty if name in {query.name for query in asked if demanded(query)}] == []
    assert EMPTY_WHEN_ALL_IS_WELL.keys() <= {query.name for query in asked}


@pytest.mark.parametrize("name", ["writer_type", "repository"])
def test_whatever_can_be_chosen_has_series(run: Run, name: str) -> None:
    (choices,) = {
        variable["query"]
        for dashboard in dashboards().values()
        for variable in dashboard["templating"]["list"]
        if variable["name"] == name
    }
    for value in choices.split(","):
        assert run.prometheus.ask({"expr": f'{{{name}="{value}"}}'}, run.shown["storage-overview"]), value


def test_prometheus_says_what_it_does_not_understand(run: Run) -> None:
    shown = run.shown["storage-overview"]
    with pytest.raises(ValueError, match="parse error"):
        run.prometheus.ask({"expr": "sum(rate(storage_writes_total[5m])"}, shown)


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=2), timedelta(days=40)], ids=["rows", "hours", "days"])
def test_every_statement_gives_rows(run: Run, back: timedelta) -> None:
    """Of ranges that are read from the spans, from the sums by hour and by day."""
    empty = []
    for query in grafana.queries("postgres"):
        shown = opened(query.dashboard, run.postgres, back)
        found = run.postgres.ask(query.target, shown)
        if query.target["format"] == "time_series":
            assert found.columns[0] == "time", query.name
            assert [row[0] for row in found.rows] == sorted(row[0] for row in found.rows), query.name
        if not any(any(value is not None for value in row) for row in found.rows):
            empty.append(query.name)
    assert empty == []


def by_title(dashboard: str, title: str) -> Query:
    (found,) = [query for query in grafana.queries("postgres") if (query.dashboard, query.panel) == (dashboard, title)]
    return found


@pytest.mark.parametrize("back", [timedelta(hours=20), timedelta(days=2), timedelta(days=40)], ids=["rows", "hours", "days"])
def test_usage_is_what_the_spans_say(run: Run, back: timedelta) -> None:
    """Against statements of their own, over the same spans."""
    shown = opened("llm-usage", run.postgres, back)
    calls, failed, tokens = run.service.query(
        "SELECT count(*), count(*) FILTER (WHERE status_code = 2), sum(input_tokens) FROM llm_traces"
        " WHERE usage_role = 'call' AND timestamp >= %s AND timestamp < %s", shown.begin, shown.end,
    )[0]  # fmt: skip
    assert calls > 0
    glance = {
        title: run.postgres.ask(by_title("llm-usage", title).target, shown).rows[0][0]
        for title in ("Calls", "Errors", "Input tokens")
    }
    assert (glance["Calls"], glance["Errors"], glance["Input tokens"]) == (calls, pytest.approx(failed / calls), tokens)
    for dimension in ("model", "service", "agent", "user"):
        table = run.postgres.ask(by_title("llm-usage", f"By {dimension}").target, shown)
        assert sum(row[table.columns.index("calls")] for row in table.rows) == calls
        assert len(table.rows) > 2


def test_cost_is_that_of_the_query_service(run: Run) -> None:
    shown = opened("llm-usage", run.postgres, timedelta(hours=20))
    shown = replace(shown, begin=shown.begin.replace(microsecond=0), end=shown.end.replace(microsecond=0))
    table = run.postgres.ask(by_title("llm-usage", "By model").target, shown)
    costs = {row[table.columns.index("model")]: row[table.columns.index("cost")] for row in table.rows}
    within = TimeRange(
        start_time_unix_nano=int(shown.begin.timestamp()) * 10**9, end_time_unix_nano=int(shown.end.timestamp()) * 10**9
    )
    with grpc.insecure_channel(run.service.query_endpoint) as channel:
        request = GetUsageRequest(time_range=within, group_by=[USAGE_GROUP_MODEL])
        answer = UsageQueryServiceStub(channel).GetUsage(request, timeout=30)
    told = {row.group[0]: row.usage.cost_usd for row in answer.rows if row.usage.HasField("cost_usd")}
    assert {model: cost for model, cost in costs.items() if cost is not None} == pytest.approx(told)
    assert len(told) == len(costs) - 1
    assert costs["house-llama-70b"] is None


def test_a_picture_is_drawn_of_it(run: Run, tmp_path: Path) -> None:
    asked = ["--prometheus", run.prometheus.url, "--dsn", run.service.dsn(), "--scrape", "1", "--minutes", "2"]
    draw([*asked, "--into", str(tmp_path), "--only", "query-performance"])
    (file,) = tmp_path.iterdir()
    assert file.name == "query-performance.png"
    with Image.open(file) as picture:
        assert picture.size[0] == 1209


def test_slow_statements_without_the_extension_say_what_to_do(run: Run) -> None:
    query = by_title("query-performance", "Slow statements")
    shown = run.shown["query-performance"]
    statements = run.postgres.ask(query.target, shown).rows
    assert len(statements) == 20
    assert [row[2] for row in statements] == sorted((row[2] for row in statements), reverse=True)
    for statement, *_, said in statements:
        *verb, queryid = said.split()
        assert verb == ["llm-observatory", "maintain", "explain"]
        if statement.lstrip("(").startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            maintain = Maintain(run.service.dsn(), Settings(), lambda _line: None)
            assert "cost=" in asyncio.run(maintain.explain(int(queryid))).plan
    execute(run.service.dsn(), "DROP EXTENSION pg_stat_statements")
    try:
        hint, *_ = run.postgres.ask(query.target, shown).rows
    finally:
        execute(run.service.dsn(), "CREATE EXTENSION pg_stat_statements")
    assert "CREATE EXTENSION pg_stat_statements" in hint[0]


def test_the_role_of_grafana_reads_and_does_not_write(run: Run) -> None:
    # As docs/dashboards.md says.
    command = (program("psql"), "--no-psqlrc", "--quiet", "--file", str(ROOT / "deploy/postgres/roles.sql"), run.service.dsn())
    subprocess.run(command, env=environment(), check=True, timeout=60)
    role = Postgres(run.service.dsn())
    try:
        role.run("SET ROLE observatory_reader")
        for query in grafana.queries("postgres"):
            assert role.ask(query.target, run.shown[query.dashboard]).rows, query.name
        role.run("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            role.run("DELETE FROM llm_traces")
    finally:
        role.close()
