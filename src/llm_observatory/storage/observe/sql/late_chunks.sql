-- Chunks that should be compressed since a day.
SELECT hypertable_name::text AS "table", count(*) AS chunks
FROM timescaledb_information.chunks
JOIN timescaledb_information.hypertables USING (hypertable_schema, hypertable_name)
WHERE hypertable_schema = current_schema() AND compression_enabled AND NOT is_compressed
    AND range_end < now() - %(compress_after)s::interval - INTERVAL '1 day'
GROUP BY hypertable_name
ORDER BY 1
