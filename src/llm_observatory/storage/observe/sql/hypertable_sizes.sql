-- Hypertables with their chunks, compressed or not. Approximate: the exact function opens every file, this one asks shared memory.
SELECT
    hypertable_name::text AS "table",
    hypertable_approximate_size(format('%%I.%%I', hypertable_schema, hypertable_name)::regclass) AS bytes
FROM timescaledb_information.hypertables
WHERE hypertable_schema = current_schema() AND hypertable_name = ANY(%(tables)s)
