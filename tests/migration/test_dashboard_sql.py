"""The statements of the dashboards on a migrated database that has nothing in it yet, of either engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dashboards.grafana import Shown, Values
from tests.plugins import grafana

RANGES = (timedelta(hours=1), timedelta(days=3), timedelta(days=60))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def statements() -> dict[str, str]:
    """Every statement over a range that is read from spans, from hours and from days."""
    found: dict[str, str] = {}
    for back in RANGES:
        variables: dict[str, Values] = {"tenant": "default", "service": ["", "a'b"], "environment": [""]}
        shown = Shown(NOW - back, NOW, back / 100, variables=variables)
        found |= {f"{query.name}, {back}": shown.sql(query.target["rawSql"]) for query in grafana.queries("postgres")}
    return found


@pytest.mark.timeout(180)
def test_every_statement_is_understood(engine_database: str) -> None:
    with psycopg.connect(engine_database, autocommit=True, prepare_threshold=None) as connection:
        for name, statement in statements().items():
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                pytest.fail(f"{name}: {error}")
