"""Sources and series go when nothing can name them any more, and not before, whoever names one again just then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.settings import Settings
from llm_observatory.storage import prune
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine import detect
from llm_observatory.storage.engine.kept import named_for, rollup_horizon
from llm_observatory.storage.forget import forget_dimensions
from llm_observatory.storage.upkeep import drop
from llm_observatory.tables import METRIC_LABELS, TELEMETRY_SOURCES
from tests.integration.test_promises import lock_waits
from tests.plugins.query import Query

DAY = timedelta(days=1)
NAMELESS = "SELECT count(*) FROM llm_metrics m LEFT JOIN metric_labels l USING (tenant, series_id) WHERE l.series_id IS NULL"
SOURCELESS = (
    "SELECT count(*) FROM metric_labels l LEFT JOIN telemetry_sources s USING (tenant, source_id) WHERE s.source_id IS NULL"
)


def points(pod: str, at: datetime) -> ExportMetricsServiceRequest:
    """One point of a pod: a source and a series of its own."""
    point = NumberDataPoint(time_unix_nano=int(at.timestamp()) * 10**9, as_double=1)
    metrics = ScopeMetrics(metrics=[Metric(name="load", gauge=Gauge(data_points=[point]))])
    resource = Resource(attributes=[KeyValue(key="k8s.pod.name", value=AnyValue(string_value=pod))])
    return ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[metrics])])


def ago(days: float) -> datetime:
    return datetime.now(UTC) - days * DAY


async def send(query: Query, pod: str, received: datetime, at: datetime | None = None) -> None:
    await query.store(points(pod, at or received), now=int(received.timestamp()) * 10**6)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection]:
    connection = await connect(database)
    yield connection
    await connection.close()


async def number(connection: AsyncConnection, statement: str) -> int:
    row = await (await connection.execute(statement.encode())).fetchone()
    assert row is not None
    return int(row[0])


async def known(connection: AsyncConnection) -> list[str]:
    """The pods of which source and series are there."""
    assert await number(connection, SOURCELESS) == 0
    rows = await connection.execute(
        "SELECT resource ->> 'k8s.pod.name' FROM metric_labels JOIN telemetry_sources USING (tenant, source_id) ORDER BY 1"
    )
    assert await number(connection, "SELECT count(*) FROM telemetry_sources") == rows.rowcount
    return [pod for (pod,) in await rows.fetchall()]


async def forget(connection: AsyncConnection, settings: Settings | None = None) -> bool:
    settings = settings or Settings()
    return await forget_dimensions(connection, await detect(connection, settings), settings, datetime.now(UTC))


@pytest.mark.parametrize("ahead", [0, 1])
async def test_what_a_record_names_is_there_for_as_long_as_the_record(
    query: Query, connection: AsyncConnection, ahead: float
) -> None:
    """Whatever keeps records for longer than they should be: what was received long ago goes with the last chunk of it."""
    for pod, days in (("old", 200), ("older", 300), ("young", 1)):
        await send(query, pod, ago(days), ago(days - ahead))
    await forget(connection)
    assert await known(connection) == ["old", "older", "young"]
    for days, left in ((250, ["old", "young"]), (150, ["young"])):
        await drop.drop(connection, "llm_metrics", ago(days))
        await forget(connection)
        assert await known(connection) == left
        assert await number(connection, NAMELESS) == 0


async def test_what_the_settings_keep_is_kept_without_a_record(query: Query, connection: AsyncConnection) -> None:
    settings = Settings()
    edge = named_for(settings) // DAY
    for days in (edge - 1, edge, edge + 1):
        await send(query, f"{days - edge:+}", ago(days))
    await drop.drop(connection, "llm_metrics", ago(0) + 2 * DAY)
    await forget(connection, Settings(retention="36500d", accept_max_ahead="36500d"))
    assert await known(connection) == ["+0", "+1", "-1"]
    await forget(connection)
    assert await known(connection) == ["+0", "-1"]


@pytest.mark.parametrize("interval", ["1h", "1d", "30d"])
def test_sums_by_hour_name_no_series_that_may_be_forgotten(interval: str) -> None:
    settings = Settings(retention="30d", chunk_interval=interval, accept_max_ahead="1h")
    now = datetime.now(UTC)
    assert now - named_for(settings) + settings.accept_max_ahead + DAY < rollup_horizon("hourly", settings, now)


async def test_what_is_still_sent_stays_and_what_comes_again_is_there_again(query: Query, connection: AsyncConnection) -> None:
    """Of one process, which remembers what it stored on the last day that it had a request of."""
    for days in (200, 199):
        await send(query, "goes on", ago(days))
        await send(query, "comes again", ago(days))
    await send(query, "goes on", ago(0))
    await drop.drop(connection, "llm_metrics", ago(100))
    await forget(connection)
    assert await known(connection) == ["goes on"]
    await send(query, "comes again", ago(0))
    assert await known(connection) == ["comes again", "goes on"]
    assert await number(connection, NAMELESS) == 0


async def test_one_that_is_named_again_meanwhile_stays(query: Query, connection: AsyncConnection, database: str) -> None:
    """The committer was first: who prunes does not wait for it, and sees nothing of what it will commit."""
    await send(query, "pod", ago(200))
    await send(query, "other", ago(200))
    async with await connect(database) as committer:
        for table in (TELEMETRY_SOURCES, METRIC_LABELS):
            async with committer.transaction():
                first = f"(SELECT min(ctid) FROM {table.name})"
                await committer.execute(f"UPDATE {table.name} SET last_seen = current_date WHERE ctid = {first}".encode())
                async with asyncio.timeout(5):
                    assert await prune.forget(connection, table, ago(100).date()) == 1
    assert await known(connection) == ["pod"]


async def test_one_that_is_named_again_while_it_is_deleted_is_stored_again(
    query: Query, connection: AsyncConnection, database: str
) -> None:
    """Who prunes was first: the committer waits for one batch, and then stores it as new."""
    await send(query, "pod", ago(200))
    async with connection.transaction():
        assert await prune.forget(connection, METRIC_LABELS, ago(100).date()) == 1
        assert await prune.forget(connection, TELEMETRY_SOURCES, ago(100).date()) == 1
        sending = asyncio.create_task(send(query, "pod", ago(0)))
        await lock_waits(database)
    await sending
    assert await known(connection) == ["pod"]
    assert await number(connection, "SELECT count(*) FROM metric_labels WHERE last_seen < current_date - 1") == 0


async def test_a_round_has_its_share(query: Query, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "BATCH_ROWS", 2)
    monkeypatch.setattr(prune, "MAX_BATCHES", 2)
    for pod in range(5):
        await send(query, str(pod), ago(200 + pod))
    await drop.drop(connection, "llm_metrics", ago(100))
    assert [await forget(connection) for _ in range(2)] == [False, True]
    assert await known(connection) == []
