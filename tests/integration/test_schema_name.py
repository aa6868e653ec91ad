"""Everything works in a schema whose name needs quotes."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from llm_observatory.storage import migrate, move
from llm_observatory.storage.connection import connect
from llm_observatory.storage.engine import CurrentEngine
from llm_observatory.storage.maintenance import Maintenance
from tests.contract.test_rollups import SETTINGS, Store, now, spread
from tests.integration.test_promises import payload_of, session_on, write_request
from tests.migration.test_move import begin_on_partitions, sums
from tests.plugins.database import execute

pytestmark = pytest.mark.timeout(180)

SCHEMA = "Our Schema: é"
"""No double quote in it: TimescaleDB's extension, which is created in it at the first start, refuses such a schema."""


@pytest.fixture
def url(empty_database: str) -> str:
    """An empty database in which that schema is the first of the search path."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        schema, name = sql.Identifier(SCHEMA), sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = {}, public").format(name, schema))
    return empty_database


async def round_of(url: str) -> dict[str, str]:
    maintenance = Maintenance(lambda: connect(url), SETTINGS, CurrentEngine(lambda: connect(url), SETTINGS))
    try:
        return await maintenance.run_once()
    finally:
        await maintenance.close()


async def test_from_the_first_start_on(url: str) -> None:
    await migrate.up(url, lambda _line: None, SETTINGS)
    assert await migrate.verify(url) == []
    async with session_on(url) as session:
        await session.write([write_request(payload_of("shop", days_ago=2, spans=9))])
    store = Store(url)
    execute(url, "GRANT SELECT ON trace_metrics_daily TO PUBLIC", "COMMENT ON VIEW trace_metrics_daily IS 'another version'")
    for _ in range(2):
        assert set((await round_of(url)).values()) == {"success"}
        await store.settle()
        assert store.assert_exact() > 0
    with psycopg.connect(url) as connection:
        granted = "SELECT has_table_privilege('pg_monitor', 'trace_metrics_daily', 'SELECT')"
        assert connection.execute(granted).fetchone() == (True,)


@pytest.mark.timescaledb("what is moved to")
async def test_the_move_to_timescaledb(url: str) -> None:
    execute(url, "CREATE EXTENSION timescaledb SCHEMA public")
    await begin_on_partitions(url)
    store = Store(url)
    await store.add(1, spread(1, now() - timedelta(days=3), timedelta(days=3), 50))
    before = sums(url)
    await move.to_timescaledb(url, SETTINGS, lambda _line: None)
    assert sums(url) == before
    assert await migrate.verify(url) == []
    assert set((await round_of(url)).values()) == {"success"}
    await store.settle()
    assert store.assert_exact() > 0
