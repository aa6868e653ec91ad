"""The TimescaleDB that other tests stand on: what it is, what works there, and that its connections are told apart."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import AsyncConnection, Connection

from llm_observatory.storage import dbmate
from llm_observatory.storage.script import COPY_HEADER, COPY_TRAILER
from tests.plugins.database import execute

_POINTS = """
CREATE TABLE points (at timestamptz NOT NULL, name text NOT NULL, value int8 NOT NULL);
SELECT create_hypertable('points', by_range('at', interval '1 day'));
ALTER TABLE points SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'name', timescaledb.orderby = 'at');
INSERT INTO points SELECT '2026-01-01'::timestamptz + n * interval '1 hour', 'n' || n % 2, n FROM generate_series(0, 95) AS n;
"""

_DAILY = """
CREATE FUNCTION pair_add(state int8[], value int8) RETURNS int8[] LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN state[1] := state[1] + 1; state[2] := state[2] + value; RETURN state; END $$;
CREATE AGGREGATE pair(int8) (SFUNC = pair_add, STYPE = int8[], INITCOND = '{0,0}');
CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS
SELECT time_bucket('1 day', at) AS day, name, pair(value) AS pair FROM points GROUP BY 1, 2 WITH NO DATA;
"""


@pytest.fixture
def connection(wasm_timescale: str) -> Iterator[Connection]:
    with psycopg.connect(wasm_timescale, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("time", [1, 2])
def test_each_test_has_a_fresh_one_of_the_pinned_version(time: int, connection: Connection) -> None:
    connection.execute("CREATE TABLE left_behind ()")
    assert connection.execute(
        "SELECT extversion, current_setting('server_version'), current_setting('timescaledb.license')"
        " FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone() == ("2.23.0-dev", "17.5", "timescale")


def test_columnstore_continuous_aggregate_and_policies(connection: Connection) -> None:
    connection.execute(_POINTS)
    connection.execute(_DAILY)
    connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('points', '2026-01-03'::timestamptz) AS chunk")
    assert _chunks(connection) == {True: 2, False: 2}
    connection.execute("CALL refresh_continuous_aggregate('daily', NULL, '2026-01-03')")
    daily = connection.execute("SELECT day::date::text, name, pair FROM daily ORDER BY 1, 2").fetchall()
    assert daily[:2] == [("2026-01-01", "n0", [12, 132]), ("2026-01-01", "n1", [12, 144])]
    assert len(daily) == 4
    _run(connection, "SELECT add_compression_policy('points', interval '1 day')")
    assert _chunks(connection) == {True: 4}
    _run(connection, "SELECT add_retention_policy('points', interval '1 day')")
    assert _chunks(connection) == {}
    assert connection.execute("SELECT count(*) FROM daily").fetchone() == (4,)


def _chunks(connection: Connection) -> dict[bool, int]:
    """How many chunks are compressed, and how many are not."""
    return dict(
        connection.execute(
            "SELECT is_compressed, count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'points' GROUP BY 1"
        ).fetchall()
    )


def _run(connection: Connection, policy: LiteralString) -> None:
    """Add a policy, and do what its background worker would do: there are none."""
    [(job,)] = connection.execute(policy).fetchall()
    connection.execute("CALL run_job(%s)", [job])


async def test_dbmate_outside_a_transaction_and_back(wasm_timescale: str, tmp_path: Path) -> None:
    (tmp_path / "001_daily.sql").write_text(
        f"-- migrate:up transaction:false\n{_POINTS}{_DAILY}"
        "-- migrate:down transaction:false\nDROP TABLE points CASCADE;\nDROP AGGREGATE pair(int8);\nDROP FUNCTION pair_add;\n"
    )
    url = wasm_timescale.replace("postgresql:", "postgres:")
    for command in ("migrate", "rollback", "migrate"):
        lines: list[str] = []
        assert await dbmate.run(url, [tmp_path], command, lines.append) == (0, []), lines
    async with await AsyncConnection.connect(wasm_timescale) as connection:
        cursor = await connection.execute("SELECT to_regclass('daily')::text, version FROM schema_migrations")
        assert await cursor.fetchall() == [("daily", "001")]


def test_a_dropped_connection_leaves_nothing_behind(wasm_timescale: str) -> None:
    """Neither a transaction nor settings, locks and temporary tables. What is stored for a role holds from the next on."""
    execute(wasm_timescale, "ALTER ROLE CURRENT_USER IN DATABASE postgres SET work_mem = '7MB'")
    dropped = psycopg.connect(wasm_timescale, options="-c jit=off -c timezone=Europe/Rome")
    assert dropped.execute("SELECT current_setting('work_mem'), current_setting('jit')").fetchone() == ("7MB", "off")
    dropped.execute("CREATE TABLE undone (); CREATE TEMPORARY TABLE own (); SELECT pg_advisory_lock(1)")
    with socket.socket(fileno=os.dup(dropped.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    with psycopg.connect(wasm_timescale) as connection:
        assert connection.execute(
            "SELECT to_regclass('undone'), to_regclass('own'), current_setting('TimeZone'),"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
        ).fetchone() == (None, None, "UTC", 0)
    dropped.close()


def test_two_connections_take_turns(wasm_timescale: str) -> None:
    with (
        psycopg.connect(wasm_timescale, autocommit=True, options="-c work_mem=7MB") as first,
        psycopg.connect(wasm_timescale, autocommit=True) as second,
    ):
        for connection, work_mem in ((first, "7MB"), (second, "4MB"), (first, "7MB")):
            assert connection.execute("SHOW work_mem").fetchone() == (work_mem,)
        with first.transaction(), pytest.raises(psycopg.errors.FeatureNotSupported, match="one backend"):
            second.execute("SELECT 1")
        assert second.execute("SELECT 1").fetchone() == (1,)


def test_copy_and_large_statements(connection: Connection) -> None:
    """They come in pieces of TCP, and the backend cannot wait for the next."""
    assert connection.execute("SELECT length(%s::text)", ["ä" * 3_000_000]).fetchone() == (3_000_000,)
    connection.execute("CREATE TABLE copied (number int4, words text)")
    with connection.cursor().copy("COPY copied FROM STDIN (FORMAT binary)") as copy:
        copy.write(COPY_HEADER)
        for number in range(3000):
            copy.write(struct.pack(">hiii", 2, 4, number, 100) + b"x" * 100)
        copy.write(COPY_TRAILER)
    with connection.cursor().copy("COPY (SELECT count(*), sum(length(words)) FROM copied) TO STDOUT") as copy:
        assert list(copy.rows()) == [("3000", "300000")]
    with pytest.raises(psycopg.errors.UndefinedTable), connection.cursor().copy("COPY nothing FROM STDIN") as copy:
        copy.write_row((1,))
    assert connection.execute("SELECT 1").fetchone() == (1,)
