"""The migrated database equals `tables/`, and the check that says so notices every kind of drift."""

from __future__ import annotations

import pytest

from llm_observatory.storage import catalog, migrate
from llm_observatory.storage.connection import connect, connected
from llm_observatory.tables import LLM_TRACES, TABLES, Table
from tests.plugins.database import execute


async def test_migrations_make_exactly_what_tables_declares(engine_database: str) -> None:
    assert await migrate.verify(engine_database) == []


@pytest.mark.timeout(180)
async def test_drift_is_reported_on_timescaledb(wasm_database: str) -> None:
    """What is another there: a fact that is no hypertable, a rollup that is a view, a table that nothing declares."""
    execute(
        wasm_database,
        "CREATE TABLE stranger (n int)",
        "DROP MATERIALIZED VIEW llm_usage_daily",
        "DROP TABLE trace_index",
        "CREATE TABLE trace_index (tenant text NOT NULL, timestamp timestamptz NOT NULL, last_timestamp timestamptz NOT NULL,"
        " trace_id uuid NOT NULL)",
    )
    assert await migrate.verify(wasm_database) == [
        'trace_index: partitioned by nothing, expected RANGE ("timestamp")',
        "stranger: a table that nothing declares",
        "llm_usage_daily: the view is missing",
    ]


DRIFTS = {
    "ALTER TABLE llm_traces ADD COLUMN surprise text": "llm_traces.surprise: a column that nothing declares",
    "ALTER TABLE llm_traces DROP COLUMN links CASCADE": "llm_traces.links: the column is missing",
    "ALTER TABLE llm_metrics ALTER COLUMN flags TYPE int4": "llm_metrics.flags: type integer, expected bigint",
    "ALTER TABLE llm_metrics ALTER COLUMN bounds TYPE float4[]": "llm_metrics.bounds: type real[], expected double precision[]",
    "ALTER TABLE llm_metrics ALTER COLUMN bucket_counts TYPE int4[]": (
        "llm_metrics.bucket_counts: type integer[], expected bigint[]"
    ),
    "ALTER TABLE llm_logs DROP COLUMN message": "llm_logs.message: the column is missing",
    "ALTER TABLE llm_content ADD COLUMN redacted bool": "llm_content.redacted: a column that nothing declares",
    "ALTER TABLE metric_labels ALTER COLUMN labels DROP NOT NULL": "metric_labels.labels: nullable, expected not null",
    "ALTER TABLE llm_traces ALTER COLUMN flags DROP NOT NULL": "llm_traces.flags: nullable, expected not null",
    "ALTER TABLE llm_traces ALTER COLUMN top_p SET NOT NULL": "llm_traces.top_p: not null, expected nullable",
    "ALTER TABLE telemetry_sources RENAME COLUMN scope_name TO name": "telemetry_sources.scope_name: the column is missing",
    "CREATE TABLE stranger (n int)": "stranger: a table that nothing declares",
    "DROP TABLE ingest_touched CASCADE": "ingest_touched: the table is missing",
    "DROP TABLE llm_logs": "llm_logs: the table is missing",
    "DROP VIEW trace_links": "trace_links: the view is missing",
    "DROP VIEW trace_spans CASCADE": "trace_spans: the view is missing",
    "DROP VIEW trace_events; CREATE MATERIALIZED VIEW trace_events AS SELECT 1": "trace_events: the view is missing",
    "DROP VIEW trace_events; CREATE TABLE trace_events (n int)": "trace_events: a table that nothing declares",
    "DROP TABLE metric_labels; CREATE VIEW metric_labels AS SELECT 1": "metric_labels: the table is missing",
    "CREATE UNIQUE INDEX once ON llm_traces (tenant, timestamp, span_id)": "llm_traces: unique index once",
    "ALTER TABLE trace_index ADD PRIMARY KEY (tenant, timestamp, trace_id)": "trace_index: unique index trace_index_pkey",
    "CREATE TRIGGER slow BEFORE UPDATE ON llm_traces FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()": (
        "llm_traces: trigger slow on llm_traces"
    ),
    "ALTER TABLE llm_traces ADD FOREIGN KEY (tenant, source_id) REFERENCES telemetry_sources": "llm_traces: foreign key",
    "CREATE UNIQUE INDEX once ON llm_logs (tenant, timestamp, id)": "llm_logs: unique index once",
    "ALTER TABLE llm_metrics ADD FOREIGN KEY (tenant, series_id) REFERENCES metric_labels": "llm_metrics: foreign key",
}


@pytest.mark.postgresql("what drifts there is tested by itself on TimescaleDB")
@pytest.mark.parametrize("statement", DRIFTS)
async def test_drift_is_reported(database: str, statement: str) -> None:
    execute(database, statement)
    found = await migrate.verify(database)
    assert any(line.startswith(DRIFTS[statement]) for line in found), found


@pytest.mark.postgresql("what drifts there is tested by itself on TimescaleDB")
async def test_a_burden_on_one_partition_is_reported(database: str) -> None:
    execute(
        database,
        "CREATE TABLE llm_traces_p20200101 PARTITION OF llm_traces FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')",
        "CREATE UNIQUE INDEX once ON llm_traces_p20200101 (span_id)",
    )
    assert await migrate.verify(database) == ["llm_traces: unique index once slows every COPY and must not be there"]


@pytest.mark.postgresql("what drifts there is tested by itself on TimescaleDB")
async def test_partitions_are_not_taken_for_strange_tables(database: str) -> None:
    execute(
        database, "CREATE TABLE llm_traces_p20200101 PARTITION OF llm_traces FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')"
    )
    assert await migrate.verify(database) == []


async def test_a_view_of_others_is_none_of_our_business(database: str) -> None:
    execute(database, "CREATE VIEW theirs AS SELECT service_name, count(*) FROM llm_traces GROUP BY 1")
    assert await migrate.verify(database) == []


async def test_a_changed_order_and_partitioning_are_reported(database: str) -> None:
    swapped = (LLM_TRACES.columns[1], LLM_TRACES.columns[0], *LLM_TRACES.columns[2:])
    other = Table(name="llm_traces", kind="fact", columns=swapped)
    connection = await connect(database)
    try:
        found = await catalog.differences(connection, (other, *TABLES[1:]))
    finally:
        await connection.close()
    assert len(found) == 2
    assert found[0].startswith("llm_traces: partitioned by RANGE")
    assert found[1].startswith("llm_traces: columns in order tenant, timestamp,")


async def test_indexes_of_the_design_exist(database: str) -> None:
    connection = await connect(database)
    try:
        cursor = await connection.execute(
            "SELECT indexname, regexp_replace(indexdef, '.* USING ', '') FROM pg_indexes"
            " WHERE schemaname = 'public' AND tablename = ANY(%s)",
            [[table.name for table in TABLES]],
        )
        indexes: dict[str, str] = dict(await cursor.fetchall())
    finally:
        await connection.close()
    assert indexes == {
        "idx_traces_service_timestamp": 'btree (tenant, service_name, "timestamp" DESC)',
        "idx_traces_timestamp": 'btree (tenant, "timestamp" DESC)',
        "idx_traces_trace_id": "btree (tenant, trace_id)",
        "idx_trace_index_trace_id": "btree (tenant, trace_id)",
        "idx_ingest_ledger_received_at": "brin (received_at) WITH (pages_per_range='32', autosummarize='on')",
        "idx_ingest_touched_touched_at": "brin (touched_at) WITH (pages_per_range='32', autosummarize='on')",
        "idx_dead_letters_received_at": "btree (received_at)",
        "idx_log_feed_written_at": "btree (written_at)",
        "search_filters_pkey": "btree (tenant, signal, hour)",
        "backups_pkey": "btree (tenant, kind, destination, label)",
        "idx_backups_finished_at": "btree (finished_at)",
        "maintenance_mode_pkey": "btree (tenant)",
        "idx_model_price_names_place": "btree (subject, provider, place)",
        "idx_model_prices_model": "btree (provider, model)",
        "idx_model_prices_operator": "btree (provider) WHERE (source = 'operator'::text)",
        "rollup_pending_pkey": "btree (tenant, signal, hour)",
        "usage_pending_pkey": "btree (tenant, hour, trace_id)",
        "usage_corrections_pkey": "btree (tenant, trace_id, span_id)",
        "idx_usage_corrections_timestamp": 'btree (tenant, "timestamp")',
        "idx_usage_corrections_expiry": "brin (\"timestamp\") WITH (pages_per_range='32', autosummarize='on')",
        "ingest_ledger_pkey": "btree (tenant, signal, digest)",
        "telemetry_sources_pkey": "btree (tenant, source_id)",
        "idx_content_log_id": "btree (tenant, log_id) WHERE (log_id IS NOT NULL)",
        "idx_content_trace_span": "btree (tenant, trace_id, span_id) WHERE (trace_id IS NOT NULL)",
        "idx_metrics_name_timestamp": 'btree (tenant, metric_name, "timestamp" DESC)',
        "idx_metrics_series_timestamp": 'btree (tenant, series_id, "timestamp" DESC)',
        "idx_metrics_trace_id": "btree (tenant, trace_id) WHERE (trace_id IS NOT NULL)",
        "idx_logs_service_timestamp": 'btree (tenant, service_name, "timestamp" DESC)',
        "idx_logs_timestamp": 'btree (tenant, "timestamp" DESC)',
        "idx_logs_trace_id": "btree (tenant, trace_id) WHERE (trace_id IS NOT NULL)",
        "idx_metric_labels_name": 'btree (tenant, "left"(metric_name, 128))',
        "metric_labels_pkey": "btree (tenant, series_id)",
    }


async def test_a_metric_name_of_any_length_has_its_series(database: str) -> None:
    """Its index holds the beginning: a btree entry of more than 2,704 bytes, and the request, would be refused."""
    name = "".join(f"{number:x}é" for number in range(20_000))
    connection = await connect(database)
    try:
        await connection.execute(
            "INSERT INTO metric_labels VALUES (%s, gen_random_uuid(), %s, %s, 'gauge', '', '', NULL, NULL, NULL, '{}',"
            " gen_random_uuid(), current_date)",
            ["t" * 512, "s" * 512, name],
        )
        await connection.execute("SET enable_seqscan = off")
        query = "FROM metric_labels WHERE tenant = repeat('t', 512) AND left(metric_name, 128) = left(%(name)s, 128)"
        rows = await (await connection.execute(f"EXPLAIN (COSTS off) SELECT {query}".encode(), {"name": name})).fetchall()
        assert "idx_metric_labels_name" in str(rows)
        found = await connection.execute(f"SELECT count(*) {query} AND metric_name = %(name)s".encode(), {"name": name})
        assert await found.fetchone() == (1,)
    finally:
        await connection.close()


async def test_what_a_newer_version_added_keeps_no_records_from_being_stored(database: str) -> None:
    execute(database, "CREATE TABLE stranger (n int)", "ALTER TABLE llm_traces ADD COLUMN surprise text")
    column, table = "llm_traces.surprise: a column that nothing declares", "stranger: a table that nothing declares"
    # A table of somebody else's is no obstacle at any time.
    assert await _for_records(database) == [column]
    execute(database, "INSERT INTO schema_migrations VALUES ('999')")
    assert await _for_records(database) == []
    assert await migrate.verify(database) == [column, table]
    execute(database, "ALTER TABLE llm_traces DROP COLUMN links CASCADE")
    assert "llm_traces.links: the column is missing" in await _for_records(database)


async def _for_records(database: str) -> list[str]:
    async with connected(database) as connection:
        return await migrate.differences(connection, for_records=True)
