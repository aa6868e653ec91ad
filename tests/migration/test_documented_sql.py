"""The views, and the SQL that the documentation shows, are understood by a migrated database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from llm_observatory.tables import ROLLUP_VIEWS, TABLES, VIEWS
from tests.plugins.documents import blocks

ROOT = Path(__file__).parents[2]
HERE = "tests/migration/test_documented_sql.py"
LABELS = {"gen_ai.request.model": "m"}


def documented() -> dict[str, str]:
    """Every SQL example that is tested here, by its page and line: those of docs/schema.md and docs/content.md."""
    return {block.name: block.text for block in blocks() if block.language == "sql" and block.said == f"(tested: {HERE})"}


ALL_VIEWS = (*VIEWS, *(view.name for view in ROLLUP_VIEWS))
STATEMENTS = {**documented(), **{view: f"SELECT * FROM {view}" for view in ALL_VIEWS}}


def test_examples_are_found() -> None:
    assert len([name for name in STATEMENTS if name.startswith("docs/schema.md:")]) > 10


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_understood_and_runs(database: str, name: str) -> None:
    statement = STATEMENTS[name].strip().rstrip(";")
    assert ";" not in statement, "one statement an example"
    with psycopg.connect(database) as connection:
        connection.execute(f"PREPARE example AS {statement}".encode())
        connection.execute("EXECUTE example")


@pytest.mark.timeout(180)
def test_every_statement_is_understood_by_timescaledb_too(wasm_database: str) -> None:
    with psycopg.connect(wasm_database, autocommit=True, prepare_threshold=None) as connection:
        for number, statement in enumerate(STATEMENTS.values()):
            connection.execute(f"PREPARE example_{number} AS {statement.strip().rstrip(';')}".encode())
            connection.execute(f"EXECUTE example_{number}".encode())


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_view_has_beside_the_columns_of_tables_is_documented(database: str, view: str) -> None:
    text = (ROOT / "docs" / "schema.md").read_text(encoding="utf-8")
    section = text.partition("\n## Views\n")[2].partition("\n## ")[0]
    with psycopg.connect(database) as connection:
        cursor = connection.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [view])
        own = {name for (name,) in cursor} - {column.name for table in TABLES for column in table.columns}
    assert own
    assert {name for name in own if f"`{name}`" not in section} == set()


BOUNDED = [
    name
    for name, text in STATEMENTS.items()
    if name not in ALL_VIEWS and re.search("FROM (llm_|trace_(spans|events|links))", text)
]


@pytest.mark.parametrize("name", BOUNDED)
def test_an_example_is_bounded_by_tenant_and_time(name: str) -> None:
    assert "tenant = 'default'" in STATEMENTS[name]
    assert re.search(r"(timestamp|bucket) (>=|BETWEEN) ", STATEMENTS[name])


def the_example(words: str) -> str:
    """The one documented statement that holds `words`."""
    (found,) = [text for name, text in STATEMENTS.items() if name not in ALL_VIEWS and words in text]
    return found


@pytest.fixture
def connection(database: str, licence: str | None) -> Iterator[psycopg.Connection]:
    """A counter and a histogram, both cumulative, with a point a second for a minute; after 30 s the process starts anew."""
    with psycopg.connect(database, autocommit=True) as opened:
        if licence is None:
            opened.execute("CREATE TABLE p PARTITION OF llm_metrics FOR VALUES FROM (MINVALUE) TO (MAXVALUE)")
        for name, kind in (("http.server.requests", "sum"), ("gen_ai.client.operation.duration", "histogram")):
            opened.execute(
                "INSERT INTO metric_labels VALUES ('default', md5(%(name)s)::uuid, 'shop', %(name)s, %(kind)s, '', '', 2,"
                " CASE %(kind)s WHEN 'sum' THEN true END, NULL, %(labels)s, md5('s')::uuid, current_date)",
                {"name": name, "kind": kind, "labels": Jsonb(LABELS)},
            )
            opened.execute(
                "INSERT INTO llm_metrics (tenant, timestamp, timestamp_nanos, start_timestamp, series_id, metric_name,"
                " service_name, value, count, sum, flags)"
                " SELECT 'default', minute + n * interval '1 second', 0, minute + n / 30 * interval '30 seconds',"
                " md5(%(name)s)::uuid, %(name)s, 'shop', CASE %(kind)s WHEN 'sum' THEN n %% 30 * 5 END,"
                " CASE %(kind)s WHEN 'histogram' THEN n %% 30 * 2 END, CASE %(kind)s WHEN 'histogram' THEN n %% 30 * 3.0 END, 0"
                " FROM generate_series(0, 59) n, (SELECT date_trunc('minute', now()) - interval '5 minutes') t (minute)",
                {"name": name, "kind": kind},
            )
        yield opened


def test_the_rate_of_a_counter_survives_a_new_start(connection: psycopg.Connection) -> None:
    rows = connection.execute(the_example("per_second").encode()).fetchall()
    assert [(row[0], row[2]) for row in rows] == [(LABELS, pytest.approx(2 * 29 * 5 / 60))]


def test_the_average_of_a_histogram(connection: psycopg.Connection) -> None:
    assert connection.execute(the_example("average_seconds").encode()).fetchall() == [("m", pytest.approx(1.5))]


def test_the_newest_value_of_a_series(connection: psycopg.Connection) -> None:
    statement = the_example("DISTINCT ON").replace("process.memory.usage", "http.server.requests")
    rows = connection.execute(statement.encode()).fetchall()
    assert [(row[0], row[3]) for row in rows] == [("shop", 29 * 5)]
