INSERT INTO ingest_touched (tenant, signal, hour, trace_ids, touched_at)
SELECT 'default', 'traces', hour, ARRAY[]::uuid[], hour
FROM generate_series(%s::timestamptz, %s::timestamptz - interval '1 hour', interval '1 hour') AS hour
