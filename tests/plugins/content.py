"""What is in a database, so that two can be compared: number and sum of the rows of every table and rollup that holds data."""

from __future__ import annotations

import psycopg

from llm_observatory.tables import BY_NAME, ROLLUP_VIEWS

COMPARED = [
    *(name for name, table in BY_NAME.items() if table.kind in {"fact", "dimension", "index"} or name == "ingest_ledger"),
    *(view.name for view in ROLLUP_VIEWS),
]
CONTENT = "SELECT count(*), coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM {} t"


def content(conninfo: str) -> dict[str, object]:
    """Number and sum of the rows of every table and view that holds data."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return {name: connection.execute(CONTENT.format(name).encode()).fetchone() for name in COMPARED}


def traces(conninfo: str) -> set[bytes]:
    with psycopg.connect(conninfo) as connection:
        return {row[0].bytes for row in connection.execute("SELECT DISTINCT trace_id FROM llm_traces")}
