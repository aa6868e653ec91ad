-- What else can be asked here.
SELECT
    to_regclass('timescaledb_information.hypertables') IS NOT NULL AS timescaledb,
    to_regclass('rollup_open') IS NOT NULL AS rollup_tables,
    to_regclass('pg_stat_statements') IS NOT NULL AS pg_stat_statements
