-- Which migrations a database has, and whether its main tables and views are there. `llm-observatory migrate verify` compares
-- every column; this is for where only psql is.
-- psql "$(llm-observatory dsn)" -f verify_migrations.sql
SELECT count(*) AS applied, max(version) AS newest FROM schema_migrations;

SELECT name, CASE WHEN to_regclass(name) IS NULL THEN 'MISSING' ELSE 'there' END AS state
FROM unnest(ARRAY[
    'llm_traces', 'llm_content', 'trace_index', 'llm_metrics', 'llm_logs', 'telemetry_sources', 'metric_labels',
    'ingest_ledger', 'dead_letters', 'model_prices', 'backups', 'maintenance_mode', 'trace_spans', 'trace_spans_full',
    'trace_metrics_hourly', 'trace_metrics_daily', 'metric_stats_hourly', 'llm_usage_hourly', 'llm_usage_daily'
]) AS name
ORDER BY 2, 1;
